"""The controller's clock is set forward or back by hours in every phase: the run ends, in good time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench._setclock import SetClock, Stamped
from run_build import host, move, ready, row, run, snapshot, vm
from run_drive import RUN, Drive, DriveMaker, open_drives

from standfast.model.run import MoveState, Phase, Run, RunState
from standfast.platforms.simulated import SimSpec
from standfast.run.decide import decide
from standfast.run.seen import Seen
from standfast.store import SetBack

HOURS = 7_200.0
WORKED_ON = (
    *(Phase.SILENCED, Phase.DRAINING, Phase.EMPTY, Phase.PATCHING),
    *(Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING),
)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def set_clock(drive: Drive) -> SetClock:
    """Give the controller a clock of its own from here on."""
    clock = SetClock(drive.world.clock)
    drive.world.outside = replace(
        drive.world.outside,
        clock=clock,
        work=Stamped(drive.world.outside.work, clock),
        examiner=Stamped(drive.world.outside.examiner, clock),
    )
    return clock


@pytest.mark.parametrize("by", [HOURS, -HOURS], ids=["forward", "back"])
@pytest.mark.parametrize("phase", WORKED_ON)
def test_a_run_ends_in_good_time_though_the_clock_is_set(drives: DriveMaker, phase: Phase, by: float) -> None:
    drive = drives(SimSpec(hosts=3, vms=2))
    clock = set_clock(drive)
    drive.begin()
    drive.until(lambda now: any(each.phase == phase for each in now.hosts))
    clock.off_by = by
    assert_ends_soon(drive)
    assert "not finished after" not in drive.texts(), "no move was taken to be late"


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.REBOOTING])
def test_a_run_ends_in_good_time_though_the_clock_was_set_back_between_two_controllers(
    drives: DriveMaker, phase: Phase
) -> None:
    drive = drives(SimSpec(hosts=3, vms=2))
    clock = set_clock(drive)
    drive.begin()
    drive.until(lambda now: any(each.phase == phase for each in now.hosts))
    clock.off_by = -HOURS
    drive.start_controller()
    assert_ends_soon(drive)


def assert_ends_soon(drive: Drive) -> None:
    """By itself and with nothing late: 1,800 s is twice what the run takes without a fault."""
    began = drive.world.clock.now()
    assert drive.until(lambda now: now.ended or now.state is RunState.HELD).state is RunState.COMPLETED
    drive.assert_kept()
    took = drive.world.clock.now() - began
    assert took < 1_800.0, f"{took:.0f} s: something waited for the old time to come again"


def test_a_silence_is_renewed_though_the_clock_was_set_back(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=3, vms=4, boot_seconds=1_000.0))
    clock = set_clock(drive)
    drive.begin()
    drive.until_phase(Phase.REBOOTING)
    clock.off_by = -HOURS
    lease = drive.world.outside.silencers[0].lease_seconds
    host_name = drive.world.names[
        next(each.host for each in drive.run.hosts if each.phase == Phase.REBOOTING)
    ]
    began = drive.world.clock.now()
    drive.until(lambda _: drive.world.clock.now() - began > min(lease + 60.0, 900.0))
    ends = max(end for name, _, end in drive.world.silences if name == host_name)
    assert ends > drive.world.clock.now(), "it ran out while its host was down"


ROWS: tuple[tuple[str, Callable[[], Run]], ...] = (
    ("a phase", lambda: run(replace(row("a", Phase.REBOOTING), since=900.0))),
    ("a silence", lambda: run(ready("a", Phase.DRAINING, unreachable_since=900.0))),
    ("a good answer", lambda: run(ready("a", Phase.VERIFYING, healthy_since=900.0))),
    ("a move", lambda: run(row("a", Phase.DRAINING), moves=(move("v", "a", "b", started_at=900.0),))),
    (
        "a failed move",
        lambda: run(
            row("a", Phase.DRAINING),
            moves=(move("v", "a", "b", state=MoveState.FAILED, ended_at=900.0),),
        ),
    ),
)


@pytest.mark.parametrize(("what", "made"), ROWS, ids=[what for what, _ in ROWS])
def test_a_time_later_than_now_proves_that_the_clock_was_set_back(what: str, made: Callable[[], Run]) -> None:
    seen = Seen(snapshot((host("a"), host("b")), vm("v", "a")))
    (action,) = decide(made(), seen, 300.0)
    assert action.changes == (SetBack(600.0),), what
    assert "set back by 10 min" in action.events[0].text


def test_a_clock_set_forward_is_seen_by_the_time_that_passed_meanwhile() -> None:
    seen = Seen(snapshot((host("a"), host("b")), vm("v", "a")), clock_jumped_seconds=HOURS)
    (action,) = decide(run(replace(row("a", Phase.REBOOTING), since=100.0)), seen, HOURS + 110.0)
    assert action.changes == (SetBack(-HOURS),)
    assert "set forward by 2 h 00 min" in action.events[0].text


def test_clocks_of_two_controllers_may_differ_by_a_little() -> None:
    late = run(replace(row("a", Phase.SKIPPED), since=303.0))
    assert all(SetBack not in map(type, action.changes) for action in decide(late, Seen(snapshot(())), 300.0))


def test_all_that_is_waited_for_is_put_back_by_as_much(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=3, vms=4))
    drive.begin()
    before = drive.until(lambda now: bool(now.started))
    lease = drive.store.lease()
    assert lease is not None
    drive.store.write(lease.epoch, RUN, (SetBack(50.0),), (), drive.world.clock.now())
    after = drive.run
    assert [each.since for each in after.hosts] == [each.since - 50.0 for each in before.hosts]
    assert [(each.started_at, each.deadline_at) for each in after.started] == [
        (each.started_at - 50.0, each.deadline_at - 50.0) for each in before.started
    ]
