"""A move that was to be ended: the call may fail, or its caller may die before it. It is asked again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from run_build import host, move, ready, run, snapshot, vm
from run_drive import Died, DriveMaker, open_drives

from standfast.model.ids import HostId
from standfast.model.moves import Flight
from standfast.model.run import Phase, RunState
from standfast.platforms.simulated import SimSpec
from standfast.run.actions import CancelMove
from standfast.run.decide import decide
from standfast.run.seen import Seen, order_of


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def test_a_move_that_was_to_be_ended_and_still_flies_is_ended_again_once_at_a_time() -> None:
    late = move("v", "a", "b", cancel_asked=True)
    flying = snapshot((host("a"), host("b")), vm("v", "a", flight=Flight(HostId("b"))))
    the_run = run(ready("a", Phase.DRAINING), moves=(late,))
    call = CancelMove(order_of(late))
    assert call in [action.call for action in decide(the_run, Seen(flying), 500.0)]
    asked = Seen(flying, under_way=frozenset({call.key}))
    assert call not in [action.call for action in decide(the_run, asked, 500.0)]


def test_a_stalled_move_ends_though_the_calls_that_end_it_fail(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=3, vms=2))
    drive.begin()
    for known in drive.world.vm_names:
        drive.world.stall_moves(known)
    drive.world.fail_call("cancel_move", 3)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_a_stalled_move_ends_though_its_controller_died_before_the_call(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=3, vms=2))
    drive.begin()
    for known in drive.world.vm_names:
        drive.world.stall_moves(known)

    def die(where: str) -> None:
        if where == "after commit" and drive.deaths == 0:
            asked = [each for each in drive.run.started if each.cancel_asked]
            if asked:
                raise Died

    drive.hook = die
    assert drive.to_the_end().state is RunState.COMPLETED
    assert drive.deaths == 1
    drive.assert_kept()
