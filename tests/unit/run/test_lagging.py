"""A VM that writes faster than it is copied: seen, handled as allowed, given up cleanly, in nobody's way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, Drive, DriveMaker, open_drives

from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import MoveRow, MoveState, RunState, Verb
from standfast.model.units import MIB
from standfast.platforms.simulated import SimSpec

SLOW = 100_000_000
SPEC = SimSpec(hosts=3, vms=7, dirty_bytes_per_second=(0.5 * MIB, 1.0 * MIB), link_bits_per_second=SLOW)
WRITER = "vm2"
PATIENT = replace(QUICK, lagging_seconds=60.0, wave_hosts_max=1, move_backoff_seconds=(10.0,))


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def begun(drives: DriveMaker, policy: Policy = PATIENT) -> Drive:
    drive = drives(SPEC, policy)
    drive.begin()
    drive.world.never_converge(drive.world.vm_id(WRITER))
    return drive


def tries(drive: Drive) -> list[MoveRow]:
    return [move for move in drive.run.moves if move.vm_name == WRITER]


def test_it_is_seen_told_and_given_up_early_and_the_others_go_meanwhile(drives: DriveMaker) -> None:
    drive = begun(drives)
    run = drive.until_held()
    failed = tries(drive)
    assert len(failed) == PATIENT.move_attempts
    for move in failed:
        assert move.state is MoveState.FAILED
        assert move.reason is not None
        assert move.reason.code is Code.MOVE_LAGGING
        assert "blackout_budget_max_seconds" in move.reason.mend
        assert (move.ended_at or 0) - move.started_at < PATIENT.move_timeout_floor_seconds
    assert "writes" in drive.texts()
    assert "waiting for it to calm down" in drive.texts()
    source = failed[0].source
    others = [move for move in run.moves if move.source == source and move.vm_name != WRITER]
    assert others
    assert all(move.state is MoveState.DONE for move in others)
    assert not any(vm.host == source and vm.name != WRITER for vm in drive.snapshot().vms)
    drive.world.never_converge(drive.world.vm_id(WRITER), False)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_a_burst_that_ends_is_waited_for(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.until(lambda run: "waiting for it to calm down" in drive.texts())
    drive.world.never_converge(drive.world.vm_id(WRITER), False)
    assert drive.to_the_end().state is RunState.COMPLETED
    assert all(move.state is MoveState.DONE and move.reason is None for move in tries(drive))
    drive.assert_kept()


def test_a_longer_blackout_is_used_where_that_is_allowed(drives: DriveMaker) -> None:
    drive = begun(drives, replace(PATIENT, blackout_budget_max_seconds=60.0))
    assert drive.to_the_end().state is RunState.COMPLETED
    record = tries(drive)[0].record
    assert record is not None
    assert PATIENT.blackout_budget_seconds < (record.blackout_seconds or 0) <= 60.0
    assert "it may be dark for up to 1 min 00 s now" in drive.texts()
    assert "OVER ITS BUDGET" not in drive.texts()
    drive.assert_kept()


def test_a_budget_of_the_vms_own_is_not_raised(drives: DriveMaker) -> None:
    drive = begun(drives, replace(PATIENT, blackout_budget_max_seconds=60.0))
    own = drive.world.vm_id(WRITER)
    with drive.world.open() as state:
        state.vms[own].base = replace(state.vms[own].base, blackout_budget_seconds=1.0)
        state.placement += 1
    drive.until_held()
    assert "may be dark" not in drive.texts()
    with drive.world.open(write=False) as state:
        assert state.vms[own].darkest_seconds <= 1.0


def test_it_is_slowed_down_where_that_is_allowed(drives: DriveMaker) -> None:
    drive = begun(drives, replace(PATIENT, auto_converge=True, move_timeout_floor_seconds=1_200.0))
    assert drive.to_the_end().state is RunState.COMPLETED
    assert "it is slowed down until it can be" in drive.texts()
    drive.assert_kept()
