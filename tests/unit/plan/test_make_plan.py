"""Whole plans: the fewest moves, typed refusals, spans, bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_clusters import (
    KERNEL,
    TOOL,
    apart,
    changed_host,
    changed_vm,
    cluster,
    counts,
    host,
    host_id,
    lab,
    pin,
    vm,
    vm_id,
)

from standfast.model.cluster import Disk, Host, Snapshot, VmState
from standfast.model.hostwork import PendingUpdate, RebootSign, UpdateState
from standfast.model.learnt import Fitted, Learnt, Line
from standfast.model.moves import Purpose
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.plan.bounds import moves_at_least
from standfast.plan.checker import violations
from standfast.plan.make import make_plan
from standfast.plan.reboots import pending, why_reboot
from standfast.plan.waves import width


def planned(snapshot: Snapshot, policy: Policy | None = None, **scope: Any) -> Plan:
    plan = make_plan(snapshot, policy or Policy(), now=1000.0, **scope)
    assert violations(plan, snapshot) == ()
    return plan


ONE_BY_ONE = Policy(wave_hosts_max=1)


def test_the_lab_needs_twelve_moves_one_host_after_another() -> None:
    """Ten VMs move once, the large one twice, and one gives the last host its share."""
    snapshot = lab()
    plan = planned(snapshot, ONE_BY_ONE)
    assert plan.refusals == ()
    assert [step.name for step in plan.steps] == ["host1", "host2", "host3", "host4"]
    assert [len(step.moves) for step in plan.steps] == [1, 3, 3, 4]
    assert len(plan.rebalance) == 1
    assert len(plan.moves) == plan.bounds.moves == 12
    assert plan.bounds.moves_at_least == 11
    placement = {one.id: one.host for one in snapshot.vms}
    placement.update((move.vm, move.target) for move in plan.moves)
    assert min(counts(snapshot, placement).values()) >= 1
    assert plan.moves[-1].purpose is Purpose.REBALANCE


def waves(plan: Plan) -> list[list[str]]:
    return [[step.name for step in wave.hosts] for wave in plan.waves]


def test_one_host_goes_first_and_then_as_many_as_the_policy_lets() -> None:
    assert waves(planned(lab())) == [["host1"], ["host2", "host3"], ["host4"]]
    assert waves(planned(lab(), ONE_BY_ONE)) == [["host1"], ["host2"], ["host3"], ["host4"]]
    assert waves(planned(lab(), Policy(canary_hosts=0))) == [["host1", "host2"], ["host3", "host4"]]


def test_the_first_wave_has_to_stay_well_before_others_follow() -> None:
    assert [wave.soak_seconds for wave in planned(lab()).waves] == [600.0, 0.0, 0.0]
    alone = planned(lab(), only=frozenset({host_id(2)}))
    assert [wave.soak_seconds for wave in alone.waves] == [0.0]
    assert planned(lab(), Policy(canary_hosts=0)).waves[0].soak_seconds == 0.0


@pytest.mark.parametrize(
    ("hosts", "number", "policy", "most"),
    [
        (4, 0, Policy(), 1),
        (4, 1, Policy(), 2),
        (19, 5, Policy(), 2),
        (40, 1, Policy(), 2),
        (40, 2, Policy(), 4),
        (1000, 2, Policy(), 8),
        (1000, 2, Policy(wave_hosts_max=30), 30),
        (1000, 2, Policy(wave_hosts_max=300), 100),
        (40, 0, Policy(canary_hosts=3), 3),
        (40, 0, Policy(canary_hosts=0), 4),
        (40, 2, Policy(wave_hosts_max=1), 1),
    ],
)
def test_how_wide_a_wave_may_be(hosts: int, number: int, policy: Policy, most: int) -> None:
    assert width(policy, hosts, number) == most


def test_a_wave_is_no_wider_than_the_reserve_allows() -> None:
    vms = [vm(f"v{number}", 1 + number % 4, 800) for number in range(8)]
    plan = planned(cluster([host(number) for number in range(1, 5)], vms), Policy(canary_hosts=0))
    assert waves(plan) == [["host1"], ["host2"], ["host3"], ["host4"]]


def test_hosts_that_are_named_first_go_first() -> None:
    plan = planned(lab(), ONE_BY_ONE, first=(host_id(4), host_id(2)))
    assert waves(plan) == [["host4"], ["host2"], ["host1"], ["host3"]]


def test_hosts_that_hold_the_majority_of_a_group_never_go_together() -> None:
    hosts = [host(number) for number in range(1, 7)]
    vms = [vm("a", 1), vm("b", 2), vm("c", 3)]
    snapshot = cluster(hosts, vms, anti_affinity=(apart("dag", "a", "b", "c"),))
    plan = planned(snapshot, Policy(canary_hosts=0))
    assert plan.refusals == ()
    assert sum(len(wave.hosts) for wave in plan.waves) == 6
    assert max(len(wave.hosts) for wave in plan.waves) == 2


def test_hosts_of_a_wave_share_its_links_and_its_time() -> None:
    plan = planned(lab(), Policy(canary_hosts=0))
    first, second = plan.waves
    assert [step.wave for step in plan.steps] == [0, 0, 1, 1]
    assert first.seconds == max(step.seconds for step in first.hosts)
    assert all(step.p95_seconds > step.seconds for step in plan.steps)
    assert plan.predicted_seconds < first.seconds + second.seconds + 60


def test_a_plan_says_what_will_change_and_how_long_it_takes() -> None:
    step = planned(lab()).steps[0]
    assert step.pending == ("linux-image-amd64 6.1.140-1 -> 6.1.147-1",)
    assert step.reboot
    assert step.reboot_seconds == 180.0
    assert step.verify_seconds == 130.0
    assert step.patch_seconds > 0
    assert step.drain_seconds >= step.moves[0].predicted.brownout_seconds


def test_the_whole_is_the_sum_of_the_turns_and_the_spreading() -> None:
    plan = planned(lab())
    turns = sum(wave.seconds + wave.soak_seconds for wave in plan.waves)
    assert turns < plan.predicted_seconds < turns + 60
    assert plan.predicted_p95_seconds > plan.predicted_seconds


def test_verification_follows_the_policy() -> None:
    assert planned(lab(), Policy(verify_stable_seconds=10.0)).steps[0].verify_seconds == 20.0


def test_a_compliant_host_is_left_alone_and_takes_the_first_hosts_vms() -> None:
    snapshot = changed_host(lab(), 3, updates=UpdateState(0.0, "boot-3-1"))
    plan = planned(snapshot)
    assert sorted(step.name for step in plan.steps) == ["host1", "host2", "host4"]
    (alone,) = plan.left_alone
    assert (alone.name, alone.reason) == ("host3", None)
    assert plan.steps[0].moves[0].target == host_id(3)
    assert plan.bounds.moves_at_least == 7


def test_nothing_to_do_is_an_empty_plan_without_refusals() -> None:
    plan = planned(cluster([host(1, pending=()), host(2, pending=())], [vm("web", 1)]))
    assert (plan.waves, plan.rebalance, plan.refusals) == ((), (), ())
    assert plan.bounds.moves_at_least == plan.bounds.moves == 0
    assert plan.predicted_seconds == 0.0


def test_updates_that_need_no_reboot_still_need_an_empty_host() -> None:
    snapshot = changed_host(lab(), 2, updates=UpdateState(0.0, "boot-2-1", (TOOL,)))
    step = next(step for step in planned(snapshot).steps if step.name == "host2")
    assert not step.reboot
    assert step.reboot_seconds == 0.0
    assert len(step.moves) >= 3


def test_hosts_can_be_chosen_and_left_out() -> None:
    only = planned(lab(), only=frozenset({host_id(2)}))
    assert [step.name for step in only.steps] == ["host2"]
    without = planned(lab(), exclude=frozenset({host_id(2)}))
    assert sorted(step.name for step in without.steps) == ["host1", "host3", "host4"]
    (alone,) = without.left_alone
    assert alone.reason is not None
    assert alone.reason.code is Code.OPERATOR
    assert without.refusals == only.refusals == ()


def test_a_host_that_is_left_out_is_not_examined() -> None:
    snapshot = changed_host(lab(), 2, reachable=False)
    assert planned(snapshot, exclude=frozenset({host_id(2)})).refusals == ()


def broken(changes: dict[str, Any]) -> Snapshot:
    return changed_host(lab(), 3, **changes)


def updates(**changes: Any) -> dict[str, Any]:
    return {"updates": replace(UpdateState(0.0, "boot-3-1", (KERNEL,)), **changes)}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"facts": None}, Code.HOST_UNREACHABLE),
        ({"updates": None}, Code.HOST_NOT_SCANNED),
        ({"updates": None, "unscanned_why": "host3: no lists."}, Code.HOST_NOT_SCANNED),
        (updates(interrupted="dpkg was interrupted"), Code.HOST_PACKAGES_BROKEN),
        (updates(interrupted="dpkg was interrupted", pending=()), Code.HOST_PACKAGES_BROKEN),
        (updates(free_disk_bytes=10, needed_disk_bytes=11), Code.HOST_DISK_FULL),
        ({"cordoned": True, "cordoned_by": "anna"}, Code.HOST_CORDONED_BY_OTHER),
    ],
)
def test_a_host_that_can_not_be_done_is_refused_and_the_others_are_planned(
    changes: dict[str, Any], code: Code
) -> None:
    plan = planned(broken(changes))
    assert [(reason.code, reason.host) for reason in plan.refusals] == [(code, host_id(3))]
    assert "host3" in plan.refusals[0].sentence
    assert sorted(step.name for step in plan.steps) == ["host1", "host2", "host4"]
    assert [alone.reason for alone in plan.left_alone] == list(plan.refusals)


def test_why_a_host_did_not_answer_is_said_with_its_refusal() -> None:
    too_old = "host3: its libvirt 6.4.0 is older than 6.5.0."
    for changes, code, sentence in (
        (
            {"reachable": False, "unreachable_why": too_old, "unreachable_code": "host_too_old"},
            Code.HOST_TOO_OLD,
            "host3 can't be used (its libvirt 6.4.0 is older than 6.5.0).",
        ),
        (
            {"facts": None, "unreachable_why": "host3: it does not accept our SSH key."},
            Code.HOST_UNREACHABLE,
            "host3 itself did not answer (it does not accept our SSH key).",
        ),
        (
            {"updates": None, "unscanned_why": "host3: apt-get update failed."},
            Code.HOST_NOT_SCANNED,
            "host3 could not be scanned for updates (apt-get update failed).",
        ),
    ):
        (refusal,) = planned(changed_host(lab(), 3, **changes)).refusals
        assert (refusal.code, refusal.sentence) == (code, sentence)


def test_a_host_that_can_not_be_reached_is_refused() -> None:
    snapshot = lab()
    gone = replace(snapshot, vms=tuple(one for one in snapshot.vms if one.host != host_id(3)))
    plan = planned(changed_host(gone, 3, reachable=False, unreachable_why="no route"))
    assert [reason.code for reason in plan.refusals] == [Code.HOST_UNREACHABLE]
    assert plan.refusals[0].sentence == "host3 can't be reached (no route)."
    assert len(plan.steps) == 3


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"disks": (Disk("/var/a.img", shared=False, target="vda"),)}, Code.VM_LOCAL_DISK),
        ({"passthrough": ("PCI 1",)}, Code.VM_PASSTHROUGH),
        ({"state": VmState.PAUSED}, Code.VM_NOT_RUNNING),
        ({"managed_save": True}, Code.VM_MANAGED_SAVE),
    ],
)
def test_a_vm_that_can_not_move_refuses_its_host(changes: dict[str, Any], code: Code) -> None:
    plan = planned(changed_vm(lab(), "small0", **changes))
    assert [(reason.code, reason.host, reason.vm) for reason in plan.refusals] == [
        (code, host_id(2), vm_id("small0"))
    ]
    assert sorted(step.name for step in plan.steps) == ["host1", "host3", "host4"]


def test_a_vm_pinned_to_its_host_alone_refuses_it() -> None:
    plan = planned(replace(lab(), rules=replace(lab().rules, pins=(pin("small0", 2),))))
    assert [reason.code for reason in plan.refusals] == [Code.VM_PINNED]


def test_a_shut_off_vm_needs_no_move() -> None:
    snapshot = changed_vm(lab(), "small0", state=VmState.SHUT_OFF)
    plan = planned(snapshot)
    assert plan.refusals == ()
    assert vm_id("small0") not in {move.vm for move in plan.moves}


def test_too_full_a_cluster_is_refused_with_what_each_host_has_against_it() -> None:
    vms = [vm(name, number, 3000) for number, name in enumerate("abc", start=1)]
    plan = planned(cluster([host(1), host(2), host(3)], vms, reserve_hosts=0))
    assert [reason.code for reason in plan.refusals] == [Code.NO_TARGET] * 3
    assert plan.waves == ()
    assert plan.bounds.moves_at_least == 0


def test_without_a_reserve_nothing_is_planned() -> None:
    vms = [vm(f"{name}{half}", number, 900) for number, name in enumerate("abc", start=1) for half in (1, 2)]
    snapshot = cluster([host(1), host(2), host(3)], vms)
    plan = planned(snapshot)
    assert [reason.code for reason in plan.refusals] == [Code.NO_RESERVE] * 3
    assert plan.waves == ()
    daring = planned(replace(snapshot, rules=replace(snapshot.rules, reserve_hosts=0)))
    assert daring.refusals == ()
    assert len(daring.waves) == 3


def test_a_host_that_can_not_be_emptied_yet_gets_its_turn_later() -> None:
    """host1's VM needs a network that only host2 has as well, and host2 is full until its own turn."""
    hosts = [host(1), host(2), host(3, memory_bytes=16 * 1024**3, pending=())]
    vms = [
        vm("tall", 1, 2500, networks=("dmz",)),
        *(vm(f"w{number}", 2, 700) for number in range(3)),
        *(vm(f"x{number}", 3, 100) for number in range(4)),
    ]
    both = frozenset({"lan", "dmz"})
    hosts = [replace(hosts[0], networks=both), replace(hosts[1], networks=both), hosts[2]]
    plan = planned(cluster(hosts, vms, reserve_hosts=0))
    assert [step.name for step in plan.steps] == ["host2", "host1"]
    assert plan.refusals == ()


