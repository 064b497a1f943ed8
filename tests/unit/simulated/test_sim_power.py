"""Guests that are shut down and started by order, as a hypervisor would do it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sim_driver import US, begin, finish

from standfast.model.cluster import VmState
from standfast.model.errors import OutsideError, RefusedError
from standfast.model.hostwork import WorkKind
from standfast.platforms.simulated import SimSpec, SimWorld


@pytest.fixture
def world() -> SimWorld:
    made = SimWorld(SimSpec(local_disks=(0,)))
    made.agree(made.vm_id("vm01"), forced=True)
    return made


def state_of(world: SimWorld) -> tuple[VmState, str]:
    seen = world.platform.observe().vm(world.vm_id("vm01"))
    assert seen is not None
    return seen.state, seen.state_reason


def test_a_guest_takes_its_time_to_shut_down(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.shutdown_takes(vm, 30.0)
    world.platform.shutdown(vm, host)
    world.clock.sleep(10.0)
    world.platform.shutdown(vm, host)
    world.clock.sleep(19.0)
    assert state_of(world)[0] is VmState.RUNNING
    world.clock.sleep(2.0)
    assert state_of(world) == (VmState.SHUT_OFF, "shutdown")
    assert world.work.look(host).active_vms == 0


def test_a_guest_that_does_not_heed_it_runs_on_until_its_power_is_cut(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.shutdown_takes(vm, None)
    world.platform.shutdown(vm, host)
    world.clock.sleep(3600.0)
    assert state_of(world)[0] is VmState.RUNNING
    world.platform.shutdown(vm, host, force=True)
    assert state_of(world) == (VmState.SHUT_OFF, "destroyed")


def test_a_cordon_lets_in_whom_it_admits_and_only_until_it_is_said_anew(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.platform.shutdown(vm, host, force=True)
    world.fence.cordon(host, US)
    with pytest.raises(RefusedError):
        world.platform.start(vm, host)
    world.fence.cordon(host, US, admit=frozenset({vm}))
    world.platform.start(vm, host)
    world.platform.start(vm, host)
    assert state_of(world) == (VmState.RUNNING, "booted")
    world.platform.shutdown(vm, host, force=True)
    world.fence.cordon(host, US)
    with pytest.raises(RefusedError):
        world.platform.start(vm, host)
    assert world.violations == ()


def test_a_start_in_the_middle_of_host_work_is_a_broken_promise(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.platform.shutdown(vm, host, force=True)
    given = begin(world, WorkKind.PATCH, "host1")
    world.platform.start(vm, host)
    assert "during its patch" in world.violations[0]
    finish(world, given)


def test_a_vm_with_a_saved_state_is_not_started(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.platform.shutdown(vm, host, force=True)
    with world.open() as state:
        state.vms[vm].base = replace(state.vms[vm].base, managed_save=True)
    with pytest.raises(RefusedError):
        world.platform.start(vm, host)


def test_starts_fail_as_often_as_they_are_told_to(world: SimWorld) -> None:
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.platform.shutdown(vm, host, force=True)
    world.fail_starts(vm, 1)
    with pytest.raises(OutsideError):
        world.platform.start(vm, host)
    world.platform.start(vm, host)
    assert state_of(world)[0] is VmState.RUNNING
