"""Time goes on: legs of migrations, units, boots and deeds by hand happen in their order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from standfast.model.cluster import VmState
from standfast.model.hostwork import RebootSign, WorkKind, WorkPhase
from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated import flights, judge, power
from standfast.platforms.simulated.sky import Sky
from standfast.platforms.simulated.spec import boot_id
from standfast.platforms.simulated.state import ByHand, Deed, SimFlight, SimHost, SimWork, State

NEEDS_REBOOT = ("linux-image", "kernel", "libc6", "systemd", "qemu", "libvirt")
"""Packages after which the host shows a sign that it needs a reboot."""


def advance(state: State, to: float) -> None:
    """Let everything happen that happens until `to`, each thing at its own time."""
    sky = Sky(state)
    hosts = [host for host in state.hosts.values() if any(True for _ in _times_of(host))]
    cuts = flights.cut_times(state)
    while True:
        due = [*_due_times(state, hosts), *(at for at in cuts if at > state.now)]
        at = min([to, *due] if (first := sky.next_at()) is None else [first, *due])
        state.now = max(state.now, min(max(at, state.now), to))
        if at > to or not (due or state.in_flight):
            break
        changed = sky.end_legs()
        if min(due, default=to + 1) <= state.now:
            flights.wake(state)
            power.guests(state)
            _hosts(state, hosts)
            for deed in sorted(
                (deed for deed in state.by_hand if deed.at <= state.now), key=lambda deed: deed.at
            ):
                state.by_hand.remove(deed)
                do_by_hand(state, deed)
            changed |= sky.all_gone() | set(state.in_flight)
        sky.look(changed)
        later = [*_due_times(state, hosts), *((first,) if (first := sky.next_at()) is not None else ())]
        if state.now >= to and not any(other <= state.now for other in later):
            break
    sky.settle()


def _due_times(state: State, hosts: list[SimHost]) -> list[float]:
    times = [at for host in hosts for at in _times_of(host)]
    return [*times, *power.times(state), *flights.wakings(state), *(deed.at for deed in state.by_hand)]


def _times_of(host: SimHost) -> Iterator[float]:
    if host.down_at is not None:
        yield host.down_at
    if host.back_at is not None:
        yield host.back_at
    for work in host.works.values():
        if work.ends_at is not None:
            yield work.ends_at


def _hosts(state: State, hosts: list[SimHost]) -> None:
    for host in hosts:
        for work in host.works.values():
            if work.ends_at is not None and work.ends_at <= state.now:
                _work_ended(state, host, work)
        if host.down_at is not None and host.down_at <= state.now:
            _goes_down(state, host)
        if host.back_at is not None and host.back_at <= state.now:
            _comes_back(state, host)


def _work_ended(state: State, host: SimHost, work: SimWork) -> None:
    work.ends_at = None
    work.phase = WorkPhase.FAILED if work.fails else WorkPhase.SUCCEEDED
    work.exit_code = 100 if work.fails else 0
    state.note(f"{work.kind} on {host.base.name} {work.phase}")
    if work.fails:
        work.detail = work.detail or "E: simulated failure"
        if host.faults.stops_half_way > 0 and work.kind is WorkKind.PATCH:
            host.faults.stops_half_way -= 1
            host.interrupted = "dpkg was interrupted"
            host.pending = host.pending[len(host.pending) // 2 :]
        return
    if work.kind is WorkKind.PATCH:
        installed = [update for update in host.pending if update.security or not work.security_only]
        work.versions_before = tuple((update.package, update.installed) for update in installed)
        work.versions_after = tuple((update.package, update.candidate) for update in installed)
        if any(update.package.startswith(NEEDS_REBOOT) for update in installed):
            host.reboot_signs = tuple(dict.fromkeys((*host.reboot_signs, RebootSign.NEWER_KERNEL)))
        host.pending = tuple(update for update in host.pending if update not in installed)


def dies(state: State, host: SimHost, back_after: float | None) -> None:
    """Its power is gone, and with it the VMs on it: nobody's deed, so nothing that a run is judged for."""
    host.down_at, host.up, host.back_at = None, False, None
    state.note(f"{host.base.name} loses its power")
    for vm in state.incoming(host.base.id):
        flights.end(state, vm, f"{host.base.name} went down")
    for vm in state.residents(host.base.id):
        power.off(state, vm, "crashed")
    for work in host.works.values():
        if work.phase is WorkPhase.RUNNING:
            work.phase, work.ends_at = WorkPhase.LOST, None
    host.back_at = None if back_after is None else state.now + back_after