def test_rules_that_are_broken_already_are_warned_of_and_mended_by_the_way() -> None:
    rule = (apart("dag", "small0", "small3"),)
    snapshot = replace(lab(), rules=replace(lab().rules, anti_affinity=rule))
    plan = planned(snapshot)
    assert plan.refusals == ()
    assert [(reason.code, reason.sentence) for reason in plan.warnings] == [
        (Code.RULE_BROKEN_NOW, "small0, small3 share host2 against rule dag.")
    ]
    placement = {one.id: one.host for one in snapshot.vms} | {move.vm: move.target for move in plan.moves}
    assert placement[vm_id("small0")] != placement[vm_id("small3")]


def test_a_transient_vm_is_a_warning() -> None:
    plan = planned(changed_vm(lab(), "small0", persistent=False))
    assert [reason.code for reason in plan.warnings] == [Code.VM_TRANSIENT]
    assert plan.refusals == ()


def test_a_vm_that_a_job_holds_now_is_warned_of_since_jobs_end() -> None:
    plan = planned(changed_vm(lab(), "small0", busy="backup"))
    assert plan.refusals == ()
    assert Code.VM_BUSY in [warning.code for warning in plan.warnings]


def test_a_vm_too_busy_for_its_budget_refuses_its_host() -> None:
    plan = planned(changed_vm(lab(), "small0", dirty_bytes_per_second=500e6))
    (refusal,) = plan.refusals
    assert (refusal.code, refusal.host, refusal.vm) == (Code.VM_BLACKOUT, host_id(2), vm_id("small0"))
    assert str(refusal) == (
        "small0 writes memory too fast to be moved within its black-out budget of 2 s. "
        "Set auto_converge, or plan when it is quieter."
    )
    assert sorted(step.name for step in plan.steps) == ["host1", "host3", "host4"]


