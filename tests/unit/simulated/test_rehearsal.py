"""A plan carried out on a twin: the real controller, nothing kept, the same course for the same seed."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from standfast.model.cluster import Snapshot
from standfast.model.errors import StandfastError
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.run import Phase, RunState
from standfast.model.unmovable import Handling, Said
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.rehearsal import Rehearsed, Trouble, rehearse, twin
from standfast.run.observe import observe

POLICY = Policy(tick_seconds=10.0, verify_stable_seconds=10.0, canary_soak_seconds=60.0)


def seen(spec: SimSpec) -> Snapshot:
    world = SimWorld(spec)
    return observe(world.outside, lambda snapshot: snapshot.rules, scan=True)


@cache
def small() -> tuple[Plan, Snapshot]:
    snapshot = seen(SimSpec(hosts=3, vms=4))
    return make_plan(snapshot, POLICY, now=snapshot.taken_at), snapshot


@cache
def good() -> Rehearsed:
    return rehearse(*small())


def test_the_whole_plan_is_carried_out_on_the_twin() -> None:
    plan, _ = small()
    found = good()
    assert found.run.state is RunState.COMPLETED
    assert {row.phase for row in found.run.hosts} == {Phase.DONE}
    assert {(move.vm, move.target) for move in plan.moves} <= {(m.vm, m.target) for m in found.run.moves}
    assert (found.broken, found.not_given_back) == ((), ())
    assert 0.5 * plan.predicted_seconds < found.seconds < 2 * plan.predicted_p95_seconds


def test_the_same_seed_gives_the_same_course_and_another_one_another() -> None:
    again, other = rehearse(*small()), rehearse(*small(), seed=1)
    assert (again.seconds, again.events) == (good().seconds, good().events)
    assert other.seconds != good().seconds


def test_packages_that_fail_hold_the_run_and_nothing_is_interrupted() -> None:
    plan, snapshot = small()
    first = plan.steps[0].host
    found = rehearse(plan, snapshot, trouble=Trouble(patches=[first]))
    assert found.run.state is RunState.HELD
    assert {row.host: row.phase for row in found.run.hosts}[first] == Phase.HELD
    assert found.broken == ()


def test_a_move_that_fails_once_is_made_again() -> None:
    plan, snapshot = small()
    vm = plan.moves[0].vm
    found = rehearse(plan, snapshot, trouble=Trouble(moves=[vm]))
    assert found.run.state is RunState.COMPLETED
    assert max(move.attempt for move in found.run.moves if move.vm == vm) == 2


def test_a_shutdown_that_the_plan_has_consent_for_breaks_no_promise() -> None:
    snapshot = seen(SimSpec(hosts=3, vms=4, local_disks=(1,)))
    stuck = next(vm for vm in snapshot.vms if any(not disk.shared for disk in vm.disks))
    said = {stuck.id: Said(stuck.id, Handling.CONSENT, "alice", snapshot.taken_at, "--unmovable")}
    found = rehearse(make_plan(snapshot, POLICY, now=snapshot.taken_at, said=said), snapshot)
    assert (found.run.state, found.broken) == (RunState.COMPLETED, ())


def test_hosts_of_the_twin_take_about_as_long_as_planned() -> None:
    plan, snapshot = small()
    slow = replace(plan.waves[0].hosts[0], patch_seconds=4000.0, reboot_seconds=1000.0)
    waves = (replace(plan.waves[0], hosts=(slow, *plan.waves[0].hosts[1:])), *plan.waves[1:])
    with twin(replace(plan, waves=waves), snapshot).open(write=False) as state:
        host = state.hosts[slow.host]
        assert 0.8 * 4000 <= host.stage_seconds + host.patch_seconds <= 1.3 * 4000
        assert 0.8 * 1000 <= host.boot_seconds <= 1.3 * 1000


def test_a_run_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("standfast.rehearsal.SLACK_SECONDS", 0.0)
    plan, snapshot = small()
    with pytest.raises(StandfastError, match="comes to no end"):
        rehearse(replace(plan, predicted_p95_seconds=1.0), snapshot)
