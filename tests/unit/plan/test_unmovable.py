"""VMs that stay on their host: each reason against each thing said beforehand, and the plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_clusters import changed_vm, cluster, host, host_id, lab, pin, vm, vm_id

from standfast.model.cluster import Disk, Snapshot, VmState
from standfast.model.ids import VmId
from standfast.model.plan import HostStep, Plan
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.unmovable import Handling, Said
from standfast.plan.checker import violations
from standfast.plan.make import make_plan

LOCAL: dict[str, Any] = {"disks": (Disk("/var/lib/a", shared=False, target="vda"),)}
CARD: dict[str, Any] = {"passthrough": ("host device (pci)",)}
ISO: dict[str, Any] = {"disks": (Disk("/iso", shared=False, removable=True, target="sda"),)}
SHARE: dict[str, Any] = {"unsupported": ("folder shared with its host",)}
PAUSED: dict[str, Any] = {"state": VmState.PAUSED}
SAVED: dict[str, Any] = {"managed_save": True}
TRANSIENT: dict[str, Any] = {"persistent": False}


def said(name: str, handling: Handling) -> dict[VmId, Said]:
    return {vm_id(name): Said(vm_id(name), handling, "alice", 5.0, "rules.yaml:7")}


def planned(snapshot: Snapshot, handling: Handling | None, name: str = "small0") -> Plan:
    words = {} if handling is None else said(name, handling)
    return make_plan(snapshot, Policy(), now=1000.0, said=words)


def step_of(plan: Plan, number: int) -> HostStep:
    return next(step for step in plan.steps if step.host == host_id(number))


def with_trouble(**changes: Any) -> Snapshot:
    """small0 on host2 can't be moved; small3 and small6 are there as well."""
    return changed_vm(lab(), "small0", **changes)


@pytest.mark.parametrize("trouble", [LOCAL, CARD, ISO, SHARE, LOCAL | CARD])
@pytest.mark.parametrize("handling", [Handling.CONSENT, Handling.FORCE, Handling.HOLD])
def test_a_vm_that_stays_is_no_move_and_no_refusal(trouble: dict[str, Any], handling: Handling) -> None:
    snapshot = with_trouble(**trouble)
    plan = planned(snapshot, handling)
    assert plan.refusals == ()
    assert violations(plan, snapshot) == ()
    [stop] = step_of(plan, 2).stops
    assert (stop.vm_name, stop.said.handling, stop.said.by) == ("small0", handling, "alice")
    assert vm_id("small0") not in {move.vm for move in plan.moves}
    assert {move.vm_name for move in step_of(plan, 2).moves} >= {"small3", "small6"}
    assert (stop.off_seconds > 0) is handling.consents
    assert stop.off_p95_seconds >= stop.off_seconds


@pytest.mark.parametrize("trouble", [LOCAL, CARD, PAUSED, SAVED])
def test_its_host_is_left_alone_where_that_was_said(trouble: dict[str, Any]) -> None:
    plan = planned(with_trouble(**trouble), Handling.SKIP)
    assert plan.refusals == ()
    assert host_id(2) not in {step.host for step in plan.steps}
    [alone] = [alone for alone in plan.left_alone if alone.host == host_id(2)]
    assert alone.reason is not None
    assert "host2 is skipped, as alice said (rules.yaml:7): small0" in alone.reason.sentence


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (LOCAL | PAUSED, Code.VM_NOT_RUNNING),
        (LOCAL | SAVED, Code.VM_MANAGED_SAVE),
        (LOCAL | TRANSIENT, Code.VM_TRANSIENT),
        (PAUSED, Code.VM_NOT_RUNNING),
    ],
)
def test_consent_is_no_answer_to_everything(trouble: dict[str, Any], code: Code) -> None:
    plan = planned(with_trouble(**trouble), Handling.CONSENT)
    assert [refusal.code for refusal in plan.refusals] == [code]


def test_to_hold_for_a_transient_vm_is_fine_since_nobody_shuts_it_down() -> None:
    assert planned(with_trouble(**(LOCAL | TRANSIENT)), Handling.HOLD).refusals == ()


def test_a_consented_vm_that_can_be_moved_is_moved() -> None:
    plan = planned(lab(), Handling.CONSENT)
    assert not any(step.stops for step in plan.steps)
    assert vm_id("small0") in {move.vm for move in plan.moves}


def test_a_pin_to_one_host_is_a_reason_like_others() -> None:
    snapshot = replace(lab(), rules=replace(lab().rules, pins=(pin("small0", 2),)))
    assert [refusal.code for refusal in planned(snapshot, None).refusals] == [Code.VM_PINNED]
    plan = planned(snapshot, Handling.CONSENT)
    assert plan.refusals == ()
    assert violations(plan, snapshot) == ()
    assert step_of(plan, 2).stops[0].why.code is Code.VM_PINNED


def test_nobody_need_have_room_for_a_vm_that_is_off() -> None:
    """Three hosts with room for one large VM each: the one that stays is not looked for a place."""
    hosts = [host(number) for number in range(1, 4)]
    large = [vm(f"large{number}", number, 2300) for number in range(1, 3)]
    snapshot = cluster(hosts, [*large, vm("local", 3, 2300, **LOCAL)], reserve_hosts=0)
    plan = make_plan(
        snapshot, Policy(), now=0.0, only=frozenset({host_id(3)}), said=said("local", Handling.CONSENT)
    )
    assert plan.refusals == ()
    assert violations(plan, snapshot) == ()


def test_time_for_shutdown_and_start_is_part_of_the_turn() -> None:
    without = planned(lab(), None)
    with_stop = planned(with_trouble(**LOCAL), Handling.CONSENT)
    assert step_of(with_stop, 2).drain_seconds > step_of(without, 2).drain_seconds
    assert step_of(with_stop, 2).verify_seconds > step_of(without, 2).verify_seconds
    assert step_of(with_stop, 2).stops[0].off_seconds < step_of(with_stop, 2).seconds


def test_the_checker_finds_a_shutdown_that_nobody_said_and_one_of_a_vm_that_can_move() -> None:
    snapshot = with_trouble(**LOCAL)
    plan = planned(snapshot, Handling.CONSENT)
    assert any("small0 is shut down on host2 and could be moved" in each for each in violations(plan, lab()))
    [wave] = [wave for wave in plan.waves if step_of(plan, 2) in wave.hosts]
    step = step_of(plan, 2)
    words = replace(step.stops[0].said, handling=Handling.SKIP)
    spoilt = replace(step, stops=(replace(step.stops[0], said=words),))
    other = replace(wave, hosts=tuple(spoilt if each == step else each for each in wave.hosts))
    waves = tuple(other if each is wave else each for each in plan.waves)
    found = violations(replace(plan, waves=waves), snapshot)
    assert any("without consent" in each for each in found)