def test_a_vm_that_may_be_slowed_down_is_moved_with_a_warning() -> None:
    plan = planned(changed_vm(lab(), "small0", dirty_bytes_per_second=500e6), Policy(auto_converge=True))
    assert plan.refusals == ()
    assert [(reason.code, reason.vm) for reason in plan.warnings] == [(Code.VM_BLACKOUT, vm_id("small0"))]


def test_the_clusters_budget_is_every_vms_that_has_none_of_its_own() -> None:
    strict = Policy(blackout_budget_seconds=0.06)
    busy = replace(lab(), vms=tuple(replace(one, dirty_bytes_per_second=90e6) for one in lab().vms))
    assert planned(busy).refusals == ()
    refusals = planned(busy, strict).refusals
    assert {reason.code for reason in refusals} == {Code.VM_BLACKOUT}
    assert {reason.vm for reason in refusals} == {one.id for one in busy.vms if one.name != "big"}
    quiet = replace(lab(), vms=tuple(replace(one, dirty_bytes_per_second=0.0) for one in lab().vms))
    assert planned(quiet, strict).refusals == ()
    own = changed_vm(quiet, "small0", dirty_bytes_per_second=2e6, blackout_budget_seconds=1.0)
    assert planned(own, strict).refusals == ()


@pytest.mark.parametrize("policy", [Policy(), Policy(auto_converge=True)], ids=["plain", "auto-converge"])
@pytest.mark.parametrize("budget", [0.001, 0.05])
def test_a_budget_shorter_than_any_switch_over_is_refused_with_the_smallest_possible(
    budget: float, policy: Policy
) -> None:
    idle = changed_vm(lab(), "small0", dirty_bytes_per_second=0.0, blackout_budget_seconds=budget)
    (refusal,) = planned(idle, policy).refusals
    assert (refusal.code, refusal.vm) == (Code.VM_BLACKOUT, vm_id("small0"))
    assert str(refusal) == (
        f"small0 can't be moved within its black-out budget of {budget:g} s: stopping it here and starting "
        "it there takes about 0.051 s, however little it writes. "
        "Set blackout_budget_seconds to 0.051 or more, the smallest that is possible."
    )
    enough = changed_vm(lab(), "small0", dirty_bytes_per_second=0.0, blackout_budget_seconds=0.051)
    assert planned(enough, policy).refusals == (), "and the smallest possible is"


