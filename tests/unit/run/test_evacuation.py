"""One failing host emptied on the simulated cluster, by the real controller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, RUN, Drive, DriveMaker, open_drives

from standfast.model.cluster import VmState
from standfast.model.ids import HostId
from standfast.model.plan import Plan
from standfast.model.reasons import Code
from standfast.model.run import MoveState, Phase, RunState, Verb
from standfast.plan.evacuate import evacuation
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=4, vms=13)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def plan_for(the_drive: Drive, host: HostId, *, spend_reserve: bool = False) -> Plan:
    now = the_drive.world.clock.now()
    return evacuation(the_drive.snapshot(), the_drive.policy, host, now=now, spend_reserve=spend_reserve)


def begin(the_drive: Drive, name: str = "host2", *, spend_reserve: bool = False) -> HostId:
    host = the_drive.world.host_id(name)
    the_drive.begin(plan_for(the_drive, host, spend_reserve=spend_reserve))
    return host


def put_in_state(the_drive: Drive, vm: str, now: VmState) -> None:
    """Somebody pauses the VM, so that it can't be moved, or lets it run again."""
    with the_drive.world.open() as state:
        state.vms[the_drive.world.vm_id(vm)].state = now
        state.placement += 1


def test_a_host_is_emptied_and_left_cordoned_until_it_is_returned(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    boots = {host.id: host.facts.boot_id for host in the_drive.snapshot().hosts if host.facts}
    host = begin(the_drive)
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert the_drive.snapshot().vms_on(host) == ()
    assert {each.id: each.facts.boot_id for each in the_drive.snapshot().hosts if each.facts} == boots
    assert the_drive.world.not_given_back == (f"host2 is still cordoned by {RUN}",)
    assert "Still changed: cordon host2." in the_drive.texts()
    assert the_drive.store.runs_to_drive() == ()

    the_drive.say(Verb.RETURN, host)
    assert the_drive.store.runs_to_drive() == (RUN,)
    the_drive.until(lambda run: not run.hosts[0].cordon_taken)
    the_drive.assert_kept()
    assert the_drive.store.runs_to_drive() == ()
    assert all(entry.given_back_at is not None for entry in the_drive.run.journal)
    assert the_drive.run.state is RunState.COMPLETED


def test_a_second_return_says_that_there_is_nothing_to_give_back(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    host = begin(the_drive)
    the_drive.to_the_end()
    words = [the_drive.say(Verb.RETURN, host) for _ in range(2)]
    the_drive.until(lambda run: not run.hosts[0].cordon_taken and not run.commands)
    first, second = (the_drive.store.outcome(word) for word in words)
    assert first == ("returning host2: its cordon is taken back", True)
    assert second == ("return changes nothing: host2 is being returned already", False)


def test_abandoned_with_moves_in_the_air_it_names_where_they_go(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    begin(the_drive)
    move = the_drive.until(lambda run: any(move.state is MoveState.STARTED for move in run.moves)).moves[0]
    the_drive.say(Verb.ABANDON)
    the_drive.until(lambda run: run.ended)
    assert f"{move.vm_name} moving to {the_drive.snapshot().host_name(move.target)}" in the_drive.texts()


def test_a_host_that_can_not_be_asked_is_not_returned_and_nobody_waits_for_ever(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    host = begin(the_drive)
    the_drive.to_the_end()
    the_drive.world.unreachable(host, 1e6)
    the_drive.say(Verb.RETURN, host)
    the_drive.until(lambda run: not run.commands and run.hosts[0].asked == "")
    assert "not returned: it does not answer" in the_drive.texts()
    assert the_drive.store.runs_to_drive() == ()


def test_urgent_vms_go_first_then_the_quickest(drives: DriveMaker) -> None:
    the_drive = drives(SPEC, replace(QUICK, moves_at_once=1))
    with the_drive.world.open() as state:
        names = [vm.base.name for vm in state.residents(the_drive.world.host_id("host2"))]
        state.rules = replace(state.rules, priorities=((the_drive.world.vm_id(names[-1]), 10),))
    begin(the_drive)
    run = the_drive.to_the_end()
    assert [move.vm_name for move in run.moves] == [names[-1], *names[:-1]]


def test_a_vm_that_can_not_go_holds_up_no_other(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    stuck = the_drive.snapshot().vms_on(the_drive.world.host_id("host2"))[0].name
    put_in_state(the_drive, stuck, VmState.PAUSED)
    host = the_drive.world.host_id("host2")
    plan = plan_for(the_drive, host)
    assert [reason.code for reason in plan.warnings] == [Code.VM_NOT_RUNNING]
    the_drive.begin(plan)
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.VM_NOT_RUNNING
    assert [vm.name for vm in the_drive.snapshot().vms_on(host)] == [stuck]
    assert the_drive.world.not_given_back  # nothing shall come back to it while it is held
    put_in_state(the_drive, stuck, VmState.RUNNING)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    assert the_drive.snapshot().vms_on(host) == ()
    assert the_drive.world.violations == ()


def test_a_move_that_fails_is_tried_again_while_the_others_go(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    host = the_drive.world.host_id("host2")
    the_drive.world.fail_moves(2, vm=the_drive.snapshot().vms_on(host)[0].id)
    begin(the_drive)
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert sum(move.state is MoveState.FAILED for move in run.moves) == 2


def test_the_reserve_is_kept_unless_it_may_be_spent(drives: DriveMaker) -> None:
    """Two hosts: with one empty, nothing may be lost any more."""
    the_drive = drives(SimSpec(hosts=2, vms=4))
    host = the_drive.world.host_id("host2")
    assert [reason.code for reason in plan_for(the_drive, host).refusals] == [Code.NO_RESERVE]
    accepted = plan_for(the_drive, host, spend_reserve=True)
    assert accepted.refusals == ()
    assert [reason.code for reason in accepted.warnings] == [Code.NO_RESERVE]
    the_drive.begin(accepted)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    assert the_drive.snapshot().vms_on(host) == ()
    assert the_drive.world.violations == ()


def test_a_host_that_is_silent_or_cordoned_is_refused(drives: DriveMaker) -> None:
    the_drive = drives(SPEC)
    host = the_drive.world.host_id("host2")
    the_drive.world.unreachable(host, 10.0)
    assert Code.HOST_UNREACHABLE in [reason.code for reason in plan_for(the_drive, host).refusals]
    the_drive.world.clock.sleep(20.0)
    begin(the_drive)
    the_drive.to_the_end()
    assert Code.HOST_CORDONED_BY_OTHER in [reason.code for reason in plan_for(the_drive, host).refusals]


@pytest.mark.parametrize("phase", [Phase.SILENCED, Phase.DRAINING])
def test_a_cancelled_evacuation_gives_the_host_back(drives: DriveMaker, phase: Phase) -> None:
    the_drive = drives(SPEC)
    begin(the_drive)
    the_drive.until_phase(phase)
    the_drive.say(Verb.CANCEL)
    run = the_drive.to_the_end()
    assert run.state is RunState.CANCELLED
    assert run.hosts[0].phase == Phase.ROLLED_BACK
    the_drive.assert_kept()
