"""What a run says beforehand of moves that share links, against what the simulated world measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from run_drive import QUICK, DriveMaker, open_drives

from standfast.model.run import MoveRow, MoveState
from standfast.model.units import MIB
from standfast.platforms.simulated import SimSpec

SLOW = SimSpec(
    hosts=4,
    vms=12,
    vm_memory_bytes=320 * MIB,
    large_vm_memory_bytes=320 * MIB,
    link_bits_per_second=200_000_000,
    dirty_bytes_per_second=(0.1 * MIB, 0.2 * MIB),
)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def _off(move: MoveRow) -> float:
    assert move.record is not None
    assert move.record.brownout_seconds is not None
    return abs(move.predicted.brownout_seconds / move.record.brownout_seconds - 1)


def test_moves_that_share_a_link_are_foretold_as_long_as_they_take(drives: DriveMaker) -> None:
    the_drive = drives(SLOW, replace(QUICK, wave_hosts_max=1))
    the_drive.begin()
    run = the_drive.to_the_end()
    done = [move for move in run.moves if move.state is MoveState.DONE]
    shared = [move for move in done if move.predicted.share >= 1.5]
    assert len(shared) >= 6, "two leave each host at once"
    assert median([_off(move) for move in shared]) < 0.1
    assert max(_off(move) for move in done) < 0.2, "with the link to itself each would be half as long"


def test_a_plan_foretells_the_same_shares(drives: DriveMaker) -> None:
    the_drive = drives(SLOW, replace(QUICK, wave_hosts_max=1))
    plan = the_drive.plan()
    for step in plan.steps:
        ends = [
            (move.start_seconds or 0.0) + move.predicted.brownout_seconds + move.predicted.blackout_seconds
            for move in step.moves
        ]
        assert step.drain_seconds == pytest.approx(max(ends), abs=0.2)
        assert len(step.moves) < 2 or any(move.predicted.share > 1 for move in step.moves)
