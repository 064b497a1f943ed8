"""The world's own record of everything that would break the promise.

It looks at what happens to VMs and hosts and knows nothing of plans, rows or runs: it shares no code with
whoever is judged, and it never raises.
"""

from __future__ import annotations

from standfast.model.cluster import VmState
from standfast.model.hostwork import WorkKind, WorkPhase
from standfast.model.ids import HostId
from standfast.platforms.simulated.state import SimHost, SimVm, State


def violation(state: State, text: str) -> None:
    """Put it on record, with the world's time."""
    state.violations.append(f"{state.now:.3f} {text}")
    state.note(f"VIOLATION {text}")


def vm_lost(state: State, vm: SimVm, why: str) -> None:
    """A VM that ran does not run any more, and nobody stopped it."""
    violation(state, f"{vm.base.name} was interrupted: {why}")


def patch_began(state: State, host: HostId) -> None:
    """No host is patched while a VM runs on it."""
    for vm in state.active(host):
        violation(state, f"{state.host_name(host)} is patched with {vm.base.name} on it")


def reboot_began(state: State, host: HostId) -> None:
    """No host is rebooted while a VM runs on it or is on its way there."""
    for vm in state.active(host):
        violation(state, f"{state.host_name(host)} is rebooted with {vm.base.name} on it")


def arrived(state: State, vm: SimVm, host: HostId) -> None:
    """A VM begins to run on a host, or to be received by it."""
    about = state.hosts[host]
    if about.cordoned_by and vm.base.id not in about.admitted:
        violation(
            state, f"{vm.base.name} came to {about.base.name}, which is cordoned by {about.cordoned_by}"
        )
    for work in about.works.values():
        if work.phase is WorkPhase.RUNNING and work.kind is not WorkKind.STAGE:
            violation(state, f"{vm.base.name} came to {about.base.name} during its {work.kind}")


def move_began(state: State, vm: SimVm, target: HostId) -> None:
    """Memory and anti-affinity at the start of a move that was ordered; the VM is counted on both ends."""
    about, source = state.hosts[target], state.hosts[vm.host]
    if vm.base.id == state.rules.controller and source.cordoned_by:
        others = [
            other.base.name
            for other in state.residents(vm.host)
            if other is not vm and not other.may_stop and not other.fail_moves
        ]
        if others:
            violation(state, f"{vm.base.name}, the controller's own, leaves before {', '.join(others)}")
    held = sum(other.base.memory_bytes for other in state.active(target))
    if held > about.base.memory_bytes:
        violation(
            state,
            f"{about.base.name} holds {held} of {about.base.memory_bytes} bytes with {vm.base.name}",
        )
    for group in state.rules.groups_of.get(vm.base.id, ()):
        for other in (state.vms[member] for member in sorted(group.vms & state.vms.keys())):
            if other is vm or other.state is VmState.SHUT_OFF:
                continue
            if other.flight is not None:
                violation(state, f"{vm.base.name} and {other.base.name} ({group.name}) are in flight at once")
            if other.host == target or (other.flight is not None and other.flight.target == target):
                violation(
                    state, f"{vm.base.name} meets {other.base.name} ({group.name}) on {about.base.name}"
                )
    if target not in state.rules.pins_of.get(vm.base.id, (target,)):
        violation(state, f"{vm.base.name} goes to {about.base.name} against its pin")


def went_dark(state: State, vm: SimVm, seconds: float) -> None:
    """A black-out longer than the VM's budget; the report has to say so, so it is noted, not judged."""
    vm.darkest_seconds = max(vm.darkest_seconds, seconds)
    budget = vm.base.blackout_budget_seconds
    if budget is not None and seconds > budget:
        state.note(f"{vm.base.name} was dark for {seconds:.3f} s, above its budget of {budget:.3f} s")


def stop_ordered(state: State, vm: SimVm, *, force: bool) -> None:
    """A VM is told to stop: only with its owner's consent, and its power is cut only with consent to that."""
    if not vm.may_stop:
        violation(state, f"{vm.base.name} was told to shut down, and nobody agreed to that")
    elif force and vm.may_stop != "forced":
        violation(state, f"the power of {vm.base.name} was cut, and nobody agreed to that")


def not_given_back(state: State) -> tuple[str, ...]:
    """Cordons, settings, silences and stopped VMs that are not as before; for the end of a run."""
    found = [
        f"{host.base.name} is still cordoned by {host.cordoned_by}"
        for host in state.hosts.values()
        if host.cordoned_by
    ]
    found += [
        f"alerts about {state.host_name(silence.host)} are still silenced"
        for silence in state.monitoring.active(state.now)
    ]
    found += [
        f"{vm.base.name} was shut down and does not run"
        for vm in state.vms.values()
        if vm.stopped_by_order and vm.state is not VmState.RUNNING
    ]
    return (*found, *(text for host in state.hosts.values() for text in _settings(host)))


def _settings(host: SimHost) -> list[str]:
    return [
        f"{name} on {host.base.name} is still {value}"
        for name, value in host.settings.items()
        if value == host.settings_during.get(name) != host.settings_before.get(name)
    ]