def test_the_smallest_possible_budget_is_the_one_that_former_moves_teach() -> None:
    slow = Learnt(blackout=Fitted(Line(0.2, 1.0, 0.0), 40, 1.2, 1.2))
    strict = Policy(blackout_budget_seconds=0.1)
    refusals = planned(replace(lab(), learnt=slow), strict).refusals
    assert len(refusals) >= len(lab().vms)
    assert all("to 0.201 or more" in str(each) for each in refusals)


def test_the_fastest_link_that_a_vm_could_take_decides() -> None:
    busy = changed_vm(lab(), "small0", dirty_bytes_per_second=500e6)
    fast = replace(
        busy, hosts=tuple(replace(one, migration_bits_per_second=25_000_000_000) for one in busy.hosts)
    )
    assert planned(fast).refusals == ()


def test_the_same_snapshot_in_another_order_gives_the_same_plan() -> None:
    snapshot = lab()
    turned = replace(snapshot, hosts=snapshot.hosts[::-1], vms=snapshot.vms[::-1])
    assert make_plan(turned, Policy(), now=1.0) == make_plan(snapshot, Policy(), now=1.0)


def test_peak_memory_counts_both_ends() -> None:
    vms = [vm("a", 1, 1024), vm("b", 2, 1024)]
    plan = planned(cluster([host(1), host(2)], vms, reserve_hosts=0))
    assert plan.bounds.peak_memory_fraction == 0.5


