"""A run that only moves VMs: exactly the approved moves, in the real controller on a simulated cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import Drive, DriveMaker, open_drives

from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.run import MoveState, RunState, Verb
from standfast.plan.balance import balance_plan
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=4, vms=17, vm_memory_bytes=200 * 1024**2)


@pytest.fixture
def drive_of(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as maker:
        yield maker


def hot(drive: Drive) -> Plan:
    """All VMs but one on one host, and the plan to balance that."""
    with drive.world.open() as state:
        first = next(iter(state.hosts))
        for vm in state.vms.values():
            vm.host = first
    there = drive.snapshot()
    plan = balance_plan(there, Policy(tick_seconds=5.0), now=there.taken_at)
    assert len(plan.rebalance) > 5
    return plan


def test_every_approved_move_is_made_and_no_other(drive_of: DriveMaker) -> None:
    drive = drive_of(SPEC)
    plan = hot(drive)
    drive.begin(plan)
    assert drive.to_the_end().state is RunState.COMPLETED
    wanted = {(move.vm, move.source, move.target) for move in plan.rebalance}
    assert {(move.vm, move.source, move.target) for move in drive.run.moves} == wanted
    assert drive.world.violations == ()
    assert drive.run.hosts == ()


def test_a_vm_that_is_gone_from_its_host_is_left_out_and_told(drive_of: DriveMaker) -> None:
    drive = drive_of(SPEC)
    plan = hot(drive)
    drive.begin(plan)
    gone = plan.rebalance[-1]
    with drive.world.open() as state:
        state.vms[gone.vm].host = gone.target
    assert drive.to_the_end().state is RunState.DEGRADED
    last = drive.store.events(drive.run.id)[-1].text
    assert last.endswith(f"Left where they were: {gone.vm_name}.")
    assert gone.vm not in {move.vm for move in drive.run.moves}


def test_a_failed_move_is_not_tried_again(drive_of: DriveMaker) -> None:
    drive = drive_of(SPEC)
    plan = hot(drive)
    with drive.world.open() as state:
        state.vms[plan.rebalance[0].vm].fail_moves = 5
    drive.begin(plan)
    assert drive.to_the_end().state is RunState.DEGRADED
    tries = [move for move in drive.run.moves if move.vm == plan.rebalance[0].vm]
    assert [move.state for move in tries] == [MoveState.FAILED]


def test_a_cancelled_run_starts_nothing_more(drive_of: DriveMaker) -> None:
    drive = drive_of(SPEC)
    drive.begin(hot(drive))
    drive.tick()
    begun = len(drive.run.moves)
    drive.say(Verb.CANCEL)
    assert drive.to_the_end().state is RunState.CANCELLED
    assert len(drive.run.moves) == begun > 0


def test_the_reserve_is_kept_though_the_cluster_has_shrunk_meanwhile(drive_of: DriveMaker) -> None:
    drive = drive_of(SPEC)
    plan = hot(drive)
    with drive.world.open() as state:
        state.rules = replace(state.rules, reserve_hosts=4)
    drive.begin(plan)
    assert drive.to_the_end().state is RunState.DEGRADED
    assert drive.run.moves == ()
