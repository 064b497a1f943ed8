"""VMs that are shut down and started by order: guests take their time, or don't heed it at all."""

from __future__ import annotations

from standfast.model.cluster import VmState
from standfast.model.errors import OutsideError, RefusedError
from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated import flights, judge
from standfast.platforms.simulated.state import SimVm, State


def shutdown(state: State, vm_id: VmId, host: HostId, *, force: bool) -> None:
    """Ask the guest, or cut its power. Raises OutsideError where the VM isn't there."""
    vm = _there(state, vm_id, host)
    if vm.state is VmState.SHUT_OFF:
        return
    judge.stop_ordered(state, vm, force=force)
    vm.stopped_by_order = True
    if force:
        off(state, vm, "destroyed")
        return
    state.note(f"{vm.base.name} is asked to shut down")
    if not vm.never_shuts_down and vm.off_at is None:
        vm.off_at = state.now + vm.shutdown_seconds
        state.stopping.append(vm_id)


def start(state: State, vm_id: VmId, host: HostId) -> None:
    """Boot it. Raises OutsideError where it can't be, RefusedError where the cordon doesn't let it."""
    vm, about = _there(state, vm_id, host), state.hosts[host]
    if vm.state is VmState.RUNNING:
        return
    if about.cordoned_by and vm_id not in about.admitted:
        raise RefusedError("cordoned", "the cordon lets no VM start", where=about.base.name)
    if not about.hypervisor_up:
        raise OutsideError("hypervisor_down", "the hypervisor does not answer", where=about.base.name)
    if vm.base.managed_save:
        raise RefusedError("saved_state", "it would go on from saved state", where=vm.base.name)
    if vm.fail_starts > 0:
        vm.fail_starts -= 1
        raise OutsideError("start_failed", "simulated failure of the start", where=vm.base.name)
    boot(state, vm, host)


def _there(state: State, vm_id: VmId, host: HostId) -> SimVm:
    vm = state.vms.get(vm_id)
    if vm is None or vm.host != host:
        raise OutsideError("vm_not_there", "there is no such VM here", where=state.host_name(host))
    return vm


def boot(state: State, vm: SimVm, host: HostId) -> None:
    """The VM runs from now on."""
    state.place(vm, host, VmState.RUNNING, "booted")
    vm.stopped_by_order = False
    state.note(f"{vm.base.name} boots on {state.host_name(host)}")
    judge.arrived(state, vm, host)


def off(state: State, vm: SimVm, reason: str) -> None:
    """The VM does not run any more."""
    flights.end(state, vm, f"the VM went off ({reason})")
    vm.off_at = None
    if vm.base.id in state.stopping:
        state.stopping.remove(vm.base.id)
    state.place(vm, vm.host, VmState.SHUT_OFF, reason)
    state.note(f"{vm.base.name} is off ({reason})")


def times(state: State) -> list[float]:
    """When guests that are shutting down will be off."""
    return [at for vm in state.stopping if (at := state.vms[vm].off_at) is not None]


def guests(state: State) -> None:
    """Guests whose shutdown ends now."""
    for vm in [state.vms[vm] for vm in state.stopping]:
        if vm.off_at is not None and vm.off_at <= state.now:
            off(state, vm, "shutdown")