def security(host_: Host) -> Host:
    return replace(host_, updates=UpdateState(0.0, "boot", (KERNEL, TOOL)))


def test_security_only_leaves_other_updates_out() -> None:
    both = security(host(1))
    assert pending(both, Policy(security_only=True)) == (KERNEL,)
    assert pending(both, Policy()) == (KERNEL, TOOL)
    plan = planned(cluster([host(1, pending=(TOOL,)), host(2), host(3)], []), Policy(security_only=True))
    assert [step.name for step in plan.steps] == ["host2", "host3"]


@pytest.mark.parametrize(
    ("package", "rule"),
    [
        ("linux-image-6.1.0-37-amd64", "package linux-image-6.1.0-37-amd64 (kernel)"),
        ("kernel-core", "package kernel-core (kernel)"),
        ("libvirt-daemon", "package libvirt-daemon (hypervisor)"),
        ("qemu-system-x86", "package qemu-system-x86 (hypervisor)"),
        ("systemd", "package systemd (systemd)"),
        ("libc6", "package libc6 (C library)"),
        ("intel-microcode", "package intel-microcode (firmware)"),
        ("less", ""),
        ("linux-doc", ""),
        ("kernelshark", ""),
    ],
)
def test_which_packages_are_expected_to_need_a_reboot(package: str, rule: str) -> None:
    assert why_reboot(host(1, pending=(PendingUpdate(package, "1", "2"),)), Policy()) == rule


