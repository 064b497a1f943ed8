"""What is done for the next host while the one before it is out, and what one look leads to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import run_build as build
from run_drive import DriveMaker, open_drives

from standfast.model.hostwork import WorkKind, WorkPhase
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Purpose
from standfast.model.plan import PlannedMove
from standfast.model.run import MoveState, Phase, Run, RunState, Verb
from standfast.platforms.simulated import SimSpec
from standfast.run import actions
from standfast.run.actions import StartMove
from standfast.run.decide import decide
from standfast.run.lookout import KEEP_SECONDS, Lookout
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


def test_a_host_that_still_evacuates_keeps_the_links_for_itself() -> None:
    run, seen = second_host_waits(Phase.DRAINING, "a")
    assert moves_begun(run, seen) == []


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
    assert set(lookout.kept(run, 100.0 + KEEP_SECONDS - 1)) == {"a"}
    assert lookout.kept(run, 100.0 + KEEP_SECONDS) == {}


def test_a_host_that_a_call_went_to_is_asked_until_the_call_has_ended_before_the_look() -> None:
    run, seen = second_host_waits(Phase.REBOOTING, "a")
    lookout = Lookout()
    lookout.looked(seen.snapshot, {}, frozenset(), 100.0)
    lookout.touched(HostId("a"))
    assert lookout.kept(run, 101.0) == {}
    lookout.looked(seen.snapshot, {}, frozenset({"a"}), 101.0)
    assert lookout.kept(run, 102.0) == {}, "the call was under way when the host was asked"
    lookout.looked(seen.snapshot, {}, frozenset(), 102.0)
    assert set(lookout.kept(run, 103.0)) == {"a"}
