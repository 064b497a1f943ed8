"""What is done for the next host while the one before it is out, and what one look leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import run_build as build
from run_drive import DriveMaker, open_drives

from standfast.model.cluster import MoveLimits
from standfast.model.hostwork import WorkKind, WorkPhase
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Purpose
from standfast.model.plan import PlannedMove
from standfast.model.policy import Policy
from standfast.model.run import MoveRow, MoveState, Phase, Run, RunState, Verb
from standfast.platforms.simulated import SimSpec
from standfast.run import actions
from standfast.run.actions import Ask, Question, StartMove
from standfast.run.decide import decide
from standfast.run.lookout import KEEP_SECONDS, WAITING_SECONDS, Lookout
from standfast.run.seen import Seen


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def second_host_waits(first: Phase, target: str, **more: object) -> tuple[Run, Seen]:
    """a is done, b in phase `first`, c is next with one VM that the plan sends to `target`."""
    run = build.run(
        build.row("a", Phase.DONE, 0),
        build.ready("b", first, 1, boot_id_after="boot-2", healthy_since=100.0),
        build.row("c", Phase.PLANNED, 2, scan_before=build.SCAN, health_before=build.well()),
        **more,  # type: ignore[arg-type]
    )
    move = PlannedMove(VmId("v"), "v", HostId("c"), HostId(target), Purpose.EVACUATE, build.PREDICTED)
    waves = tuple(
        replace(
            wave,
            hosts=tuple(replace(step, moves=(move,)) if step.host == "c" else step for step in wave.hosts),
        )
        for wave in run.plan.waves
    )
    run = replace(run, plan=replace(run.plan, waves=waves))
    staged = build.unit(WorkKind.STAGE, WorkPhase.SUCCEEDED)
    hosts = (build.host("a"), build.host("b"), build.host("c", works=(staged,)))
    return run, Seen(build.snapshot(hosts, build.vm("v", "c")))


def moves_begun(run: Run, seen: Seen) -> list[str]:
    calls = [action.call for action in decide(run, seen, 101.0)]
    return [call.order.vm for call in calls if isinstance(call, StartMove)]


@pytest.mark.parametrize("first", [Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING])
def test_vms_bound_for_a_patched_host_go_while_the_host_before_is_out(first: Phase) -> None:
    run, seen = second_host_waits(first, "a")
    assert moves_begun(run, seen) == ["v"]
    assert not [action for action in decide(run, seen, 101.0) if isinstance(action.call, actions.Cordon)], (
        "the next host is not out yet"
    )


def test_the_controllers_own_vm_waits_for_its_hosts_turn_since_others_may_still_be_there() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a")
    other = build.vm("w", "c")
    at = seen.snapshot
    vms = (*at.vms, other)
    assert moves_begun(run, replace(seen, snapshot=replace(at, vms=vms))) == ["v"]
    own = replace(at, vms=vms, rules=replace(at.rules, controller=VmId("v")))
    assert moves_begun(run, replace(seen, snapshot=own)) == []


def still_sends(target: str, *, policy: Policy | None = None, in_flight: bool = False) -> tuple[Run, Seen]:
    """Like `second_host_waits` for a, and b is being evacuated, with a VM that the plan sends to `target`."""
    run, seen = second_host_waits(Phase.DRAINING, "a")
    move = PlannedMove(VmId("w"), "w", HostId("b"), HostId(target), Purpose.EVACUATE, build.PREDICTED)
    waves = tuple(
        replace(
            wave,
            hosts=tuple(replace(step, moves=(move,)) if step.host == "b" else step for step in wave.hosts),
        )
        for wave in run.plan.waves
    )
    run = replace(run, plan=replace(run.plan, waves=waves, policy=policy or run.plan.policy))
    if in_flight:
        run = replace(run, moves=(build.move("w", "b", target),))
    a, b, c = seen.snapshot.hosts
    hosts = (a, replace(b, cordoned=True, cordoned_by="01RUN"), c, build.host("d"))
    return run, replace(seen, snapshot=build.snapshot(hosts, *seen.snapshot.vms, build.vm("w", "b")))


@pytest.mark.parametrize("in_flight", [False, True])
def test_a_host_that_still_evacuates_keeps_the_link_that_it_needs(in_flight: bool) -> None:
    run, seen = still_sends("a", in_flight=in_flight)
    assert "v" not in moves_begun(run, seen)


@pytest.mark.parametrize("in_flight", [False, True])
def test_a_link_that_no_host_before_needs_is_used(in_flight: bool) -> None:
    run, seen = still_sends("d", in_flight=in_flight)
    assert "v" in moves_begun(run, seen)


def test_moves_ahead_take_no_place_that_a_host_before_needs() -> None:
    run, seen = still_sends("d", policy=Policy(moves_at_once=1))
    assert moves_begun(run, seen) == ["w"]


def two_draining_to(target: str, *moves: MoveRow, vms: str = "b1 b2 b3 c1") -> tuple[Run, Seen]:
    """b and c of one wave are being evacuated, c after b in the order; VMs are named after their host."""
    run = build.run(
        build.row("a", Phase.DONE, 0),
        build.ready("b", Phase.DRAINING, 1),
        build.ready("c", Phase.DRAINING, 2),
    )

    def planned(host: HostId) -> tuple[PlannedMove, ...]:
        names = [name for name in vms.split() if name[0] == host]
        return tuple(
            PlannedMove(VmId(name), name, host, HostId(target), Purpose.EVACUATE, build.PREDICTED)
            for name in names
        )

    waves = tuple(
        replace(wave, hosts=tuple(replace(step, moves=planned(step.host)) for step in wave.hosts))
        for wave in run.plan.waves
    )
    run = replace(run, plan=replace(run.plan, waves=waves), moves=moves)
    limits = MoveLimits(3, 3, wanted=True)
    cordoned: dict[str, Any] = {"cordoned": True, "cordoned_by": "01RUN"}
    hosts = (
        build.host("a", limits=limits),
        build.host("b", limits=limits, **cordoned),
        build.host("c", limits=limits, **cordoned),
    )
    return run, Seen(build.snapshot(hosts, *(build.vm(name, name[0]) for name in vms.split())))


def test_hosts_that_send_to_the_same_one_are_emptied_one_after_the_other() -> None:
    under_way = (build.move("b1", "b", "a"), build.move("b2", "b", "a"))
    run, seen = two_draining_to("a", *under_way)
    run = replace(run, plan=replace(run.plan, policy=Policy(moves_at_once=8)))
    assert moves_begun(run, seen) == ["b3"]


def test_the_second_host_begins_when_the_first_has_nothing_more_to_begin() -> None:
    under_way = (build.move("b1", "b", "a"), build.move("b2", "b", "a"))
    run, seen = two_draining_to("a", *under_way, vms="b1 b2 c1")
    assert moves_begun(run, seen) == ["c1"]


def test_the_second_host_does_not_wait_for_one_that_sends_nothing() -> None:
    """b's VM waits after a failure."""
    failed = build.move("b1", "b", "a", state=MoveState.FAILED, ended_at=100.9)
    run, seen = two_draining_to("a", failed, vms="b1 c1")
    assert moves_begun(run, seen) == ["c1"]


