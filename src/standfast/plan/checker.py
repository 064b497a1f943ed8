"""A second opinion on any plan: walk it step by step and list everything that would break a rule.

Written against the model alone. It shares no code with the planner, so that one mistake can't hide in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.plan import HostStep, Plan, PlannedMove, Wave
from standfast.model.unmovable import Handling, PlannedStop

SEARCH_LIMIT = 50_000
"""Placements tried for one loss before the reserve counts as not shown."""


def violations(plan: Plan, snapshot: Snapshot) -> tuple[str, ...]:
    """Every violation of `plan`, carried out from `snapshot` one move after another; empty if there is none.

    Checked: each VM is moved from where it is to another reachable host without a cordon; memory ceilings
    with the VM counted on both ends; anti-affinity with the VM on either end; pins; all hosts of a wave are
    empty when they are patched, nothing goes to them during their turn, and the reserve holds with all of
    them out and during the final spreading. What a host or a
    rule suffers from before the plan begins is not the plan's.
    """
    walk = _Walk({host.id: host for host in snapshot.hosts}, snapshot)
    for wave in plan.waves:
        walk.wave(wave)
    for move in plan.rebalance:
        walk.move(move, turn=frozenset())
    return tuple(walk.found)


@dataclass
class _Walk:
    hosts: dict[HostId, Host]
    snapshot: Snapshot
    vms: dict[VmId, Vm] = field(default_factory=dict)
    at: dict[VmId, HostId] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for vm in self.snapshot.vms:
            if vm.state not in (VmState.SHUT_OFF, VmState.INCOMING):
                self.vms[vm.id], self.at[vm.id] = vm, vm.host

    def wave(self, wave: Wave) -> None:
        """All moves of the wave. None goes to a host of it, so no order of them is worse than another."""
        out = frozenset(step.host for step in wave.hosts)
        for step in wave.hosts:
            for move in step.moves:
                if move.source != step.host:
                    self.found.append(f"{move.vm_name} is moved off {step.name}, where it is not")
                self.move(move, turn=out)
        stops = [(step, stop) for step in wave.hosts for stop in step.stops]
        off = {stop.vm: self.at.pop(stop.vm) for step, stop in stops if self._may_stop(step, stop)}
        for step in wave.hosts:
            left = sorted(self.vms[vm].name for vm, host in self.at.items() if host == step.host)
            if left:
                self.found.append(f"{step.name} is patched with {', '.join(left)} on it")
        names = ", ".join(step.name for step in wave.hosts)
        self._reserve(f"while {names} {'is' if len(out) == 1 else 'are'} out", out)
        self.at |= off

    def _may_stop(self, step: HostStep, stop: PlannedStop) -> bool:
        """Whether the VM is there, can't be moved, and its owner said what becomes of it."""
        vm = self.vms.get(stop.vm)
        if vm is None or self.at.get(stop.vm) != step.host:
            self.found.append(f"{stop.vm_name} is shut down on {step.name}, where it is not")
            return False
        local = any(not disk.shared for disk in vm.disks)
        pinned = any(pin.vm == vm.id and pin.hosts == {step.host} for pin in self.snapshot.rules.pins)
        if not (local or pinned or vm.passthrough or vm.unsupported):
            self.found.append(f"{vm.name} is shut down on {step.name} and could be moved")
        if stop.said.vm != vm.id or stop.said.handling is Handling.SKIP:
            self.found.append(f"{vm.name} is shut down on {step.name} without consent")
        return True

    def move(self, move: PlannedMove, *, turn: frozenset[HostId]) -> None:
        """One move; `turn` are the hosts that are being emptied."""
        vm = self.vms.get(move.vm)
        if vm is None or self.at[move.vm] != move.source:
            self.found.append(f"{move.vm_name} is moved from {self._name(move.source)}, where it is not")
            return
        if move.target == move.source or move.target not in self.hosts:
            self.found.append(f"{move.vm_name} is moved to {self._name(move.target)}, which is no target")
            return
        self.found.extend(self._about_target(vm, move.target, turn))
        if not turn:
            self._reserve(f"while {vm.name} is in flight", frozenset(), in_flight=(move.vm, move.target))
        self.at[move.vm] = move.target

    def _about_target(self, vm: Vm, target: HostId, turn: frozenset[HostId]) -> Iterator[str]:
        host = self.hosts[target]
        if target in turn:
            yield f"{vm.name} goes to {host.name} during its turn"
        if not host.reachable or host.cordoned:
            yield f"{vm.name} goes to {host.name}, which takes no VMs"
        there = sorted(other for other, place in self.at.items() if place == target)
        held = sum(self.vms[other].memory_bytes for other in there) + vm.memory_bytes
        if held > self.snapshot.rules.memory_ceiling * host.memory_bytes:
            yield f"{host.name} holds {held} of {host.memory_bytes} bytes with {vm.name}"
        for rule in self.snapshot.rules.anti_affinity:
            if vm.id in rule.vms:
                for other in there:
                    if other in rule.vms:
                        yield f"{vm.name} meets {self.vms[other].name} on {host.name} against {rule.name}"
        for pin in self.snapshot.rules.pins:
            if pin.vm == vm.id and target not in pin.hosts:
                yield f"{vm.name} goes to {host.name} against its pin"
        if any(
            other.name == vm.name and other.id != vm.id and other.host == target for other in self._shut_off()
        ):
            yield f"{vm.name} goes to {host.name}, where its name is taken"

    def _shut_off(self) -> Iterable[Vm]:
        return (vm for vm in self.snapshot.vms if vm.state is VmState.SHUT_OFF)

    def _name(self, host: HostId) -> str:
        return self.hosts[host].name if host in self.hosts else str(host)

    def _reserve(
        self, when: str, out: frozenset[HostId], in_flight: tuple[VmId, HostId] | None = None
    ) -> None:
        """Any `reserve_hosts` of the others lost: can all their VMs start elsewhere, to 100 % of memory?"""
        up = [host.id for host in self.hosts.values() if host.reachable and host.id not in out]
        for lost in combinations(sorted(up), self.snapshot.rules.reserve_hosts):
            gone = out.union(lost)
            takers = [host for host in up if host not in gone and not self.hosts[host].cordoned]
            if not self._fits(gone, takers, in_flight):
                names = ", ".join(self._name(host) for host in lost)
                self.found.append(f"{when}, losing {names} leaves VMs without a place")
                return

    def _fits(
        self, gone: frozenset[HostId], takers: Sequence[HostId], in_flight: tuple[VmId, HostId] | None
    ) -> bool:
        free = {host: self.hosts[host].memory_bytes for host in takers}
        inside: dict[HostId, set[VmId]] = {host: set() for host in takers}
        homeless: list[Vm] = []
        bound = dict([in_flight] if in_flight is not None else [])
        for vm, host in self.at.items():
            for place in filter(None, (host, bound.get(vm))):
                if place in free:  # a VM in flight holds memory on both ends
                    free[place] -= self.vms[vm].memory_bytes
                    inside[place].add(vm)
            if host in gone and bound.get(vm, host) in gone:
                homeless.append(self.vms[vm])
        homeless = [vm for vm in homeless if not takers or any(self._could_run(vm, host) for host in takers)]
        homeless.sort(key=lambda vm: (-vm.memory_bytes, vm.id))
        return _Search(self, free, inside).place(homeless, 0)

    def _could_run(self, vm: Vm, target: HostId) -> bool:
        """Pins, networks, machine type, CPU architecture and model."""
        host = self.hosts[target]
        pins = [pin.hosts for pin in self.snapshot.rules.pins if pin.vm == vm.id]
        if any(target not in allowed for allowed in pins) or not set(vm.networks) <= host.networks:
            return False
        if vm.machine_type and host.machine_types and vm.machine_type not in host.machine_types:
            return False
        wanted, given = vm.cpu, host.cpu
        if wanted is None or given is None:
            return True
        if wanted.arch != given.arch or (wanted.vendor and given.vendor and wanted.vendor != given.vendor):
            return False
        known = bool(wanted.features) and wanted.features <= given.features
        return not wanted.model or wanted.model == given.model or known


