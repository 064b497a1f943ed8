"""What the platform shows of the world: frozen values, built again only where something has changed."""

from __future__ import annotations

from dataclasses import replace

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight
from standfast.platforms.simulated import flights
from standfast.platforms.simulated.state import SimHost, SimVm, State


class View:
    """Snapshots of one world. Keeps the last values, so that a quiet world costs next to nothing."""

    def __init__(self) -> None:
        self._hosts: dict[HostId, tuple[tuple[object, ...], Host]] = {}
        self._vms: dict[VmId, tuple[tuple[object, ...], Vm]] = {}
        self._mark: tuple[int, dict[HostId, bool]] | None = None
        self._flew: frozenset[VmId] = frozenset()
        self._list: list[Vm] = []
        self._tuple: tuple[Vm, ...] = ()
        self._place: dict[VmId, int] = {}

    def snapshot(self, state: State) -> Snapshot:
        """The cluster now, as `Platform.observe` promises it."""
        reachable = {host: state.reachable(host) for host in state.hosts}
        hosts = tuple(self._host(host, reachable[host.base.id]) for host in state.hosts.values())
        return Snapshot(
            state.cluster, state.platform, state.now, hosts, self._all_vms(state, reachable), state.rules
        )

    def _host(self, host: SimHost, reachable: bool) -> Host:
        key = (reachable, host.cordoned_by, host.up)
        known = self._hosts.get(host.base.id)
        if known is not None and known[0] == key and known[1].memory_bytes == host.base.memory_bytes:
            return known[1]
        why = "" if reachable else ("no answer within its time" if host.up else "no route to host")
        made = replace(
            host.base,
            reachable=reachable,
            unreachable_why=why,
            cordoned=bool(host.cordoned_by),
            cordoned_by=host.cordoned_by,
        )
        self._hosts[host.base.id] = (key, made)
        return made

    def _all_vms(self, state: State, reachable: dict[HostId, bool]) -> tuple[Vm, ...]:
        changed = self._changed(state, reachable)
        if changed is not None and not changed:
            return self._tuple
        speed = flights.rates(state, flights.flying(state))
        if changed is None:
            shown = {
                vm.base.id: seen
                for vm in state.vms.values()
                if (seen := self._seen(state, vm, reachable, speed)) is not None
            }
            self._list = list(shown.values())
            self._place = {vm: place for place, vm in enumerate(shown)}
        else:
            for vm in changed:
                seen = self._seen(state, state.vms[vm], reachable, speed)
                assert seen is not None, "a VM of a host that answers is seen"
                self._list[self._place[vm]] = seen
        self._tuple = tuple(self._list)
        self._mark = (state.placement, reachable)
        self._flew = frozenset(state.in_flight)
        return self._tuple

    def _changed(self, state: State, reachable: dict[HostId, bool]) -> frozenset[VmId] | None:
        """VMs that may look otherwise than the last time; None if all have to be looked at."""
        if self._mark is None:
            return None
        placement, before = self._mark
        if before.keys() != reachable.keys():
            return None
        if before != reachable:
            other = (host for host in reachable if reachable[host] is not before[host])
            if any(state.hosts[host].here or state.hosts[host].bound for host in other):
                return None
        new = state.placement - placement
        if not 0 <= new <= len(state.changed):
            return None
        last = state.changed[len(state.changed) - new :]
        found = self._flew.union(state.in_flight, last)
        # One that came from a host that does not answer was not shown the last time.
        shown = all(vm in self._place and reachable[state.vms[vm].host] for vm in found)
        return found if shown else None

    def _seen(
        self, state: State, vm: SimVm, reachable: dict[HostId, bool], speed: dict[VmId, float]
    ) -> Vm | None:
        if reachable[vm.host]:
            return self._vm(state, vm, speed.get(vm.base.id, 0.0))
        if vm.flight is not None and reachable[vm.flight.target]:
            return replace(vm.base, host=vm.flight.target, state=VmState.INCOMING, flight=None)
        return None

    def _vm(self, state: State, vm: SimVm, rate: float) -> Vm:
        if vm.flight is not None:
            return replace(vm.base, host=vm.host, state=vm.state, flight=_flight(state, vm, rate))
        key = (vm.host, vm.state, vm.reason, vm.base.memory_bytes)
        known = self._vms.get(vm.base.id)
        if known is None or known[0] != key:
            known = (key, replace(vm.base, host=vm.host, state=vm.state, state_reason=vm.reason, flight=None))
            self._vms[vm.base.id] = known
        return known[1]


def _flight(state: State, vm: SimVm, rate: float) -> Flight:
    flight = vm.flight
    assert flight is not None
    return Flight(
        target=flight.target,
        since_seconds=state.now - flight.started_at,
        total_bytes=vm.base.memory_bytes,
        remaining_bytes=round(flight.left_bytes),
        bytes_per_second=rate,
        dirty_bytes_per_second=(2 * rate if vm.never_converges else vm.dirty) * (1 - flight.throttle),
        iteration=flight.rounds,
    )