def test_signs_and_the_policy_ask_for_a_reboot_as_well() -> None:
    signed = host(1, updates=UpdateState(0.0, "b", (), (RebootSign.NEWER_KERNEL,)))
    assert why_reboot(signed, Policy()) == "reboot sign newer kernel"
    assert why_reboot(host(1, pending=(TOOL,)), Policy(always_reboot=True)) == "policy always_reboot"
    assert why_reboot(host(1, pending=()), Policy(always_reboot=True)) == ""


@pytest.mark.parametrize(
    ("vms", "bound"),
    [
        ([], 0),
        ([vm("a", 1)], 1),
        ([vm("a", 1), vm("b", 2)], 3),
        ([vm("a", 1), vm("b", 2), vm("c", 2)], 4),
    ],
)
def test_the_first_hosts_vms_move_twice_where_no_host_stands_empty(vms: list[Any], bound: int) -> None:
    snapshot = cluster([host(1), host(2)], vms)
    assert moves_at_least(snapshot, [host_id(1), host_id(2)]) == bound


def test_room_on_hosts_that_are_not_to_be_done_lowers_the_bound() -> None:
    todo = [host_id(1), host_id(2)]
    vms = [vm("a", 1, 1000), vm("b", 1, 1000), vm("c", 2, 1000), vm("d", 2, 1000)]
    assert moves_at_least(cluster([host(1), host(2), host(3)], vms), todo) == 4
    half = host(3, memory_bytes=1200 * 1024**2)
    assert moves_at_least(cluster([host(1), host(2), half], vms), todo) == 5
    none = host(3, memory_bytes=1000 * 1024**2)
    assert moves_at_least(cluster([host(1), host(2), none], vms), todo) == 6
