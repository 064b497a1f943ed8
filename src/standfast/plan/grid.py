"""The cluster as arrays, for a planner that tries thousands of placements: what `Board` is to a few moves.

Hosts and VMs are numbered in the order of their names, so that equal clusters give equal plans. Memory is in
bytes. A VM that is in flight when the snapshot is taken counts where it is, and its target's memory is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from standfast.model.ids import HostId, VmId
from standfast.plan.blockers import of_vm
from standfast.plan.board import Board

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Grid:
    """Placement of all active VMs, changed by `move`; everything else stays as it was read."""

    def __init__(self, board: Board, *, out: Collection[HostId] = ()) -> None:
        self.board = board
        hosts = sorted(board.hosts.values(), key=lambda host: (host.name, host.id))
        vms = sorted(board.vms.values(), key=lambda vm: (vm.name, vm.id))
        self.host_ids: list[HostId] = [host.id for host in hosts]
        self.vm_ids: list[VmId] = [vm.id for vm in vms]
        self.host_number = {host: number for number, host in enumerate(self.host_ids)}
        self.vm_number = {vm: number for number, vm in enumerate(self.vm_ids)}
        self.capacity: Ints = np.array([max(0, host.memory_bytes) for host in hosts], dtype=np.int64)
        ceiling = board.rules.memory_ceiling
        self.ceiling: Ints = np.array([int(ceiling * max(0, host.memory_bytes)) for host in hosts], np.int64)
        self.takes: Flags = np.array([host.reachable and not host.cordoned for host in hosts], dtype=np.bool_)
        self.out: Flags = np.array([host.id in out for host in hosts], dtype=np.bool_)
        """Hosts that take no VM and count as lost from beginning to end."""
        self.takes &= ~self.out
        self.reachable: Flags = np.array([host.reachable for host in hosts], dtype=np.bool_)
        self.memory: Ints = np.array([vm.memory_bytes for vm in vms], dtype=np.int64)
        self.at: Ints = np.array([self.host_number[board.where[vm.id]] for vm in vms], dtype=np.int64)
        self.held: Ints = np.array([board.held[host.id] for host in hosts], dtype=np.int64)
        self.residents: list[set[int]] = [set() for _ in hosts]
        for vm, host in enumerate(self.at.tolist()):
            self.residents[host].add(vm)
        self._still: Flags | None = None
        self.bound_for = {
            self.vm_number[vm]: self.host_number[target]
            for vm, target in board.flights.items()
            if target is not None
        }
        """Targets of the VMs that are in flight."""
        self.parting: Ints = np.zeros(len(hosts), dtype=np.int64)
        """Bytes of `held` that go away when these have arrived."""
        for vm in self.bound_for:
            self.parting[self.at[vm]] += self.memory[vm]
        self.stays = {number for number, vm in enumerate(self.vm_ids) if vm in board.stays}
        """VMs that are shut down on their host while it is out, and so are not moved off it."""
        self._read_able()
        self._read_groups()
        self._read_domains([host.fault_domain for host in hosts])
        self._read_names()

    def _read_able(self) -> None:
        """VMs with the same hosts to choose from share a row of `able`."""
        rows: dict[frozenset[HostId], int] = {}
        kinds: list[int] = []
        for vm in self.vm_ids:
            able = self.board.able(self.board.vms[vm])
            kinds.append(rows.setdefault(able, len(rows)))
        self.kind: Ints = np.array(kinds, dtype=np.int64)
        self.able: Flags = np.zeros((max(1, len(rows)), len(self.host_ids)), dtype=np.bool_)
        for able, row in rows.items():
            self.able[row, [self.host_number[host] for host in able]] = True
        self.everywhere: Flags = np.all(self.able | ~self.takes, axis=1)

    def _read_groups(self) -> None:
        """Anti-affinity among VMs of this cluster; groups of fewer than two members say nothing."""
        self.groups: list[tuple[int, ...]] = []
        self.groups_of: list[tuple[int, ...]] = [()] * len(self.vm_ids)
        rules = sorted(self.board.rules.anti_affinity, key=lambda rule: (rule.name, sorted(rule.vms)))
        for rule in rules:
            members = tuple(sorted(self.vm_number[vm] for vm in rule.vms if vm in self.vm_number))
            if len(members) > 1:
                for vm in members:
                    self.groups_of[vm] = (*self.groups_of[vm], len(self.groups))
                self.groups.append(members)
        self.mates: dict[int, tuple[int, ...]] = {
            vm: tuple(sorted({mate for group in groups for mate in self.groups[group]} - {vm}))
            for vm, groups in enumerate(self.groups_of)
            if groups
        }

    def _read_domains(self, names: Sequence[str]) -> None:
        """Fault domains as numbers; a host that names none is its own."""
        known: dict[str, int] = {}
        numbers = [known.setdefault(name or f"\0{index}", len(known)) for index, name in enumerate(names)]
        self.domain: Ints = np.array(numbers, dtype=np.int64)
        self.has_domains = any(names)

    def _read_names(self) -> None:
        """VMs whose name another VM has too, shut off ones included: two of a name can't share a host."""
        places: dict[str, list[tuple[HostId, VmId]]] = {}
        for host, taken in self.board.names.items():
            for name, vm in taken.items():
                places.setdefault(name, []).append((host, vm))
        self.namesakes: dict[int, tuple[tuple[int, int], ...]] = {}
        for found in places.values():
            if len(found) < 2:
                continue
            for _, vm in found:
                if vm in self.vm_number:
                    self.namesakes[self.vm_number[vm]] = tuple(
                        (self.vm_number.get(other, -1), self.host_number[host])
                        for host, other in found
                        if other != vm
                    )

    def leaving(self, host: int) -> set[int]:
        """VMs that have to be moved if the host is to be emptied."""
        return self.residents[host] - self.stays

    @property
    def still(self) -> Flags:
        """VMs that can't be moved: blocked, or on their way already."""
        if self._still is None:
            board = self.board
            vms = [board.vms[vm] for vm in self.vm_ids]
            self._still = np.array([vm.id in board.flights or bool(of_vm(vm)) for vm in vms], dtype=np.bool_)
        return self._still

    def move(self, vm: int, host: int) -> None:
        """Put the VM there."""
        source = int(self.at[vm])
        self.residents[source].discard(vm)
        self.residents[host].add(vm)
        self.held[source] -= self.memory[vm]
        self.held[host] += self.memory[vm]
        self.at[vm] = host

    def state(self) -> tuple[Ints, Ints, list[set[int]]]:
        """What `restore` brings back."""
        return self.at.copy(), self.held.copy(), [set(inside) for inside in self.residents]

    def restore(self, state: tuple[Ints, Ints, list[set[int]]]) -> None:
        """Back to a placement that `state` told; the state may be used again."""
        at, held, residents = state
        self.at, self.held = at.copy(), held.copy()
        self.residents = [set(inside) for inside in residents]

    def welcome(self, vm: int, closed: Flags) -> Flags:
        """Hosts that may take the VM now: open, able, with room below the ceiling, against no rule."""
        able: Flags = self.able[self.kind[vm]] & ~closed
        able &= self.held + self.memory[vm] <= self.ceiling
        able[self.at[vm]] = False
        for mate in self.mates.get(vm, ()):
            able[self.at[mate]] = False
            if mate in self.bound_for:
                able[self.bound_for[mate]] = False
        if self.has_domains and vm in self.mates:
            self._keep_domains(vm, able)
        for other, host in self.namesakes.get(vm, ()):
            able[self.at[other] if other >= 0 else host] = False
        return able

    def _keep_domains(self, vm: int, able: Flags) -> None:
        """A group never covers fewer fault domains than before."""
        own = self.domain[self.at[vm]]
        for group in self.groups_of[vm]:
            others = {int(self.domain[self.at[mate]]) for mate in self.groups[group] if mate != vm}
            if int(own) not in others:
                able &= ~np.isin(self.domain, list(others))

    def numbers(self, hosts: Iterable[HostId]) -> list[int]:
        """Hosts as numbers, in the given order."""
        return [self.host_number[host] for host in hosts]

    def names(self, hosts: Iterable[int]) -> list[str]:
        """Names of hosts, in the given order."""
        return [self.board.name(self.host_ids[host]) for host in hosts]