@dataclass
class _Search:
    """Depth first over hosts for each VM in turn, largest VM first, fullest host first."""

    walk: _Walk
    free: dict[HostId, int]
    inside: dict[HostId, set[VmId]]
    tries: int = 0

    def place(self, vms: Sequence[Vm], index: int) -> bool:
        if index == len(vms):
            return True
        vm = vms[index]
        seen: set[tuple[object, ...]] = set()
        for host in sorted(self.free, key=lambda host: (self.free[host], host)):
            if self.tries > SEARCH_LIMIT:
                return False
            if vm.memory_bytes > self.free[host] or not self._welcome(vm, host):
                continue
            about = self.walk.hosts[host]
            kind = (about.cpu, about.networks, about.machine_types)
            alike = (self.free[host], frozenset(self.inside[host]) & self._ruled(), kind)
            if alike in seen and not self.walk.snapshot.rules.pins:
                continue
            seen.add(alike)
            self.tries += 1
            self.free[host] -= vm.memory_bytes
            self.inside[host].add(vm.id)
            if self.place(vms, index + 1):
                return True
            self.inside[host].discard(vm.id)
            self.free[host] += vm.memory_bytes
        return False

    def _welcome(self, vm: Vm, host: HostId) -> bool:
        rules = self.walk.snapshot.rules.anti_affinity
        apart = any(vm.id in rule.vms and (rule.vms - {vm.id}) & self.inside[host] for rule in rules)
        return not apart and self.walk._could_run(vm, host)

    def _ruled(self) -> frozenset[VmId]:
        empty: frozenset[VmId] = frozenset()
        return empty.union(*(rule.vms for rule in self.walk.snapshot.rules.anti_affinity))