def test_the_next_host_is_examined_ahead_once_the_one_before_it_is_nearly_done() -> None:
    asked = {}
    for phase in (Phase.DRAINING, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING):
        run, seen = second_host_waits(phase, "a")
        calls = [action.call for action in decide(run, seen, 101.0)]
        asked[phase] = Ask(HostId("c"), Question.EXAM) in calls
    assert asked == {
        Phase.DRAINING: False,
        Phase.PATCHING: False,
        Phase.REBOOTING: False,
        Phase.VERIFYING: True,
    }


def test_vms_bound_for_the_host_that_is_out_wait_for_it() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "b")
    assert moves_begun(run, seen) == []


def test_no_vm_leaves_a_host_that_will_not_be_begun_in_time() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a")
    begun = [replace(run, plan=replace(run.plan, finish_by=by)) for by in (101.0, 1e6)]
    assert [moves_begun(each, seen) for each in begun] == [[], ["v"]]


@pytest.mark.parametrize("state", [RunState.PAUSED, RunState.HELD, RunState.CANCELLING])
def test_nothing_is_done_ahead_unless_the_run_may_start_things(state: RunState) -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a", state=state)
    assert moves_begun(run, seen) == []


def test_what_failed_ahead_is_left_to_the_hosts_own_turn() -> None:
    failed = build.move("v", "c", "a", state=MoveState.FAILED, ended_at=100.5)
    run, seen = second_host_waits(Phase.REBOOTING, "a", moves=(failed,))
    assert moves_begun(run, seen) == []


def test_a_run_cancelled_with_moves_ahead_gives_everything_back(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=4, vms=12))
    drive.begin()

    def moving_ahead(run: Run) -> bool:
        planned = {row.host for row in run.hosts if row.phase == Phase.PLANNED}
        return any(move.state is MoveState.STARTED and move.step in planned for move in run.moves)

    drive.until(moving_ahead)
    drive.say(Verb.CANCEL)
    run = drive.to_the_end()
    drive.assert_kept()
    assert run.state is RunState.CANCELLED
    assert not [move for move in run.moves if move.state is MoveState.STARTED]


def test_only_hosts_at_work_and_the_next_one_are_asked_again() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a")
    lookout = Lookout()
    assert lookout.kept(run, 100.0) == {}
    lookout.looked(seen.snapshot, {}, frozenset(), 100.0)
    assert set(lookout.kept(run, 100.0 + WAITING_SECONDS - 0.1)) == {"a", "c"}
    assert set(lookout.kept(run, 100.0 + WAITING_SECONDS)) == {"a"}
    assert set(lookout.kept(run, 100.0 + KEEP_SECONDS - 1)) == {"a"}
    assert lookout.kept(run, 100.0 + KEEP_SECONDS) == {}


def test_a_host_whose_vms_move_is_asked_every_few_seconds_and_once_one_has_left_it() -> None:
    run, seen = second_host_waits(Phase.DRAINING, "a")
    lookout = Lookout()
    lookout.looked(seen.snapshot, {}, frozenset(), 100.0)
    assert "b" in lookout.kept(run, 100.0 + WAITING_SECONDS - 0.1)
    assert "b" not in lookout.kept(run, 100.0 + WAITING_SECONDS)
    lookout.touched(HostId("b"))
    assert "b" not in lookout.kept(run, 100.1)


def test_a_host_that_a_call_went_to_is_asked_until_the_call_has_ended_before_the_look() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a")
    lookout = Lookout()
    lookout.looked(seen.snapshot, {}, frozenset(), 100.0)
    lookout.touched(HostId("a"))
    assert "a" not in lookout.kept(run, 101.0)
    lookout.looked(seen.snapshot, {}, frozenset({"a"}), 101.0)
    assert "a" not in lookout.kept(run, 102.0), "the call was under way when the host was asked"
    lookout.looked(seen.snapshot, {}, frozenset(), 102.0)
    assert "a" in lookout.kept(run, 103.0)