def _goes_down(state: State, host: SimHost) -> None:
    """Units that run are lost, the reboot's own among them, and so is every VM that is still here."""
    host.down_at, host.up = None, False
    judge.reboot_began(state, host.base.id)
    for vm in state.incoming(host.base.id):
        flights.end(state, vm, f"{host.base.name} went down")
    for vm in state.residents(host.base.id):
        flights.end(state, vm, f"{host.base.name} went down")
        power.off(state, vm, "crashed")
        judge.vm_lost(state, vm, f"{host.base.name} was rebooted")
    for work in host.works.values():
        if work.phase is WorkPhase.RUNNING:
            work.phase, work.ends_at = WorkPhase.LOST, None
    host.back_at = None if host.faults.never_returns else state.now + host.boot_seconds
    state.note(f"{host.base.name} goes down")


def _comes_back(state: State, host: SimHost) -> None:
    host.back_at, host.up = None, True
    state.note(f"{host.base.name} is back")
    if host.faults.keeps_boot:
        host.faults.keeps_boot = False
        return
    host.boots += 1
    host.boot_id, host.booted_at = boot_id(host.base.id, host.boots), state.now
    faults = host.faults
    if faults.old_kernel > 0:
        faults.old_kernel -= 1
    else:
        host.reboot_signs = ()
    host.links = [name for name in host.links if name not in faults.lose_links]
    host.mounts = [name for name in host.mounts if name not in faults.lose_mounts]
    host.failed_units = list(faults.fail_units)
    host.hypervisor_up = not faults.hypervisor_stays_down


def do_by_hand(state: State, deed: ByHand) -> None:
    """Somebody else does something; a cordon stops it as it would stop us, unless it is forced."""
    host = state.hosts[deed.host]
    if deed.deed is Deed.CORDON:
        host.cordoned_by = host.cordoned_by or "somebody"
        return
    assert deed.vm is not None
    if deed.vm not in state.vms:
        return
    vm = state.vms[deed.vm]
    refused = bool(host.cordoned_by) and not deed.forced
    if deed.deed is Deed.STOP:
        flights.end(state, vm, "stopped by hand")
        power.off(state, vm, "destroyed")
    elif deed.deed is Deed.DELETE:
        flights.end(state, vm, "deleted by hand")
        power.off(state, vm, "destroyed")
        state.forget(vm)
    elif deed.deed is Deed.RESIZE:
        vm.base = replace(vm.base, memory_bytes=deed.memory_bytes)
        state.all_changed()
    elif refused or not host.up:
        state.note(f"{deed.deed} of {vm.base.name} on {host.base.name} by hand was refused")
        return
    elif deed.deed is Deed.START:
        if vm.state is VmState.SHUT_OFF:
            power.boot(state, vm, deed.host)
    elif vm.state is VmState.RUNNING and vm.flight is None and vm.host != deed.host:
        flights.begin(state, vm, new_flight(state, deed.vm, deed.host))
    state.note(f"{deed.deed} of {vm.base.name} by hand ({host.base.name})")


def new_flight(state: State, vm: VmId, target: HostId) -> SimFlight:
    """A migration that begins now, without an order."""
    about = state.vms[vm]
    return SimFlight(
        target=target,
        started_at=state.now,
        until=state.now + flights.SETUP_SECONDS,
        left_bytes=float(about.base.memory_bytes),
        round_began=state.now,
    )
