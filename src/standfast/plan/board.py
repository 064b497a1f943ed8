"""A working picture of the cluster that moves can be tried on: who holds what where, flights at both ends.

The one mutable thing in this room. It is made from a snapshot, costs one pass over its VMs, and then answers
in constant time what would otherwise be a pass each. Whoever chooses several targets in one go makes one
board and calls `lift` after each choice, so that the next choice counts it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeAlias

from standfast.model.cluster import AntiAffinity, Host, Rules, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.plan.compat import compatible, pools_of

Cluster: TypeAlias = "Snapshot | Board"
"""What the functions of this room take: a snapshot, or a board on which moves were already tried."""


class Board:
    """Active VMs, where each is and is bound for, and the memory that each host holds for them."""

    def __init__(
        self, hosts: Iterable[Host], vms: Iterable[Vm], rules: Rules, learnt: Learnt | None = None
    ) -> None:
        self.hosts: dict[HostId, Host] = {host.id: host for host in hosts}
        self.rules = rules
        self.learnt = learnt
        """What former moves taught, for predictions."""
        self.vms: dict[VmId, Vm] = {}
        self.where: dict[VmId, HostId] = {}
        self.flights: dict[VmId, HostId | None] = {}
        """VMs on their way, with their target where it is known."""
        self.residents: dict[HostId, dict[VmId, None]] = {host: {} for host in self.hosts}
        self.incoming: dict[HostId, dict[VmId, None]] = {host: {} for host in self.hosts}
        self.held: dict[HostId, int] = dict.fromkeys(self.hosts, 0)
        """Bytes held for residents and for VMs on their way in."""
        self.names: dict[HostId, dict[str, VmId]] = {host: {} for host in self.hosts}
        """Names taken on each host, those of shut off VMs included."""
        self.groups: dict[VmId, tuple[AntiAffinity, ...]] = rules.groups_of
        self.pins: dict[VmId, frozenset[HostId]] = rules.pins_of
        self.stays: frozenset[VmId] = frozenset()
        """VMs that are not moved off a host that is emptied, but are shut down there meanwhile."""
        self.counts: object = None
        """Sums over hosts that somebody keeps beside it (`proof.py`)."""
        self.counts_shared = False
        """Whether those may be another board's, too."""
        self.peak_fraction = 0.0
        """Largest share of a host's memory held since the board was made."""
        self.plain = True
        """What was read of one VM hangs on no other: no half of a migration, no name twice on a host."""
        self.touched: set[HostId] = set()
        """Hosts whose VMs, or memory held, have changed; for those who keep sums over hosts."""
        self._own = set(self.hosts)
        """Hosts whose VMs and names this board has for itself; those of the others it shares with boards that
        were copied from it or that it was copied from, until they change."""
        self._able: dict[object, frozenset[HostId]] = {}
        self._by_name: dict[HostId, tuple[Vm, ...]] = {}
        """What `on` told of hosts whose VMs are still the same."""
        self._read_vms(vms)

    @classmethod
    def of(cls, cluster: Cluster) -> Board:
        """The board itself, or a new one of the snapshot."""
        if isinstance(cluster, Board):
            return cluster
        return cls(cluster.hosts, cluster.vms, cluster.rules, cluster.learnt)

    def copy(self) -> Board:
        """An independent board in the same state."""
        twin = Board((), (), Rules(), self.learnt)
        twin.hosts, twin.rules = dict(self.hosts), self.rules
        twin.groups, twin.pins = self.groups, self.pins
        twin.vms, twin.where, twin.flights = dict(self.vms), dict(self.where), dict(self.flights)
        twin.residents, twin.incoming = dict(self.residents), dict(self.incoming)
        twin.names, twin._own, self._own = dict(self.names), set(), set()
        twin.held, twin.peak_fraction = dict(self.held), self.peak_fraction
        twin._able, twin.stays, twin.plain = self._able, self.stays, self.plain
        twin._by_name = dict(self._by_name)
        twin.touched, twin.counts = set(self.touched), self.counts
        twin.counts_shared = self.counts_shared = self.counts is not None
        return twin

    def _change(self, host: HostId) -> None:
        """Its VMs or names are about to change, on this board alone."""
        if host not in self._own:
            self.residents[host] = dict(self.residents[host])
            self.incoming[host] = dict(self.incoming[host])
            self.names[host] = dict(self.names[host])
            self._own.add(host)

    def _read_vms(self, vms: Iterable[Vm]) -> None:
        waiting: list[Vm] = []  # targets' halves of migrations
        for vm in vms:
            if vm.state is VmState.INCOMING and vm.host in self.hosts:
                self.names[vm.host].setdefault(vm.name, vm.id)
                waiting.append(vm)
            else:
                self.admit(vm)
        self.plain = self.plain and not waiting
        for half in waiting:
            if half.id not in self.vms:  # its source can't be asked: the half is all we see
                self.vms[half.id] = half
                self.where[half.id] = half.host
                self.residents[half.host][half.id] = None
                self._by_name.pop(half.host, None)
                self._hold(half.host, half.memory_bytes)
            elif self.flights.get(half.id) is None:
                self._book(self.vms[half.id], half.host)

    def admit(self, vm: Vm) -> None:
        """Read one VM as the platform shows it: it was not here before."""
        if vm.host not in self.hosts:
            return
        self._change(vm.host)
        if self.names[vm.host].setdefault(vm.name, vm.id) != vm.id or vm.id in self.vms:
            self.plain = False
        if vm.state is not VmState.SHUT_OFF:
            self.vms[vm.id] = vm
            self.where[vm.id] = vm.host
            self.residents[vm.host][vm.id] = None
            self._by_name.pop(vm.host, None)
            self._hold(vm.host, vm.memory_bytes)
            if vm.flight is not None:
                self.flights[vm.id] = None
                self._book(vm, vm.flight.target)

    def retire(self, vm: Vm) -> None:
        """Forget a VM that was admitted so, where the board is `plain`."""
        if vm.host not in self.hosts:
            return
        if vm.id in self.flights:
            self.drop(vm.id)
        self._change(vm.host)
        self.names[vm.host].pop(vm.name, None)
        if self.vms.pop(vm.id, None) is not None:
            del self.where[vm.id]
            del self.residents[vm.host][vm.id]
            self._by_name.pop(vm.host, None)
            self._hold(vm.host, -vm.memory_bytes)

    def progressed(self, before: Vm, after: Vm) -> bool:
        """Take the VM as it is now if only how far it has come on its way is new; else False."""
        then, now = before.flight, after.flight
        if then is None or now is None or then.target != now.target or replace(before, flight=now) != after:
            return False
        if after.id in self.vms:
            self.vms[after.id] = after
            self._by_name.pop(after.host, None)
        return True

    def _book(self, vm: Vm, target: HostId | None) -> None:
        if target is None or target not in self.hosts or target == self.where[vm.id]:
            return
        self._change(target)
        self.flights[vm.id] = target
        self.incoming[target][vm.id] = None
        self._hold(target, vm.memory_bytes)

    def _hold(self, host: HostId, number_bytes: int) -> None:
        self.held[host] += number_bytes
        self.touched.add(host)
        if number_bytes > 0:
            memory = self.hosts[host].memory_bytes
            fraction = self.held[host] / memory if memory > 0 else 1.0
            if fraction > self.peak_fraction:
                self.peak_fraction = fraction

    def fraction(self, host: HostId, extra_bytes: int = 0) -> float:
        """Share of the host's memory that is held, with `extra_bytes` more. A host without memory is full."""
        memory = self.hosts[host].memory_bytes
        return (self.held[host] + extra_bytes) / memory if memory > 0 else 1.0

    def settled_fraction(self, host: HostId) -> float:
        """Share of the host's memory that is held once every migration has arrived."""
        leaving = sum(
            self.vms[vm].memory_bytes for vm in self.residents[host] if self.flights.get(vm) is not None
        )
        return self.fraction(host, -leaving)

    def staying(self, host: HostId) -> tuple[Vm, ...]:
        """Active VMs on the host that are not on their way anywhere, by name."""
        return tuple(vm for vm in self.on(host) if vm.id not in self.flights)

    def leaving(self, host: HostId) -> tuple[Vm, ...]:
        """VMs that have to be moved if the host is to be emptied, by name."""
        return tuple(vm for vm in self.on(host) if vm.id not in self.stays)

    def name(self, host: HostId) -> str:
        """The host's name, or its UUID if it isn't of this cluster."""
        return self.hosts[host].name if host in self.hosts else str(host)

    def able(self, vm: Vm) -> frozenset[HostId]:
        """Hosts that could ever run the VM: CPU, machine type and networks fit, and no pin forbids it."""
        pin = self.pins.get(vm.id)
        key = (vm.cpu, vm.machine_type, vm.networks, pools_of(vm), pin)
        if key not in self._able:
            self._able[key] = frozenset(
                host.id
                for host in self.hosts.values()
                if (pin is None or host.id in pin) and compatible(vm, host)
            )
        return self._able[key]

    def lift(self, vm: VmId, target: HostId) -> None:
        """A migration begins: the VM counts on both ends."""
        self._change(target)
        self.flights[vm] = target
        self.incoming[target][vm] = None
        self.names[target].setdefault(self.vms[vm].name, vm)
        self._hold(target, self.vms[vm].memory_bytes)

    def land(self, vm: VmId) -> None:
        """The migration has ended well: the source is free of the VM."""
        source, target = self.where[vm], self.flights.pop(vm)
        assert target is not None, "landed a VM whose target is not known"
        self._change(source)
        self._change(target)
        del self.residents[source][vm]
        del self.incoming[target][vm]
        self._hold(source, -self.vms[vm].memory_bytes)
        if self.names[source].get(self.vms[vm].name) == vm:
            del self.names[source][self.vms[vm].name]
        self.residents[target][vm] = None
        self._by_name.pop(source, None)
        self._by_name.pop(target, None)
        self.touched.add(target)
        self.where[vm] = target

    def drop(self, vm: VmId) -> None:
        """The migration has ended without success: the VM stays where it was."""
        target = self.flights.pop(vm)
        if target is None:
            return
        self._change(target)
        del self.incoming[target][vm]
        self._hold(target, -self.vms[vm].memory_bytes)
        if self.names[target].get(self.vms[vm].name) == vm:
            del self.names[target][self.vms[vm].name]

    def move(self, vm: VmId, target: HostId) -> None:
        """Lift and land."""
        self.lift(vm, target)
        self.land(vm)

    def on(self, host: HostId) -> tuple[Vm, ...]:
        """Active VMs on the host, by name."""
        found = self._by_name.get(host)
        if found is None:
            here = [self.vms[vm] for vm in self.residents[host]]
            found = self._by_name[host] = tuple(sorted(here, key=lambda vm: (vm.name, vm.id)))
        return found
