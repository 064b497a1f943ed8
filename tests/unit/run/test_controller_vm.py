"""The controller as one of the VMs that it moves: last on its host, never shut down, dead as it lands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, Died, DriveMaker, open_drives

from standfast.model.ids import MoveId
from standfast.model.moves import MoveOrder
from standfast.model.plan import PlanKind
from standfast.model.reasons import Code
from standfast.model.run import MoveState, RunState
from standfast.model.unmovable import Handling, Said
from standfast.plan.evacuate import evacuation
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=3, vms=7, controller=3, seed=2)
OWN = "vm4"


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def test_the_controllers_own_vm_leaves_each_host_last(drives: DriveMaker) -> None:
    drive = drives(SPEC, replace(QUICK, wave_hosts_max=1))
    drive.begin()
    run = drive.to_the_end()
    assert run.state is RunState.COMPLETED
    drive.assert_kept()  # the world's own record knows who left before whom
    own = drive.world.vm_id(OWN)
    turns = {move.step for move in run.moves if move.vm == own and move.step is not None}
    assert turns, "its host was never evacuated"
    for turn in turns:
        moves = [move for move in run.moves if move.step == turn and move.state is MoveState.DONE]
        (last,) = [move for move in moves if move.vm == own]
        assert all((move.ended_at or 0) <= last.started_at for move in moves if move is not last)


def test_the_worlds_record_would_tell_of_one_that_leaves_early(drives: DriveMaker) -> None:
    drive = drives(SPEC)
    world = drive.world
    drive.begin()
    drive.tick()
    own = world.vm_id(OWN)
    source = next(vm.host for vm in drive.snapshot().vms if vm.id == own)
    target = next(host for host in world.names if host != source)
    with world.open() as state:
        state.hosts[source].cordoned_by = "01TESTRUN"
    world.platform.start_move(MoveOrder(MoveId("early"), own, source, target, 300.0))
    assert any("the controller's own, leaves before" in text for text in world.violations)


def test_a_controller_that_dies_whenever_it_lands_on_another_host_goes_on(drives: DriveMaker) -> None:
    drive = drives(SPEC)
    own, landed = drive.world.vm_id(OWN), 0

    def dies_at_its_landing(_where: str) -> None:
        nonlocal landed
        with drive.world.open(write=False) as state:
            moved = state.vms[own].moved
        if moved > landed:
            landed = moved
            raise Died

    drive.hook = dies_at_its_landing
    drive.begin()
    run = drive.to_the_end()
    assert drive.deaths > 0
    assert run.state is RunState.COMPLETED
    drive.assert_kept()


def test_no_consent_lets_the_controllers_own_vm_be_shut_down(drives: DriveMaker) -> None:
    drive = drives(replace(SPEC, local_disks=(3,)))
    own = drive.world.vm_id(OWN)
    said = Said(own, Handling.CONSENT, "alice", drive.world.clock.now(), "--unmovable")
    plan = make_plan(drive.snapshot(scan=True), drive.policy, now=drive.world.clock.now(), said={own: said})
    (refusal,) = plan.refusals
    assert refusal.code is Code.VM_CONTROLLER
    assert "nobody would start it again" in refusal.sentence
    assert f"--unmovable {OWN}=skip" in refusal.mend
    assert drive.world.violations == ()


def test_one_that_is_unmovable_only_since_the_plan_holds_its_host_whatever_was_consented(
    drives: DriveMaker,
) -> None:
    spec = replace(SPEC, local_disks=(3,), controller=None)
    drive = drives(spec)
    own = drive.world.vm_id(OWN)
    said = Said(own, Handling.CONSENT, "alice", drive.world.clock.now(), "--unmovable")
    now = drive.world.clock.now()
    drive.begin(make_plan(drive.snapshot(scan=True), drive.policy, now=now, said={own: said}))
    with drive.world.open() as state:
        state.rules = replace(state.rules, controller=own)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.VM_CONTROLLER
    assert drive.world.violations == ()
    assert "asked to shut down" not in drive.texts()


def test_an_evacuation_takes_it_last_and_does_not_leave_it_behind_for_one_that_is_stuck(
    drives: DriveMaker,
) -> None:
    drive = drives(SPEC, replace(QUICK, move_attempts=1))
    world, own = drive.world, drive.world.vm_id(OWN)
    snapshot = drive.snapshot(scan=True)
    source = next(vm.host for vm in snapshot.vms if vm.id == own)
    stuck = next(vm.id for vm in snapshot.vms if vm.host == source and vm.id != own)
    world.fail_moves(20, vm=stuck)
    plan = evacuation(snapshot, drive.policy, source, now=world.clock.now())
    assert plan.kind is PlanKind.EVACUATE
    drive.begin(plan)
    drive.until_held()
    assert next(vm.host for vm in drive.snapshot().vms if vm.id == own) != source
    assert world.violations == ()
