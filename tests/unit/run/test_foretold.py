"""What a run says beforehand of moves that share links, against what the simulated world measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from run_drive import QUICK, DriveMaker, open_drives

from standfast.model.run import MoveRow, MoveState
from standfast.model.units import MIB
from standfast.platforms.simulated import SimSpec
from standfast.run.foretell import KEPT_SECONDS_PER_MOVE, Drains
from standfast.run.seen import Seen, View

SLOW = SimSpec(
    hosts=4,
    vms=12,
    vm_memory_bytes=320 * MIB,
    large_vm_memory_bytes=320 * MIB,
    link_bits_per_second=200_000_000,
    dirty_bytes_per_second=(0.1 * MIB, 0.2 * MIB),
)
TWO = replace(SLOW, outbound=2, inbound=2)
"""Somebody wants two at once over a link that one fills."""


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def _off(move: MoveRow) -> float:
    assert move.record is not None
    assert move.record.brownout_seconds is not None
    return abs(move.predicted.brownout_seconds / move.record.brownout_seconds - 1)


def test_moves_that_share_a_link_are_foretold_as_long_as_they_take(drives: DriveMaker) -> None:
    the_drive = drives(TWO, replace(QUICK, wave_hosts_max=1))
    the_drive.begin()
    run = the_drive.to_the_end()
    done = [move for move in run.moves if move.state is MoveState.DONE]
    shared = [move for move in done if move.predicted.share >= 1.5]
    assert len(shared) >= 6, "two leave each host at once"
    assert median([_off(move) for move in shared]) < 0.1
    assert max(_off(move) for move in done) < 0.2, "with the link to itself each would be half as long"


def test_a_plan_foretells_the_same_shares(drives: DriveMaker) -> None:
    the_drive = drives(TWO, replace(QUICK, wave_hosts_max=1))
    plan = the_drive.plan()
    for step in plan.steps:
        ends = [
            (move.start_seconds or 0.0) + move.predicted.brownout_seconds + move.predicted.blackout_seconds
            for move in step.moves
        ]
        assert step.drain_seconds == pytest.approx(max(ends), abs=0.2)
        assert len(step.moves) < 2 or any(move.predicted.share > 1 for move in step.moves)


def test_what_was_foretold_of_a_drain_is_told_on_for_a_moment_and_then_worked_out_anew(
    drives: DriveMaker,
) -> None:
    the_drive = drives(SLOW, replace(QUICK, wave_hosts_max=1))
    the_drive.begin()
    run = the_drive.until(lambda run: len(run.started) > 0)
    seen, now = Seen(the_drive.snapshot()), the_drive.world.clock.now()
    drains = Drains()
    [(host, first)] = drains.left(View.of(run, seen, now)).items()
    assert first > 1.0
    moment = KEPT_SECONDS_PER_MOVE / 2
    none_left = View.of(run, Seen(replace(seen.snapshot, vms=())), now + moment)
    assert Drains().left(none_left) == {host: 0.0}
    assert drains.left(none_left)[host] == pytest.approx(first - moment), "not looked at again yet"
    nothing_moved = View.of(run, seen, now + 2 * first)
    anew = drains.left(nothing_moved)
    assert anew == Drains().left(nothing_moved)
    assert anew[host] > 0.0, "other VMs have still to go"
    set_back = View.of(run, seen, now - 5.0)
    assert drains.left(set_back) == Drains().left(set_back)


def test_moves_go_one_after_the_other_over_a_link_that_one_fills(drives: DriveMaker) -> None:
    the_drive = drives(SLOW, replace(QUICK, wave_hosts_max=1, tick_seconds=1.0))
    the_drive.begin()
    run = the_drive.to_the_end()
    done = [move for move in run.moves if move.state is MoveState.DONE]
    assert max(_off(move) for move in done) < 0.2
    leaving: dict[str, list[MoveRow]] = {}
    for move in done:
        leaving.setdefault(move.source, []).append(move)
    beside = [
        (before.ended_at or 0.0) - after.started_at
        for moves in leaving.values()
        for before, after in pairwise(sorted(moves, key=lambda move: move.started_at))
        if before.step == after.step and after.started_at < (before.ended_at or 0.0)
    ]
    assert beside, "the next one sets up while the one before it ends"
    assert max(beside) < median(move.predicted.brownout_seconds for move in done) / 2
