"""N+1 on arrays: the same promise as `headroom`, fast enough to be asked for after every wave of thousands of
hosts.

Two answers are enough in turn. The quick one rounds every VM up to a power of two of the smallest one and
counts slots: sizes that divide each other are packed by counting alone. Where it can't prove the reserve,
each lost host's VMs are placed anew by best fit, largest first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from itertools import combinations, islice

import numpy as np

from standfast.plan.grid import Flags, Grid, Ints

MAX_LOSSES = 20_000
"""How many combinations of lost hosts are looked at, those of the fullest hosts first."""


class Spare:
    """What does not change while VMs move: size classes, and how many hosts rules can forbid to a VM."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.losses = grid.board.rules.reserve_hosts
        unit = max(1, int(grid.memory.min())) if len(grid.memory) else 1
        ratio = np.maximum(1.0, grid.memory / unit)
        self.level: Ints = np.ceil(np.log2(ratio) - 1e-12).astype(np.int64)
        self.levels = int(self.level.max()) + 1 if len(self.level) else 1
        self.size: Ints = unit * (1 << np.arange(self.levels, dtype=np.int64))
        mates = [len(found) for found in grid.mates.values()]
        names = [len(found) for found in grid.namesakes.values()]
        self.mates = max(mates, default=0)
        self.forbidden = self.mates + max(names, default=0)
        self._memory: list[int] = grid.memory.tolist()
        self._kind: list[int] = grid.kind.tolist()
        self._able: list[list[bool]] = grid.able.tolist()
        """The grid's, as what Python reads one by one."""
        self._at = np.full(len(grid.vm_ids), -1, dtype=np.int64)
        self._counts = np.zeros((len(grid.host_ids), self.levels), dtype=np.int64)
        self._needed = np.zeros_like(self._counts)
        """VMs of each class on each host, and what `_need` makes of it, with every VM where `_at` says."""
        self.ghosts: dict[int, int] = {}
        """VMs in flight, with the end at which the grid does not have them: no mate may be placed there
        either."""

    def lacking(self, out: Flags) -> tuple[tuple[int, ...], int] | None:
        """None if, with the hosts of `out` gone, any `reserve_hosts` more may be lost; else (hosts, VM)."""
        grid = self.grid
        if self.losses == 0 and not any(grid.leaving(host) for host in np.flatnonzero(out).tolist()):
            return None
        stay = grid.reachable & ~out
        suspects = self._unproven(out, stay)
        if suspects is None:
            return None
        if int(stay.sum()) < self.losses and len(grid.vm_ids):
            return tuple(np.flatnonzero(stay).tolist()), 0
        order = sorted(suspects, key=lambda host: (-int(grid.held[host]), host))
        if self.losses > 1:
            order = sorted(np.flatnonzero(stay).tolist(), key=lambda host: (-int(grid.held[host]), host))
        for lost in islice(combinations(order, self.losses), MAX_LOSSES):
            homeless = self._homeless(out, lost)
            if homeless is not None:
                return lost, homeless
        return None

    def _unproven(self, out: Flags, stay: Flags) -> list[int] | None:
        """Hosts whose loss counting does not prove harmless; None if all are, for any `losses` of them."""
        grid = self.grid
        takers = grid.takes & ~out
        forbidden = self.forbidden + min(self.mates, len(self.ghosts))
        left = np.flatnonzero(stay)
        if any(grid.leaving(host) for host in np.flatnonzero(out).tolist()) or self.losses == 0:
            return left.tolist()
        hosts = len(grid.host_ids)
        need, slots = self._need(), self._slots(takers)
        if self.losses > 1:
            kept = np.sort((need + slots)[stay], axis=0)[-self.losses :].sum(axis=0)
            spare = slots.sum(axis=0) - forbidden * slots.max(axis=0, initial=0) * self.losses
            proven = bool((kept <= spare).all()) and bool(grid.everywhere.all())
            return None if proven else left.tolist()
        if grid.everywhere.all():
            largest = slots.max(axis=0, initial=0)
            spare = slots.sum(axis=0) - forbidden * largest
            most = need.max(axis=0, initial=0)
            if ((most == 0) | (most + largest <= spare)).all():
                return None
        kinds = self._kinds(hosts)
        fine = np.ones(hosts, dtype=np.bool_)
        for kind in range(len(grid.able)):
            mine = np.where(grid.able[kind][:, None], slots, 0)
            spare = mine.sum(axis=0) - forbidden * mine.max(axis=0, initial=0)
            fine &= ~kinds[:, kind] | ((need == 0) | (need + mine <= spare)).all(axis=1)
        return left[~fine[left]].tolist() or None

    def _need(self) -> Ints:
        """For each host and size class: slots that its VMs of that class and larger ones take."""
        at = self.grid.at
        moved = np.flatnonzero(self._at != at)
        if not len(moved):
            return self._needed
        before, after, level = self._at[moved], at[moved], self.level[moved]
        known = before >= 0
        np.subtract.at(self._counts, (before[known], level[known]), 1)
        np.add.at(self._counts, (after, level), 1)
        hosts = np.unique(np.concatenate([before[known], after]))
        carried = np.zeros(len(hosts), dtype=np.int64)
        for each in reversed(range(self.levels)):
            carried = 2 * carried + self._counts[hosts, each]
            self._needed[hosts, each] = carried
        self._at = at.copy()
        return self._needed

    def _slots(self, takers: Flags) -> Ints:
        """For each host and size class: how many VMs of that size its free memory takes."""
        free = np.where(takers, np.maximum(0, self.grid.capacity - self.grid.held), 0)
        # Sizes are doubled from class to class.
        slots: Ints = (free // self.size[0])[:, None] >> np.arange(self.levels)[None, :]
        return slots

    def gaps(self, out: Flags, times: int) -> Flags:
        """The emptiest hosts, as many as could take the VMs of any `losses` hosts `times` over.

        While they are left as they are, the reserve holds however the others are filled.
        """
        grid = self.grid
        takers = grid.takes & ~out
        slots = self._slots(takers)
        need = self._need()[takers].max(axis=0, initial=0) * self.losses * times
        kept = np.zeros(len(takers), dtype=np.bool_)
        free = np.where(takers, grid.capacity - grid.held, -1)
        ranked = np.argsort(-free, kind="stable")[: max(1, int(takers.sum()) // 10)]
        total, largest = np.zeros_like(need), np.zeros_like(need)
        for host in ranked.tolist():
            if (total - (self.forbidden + 1) * self.losses * largest >= need).all():
                break
            kept[host] = True
            total += slots[host]
            largest = np.maximum(largest, slots[host])
        return kept

    def _kinds(self, hosts: int) -> Flags:
        """Which rows of `able` the VMs on each host have."""
        kinds = len(self.grid.able)
        if kinds == 1:
            return np.ones((hosts, 1), dtype=np.bool_)
        counts = np.bincount(self.grid.at * kinds + self.grid.kind, minlength=hosts * kinds)
        return counts.reshape(hosts, kinds) > 0

    def _homeless(self, out: Flags, lost: tuple[int, ...]) -> int | None:
        """A VM without a place after this loss, or None. Two orders are tried: large first, bound first."""
        grid = self.grid
        gone = out.copy()
        gone[list(lost)] = True
        takers = grid.takes & ~gone
        vms = [
            vm
            for host in np.flatnonzero(gone).tolist()
            for vm in (grid.leaving(host) if out[host] else grid.residents[host])
        ]
        choices: list[int] = (grid.able & takers).sum(axis=1).tolist()
        kind, memory = self._kind, self._memory
        if takers.any():
            vms = [vm for vm in vms if choices[kind[vm]]]
        free = [
            (room, host)
            for host, room in enumerate((grid.capacity - grid.held).tolist())
            if room >= 0 and takers[host]
        ]
        free.sort()
        large = sorted(vms, key=lambda vm: (-memory[vm], vm not in grid.mates, vm))
        left = self._pack(large, gone, free)
        if left is None:
            return None
        bound = sorted(vms, key=lambda vm: (vm not in grid.mates, choices[kind[vm]], -memory[vm], vm))
        return self._pack(bound, gone, free)

    def _pack(self, vms: list[int], gone: Flags, free: list[tuple[int, int]]) -> int | None:
        """Each VM into the fullest host that has room for it; the first that finds none is returned. `free`:
        bytes and host, the least first."""
        memory, kind, able, mates = self._memory, self._kind, self._able, self.grid.mates
        free = free.copy()
        placed: dict[int, int] = {}
        for vm in vms:
            size, may = memory[vm], able[kind[vm]]
            barred = self._barred(vm, gone, placed) if vm in mates else ()
            for index in range(bisect_left(free, (size, -1)), len(free)):
                room, host = free[index]
                if may[host] and host not in barred:
                    del free[index]
                    insort(free, (room - size, host))
                    placed[vm] = host
                    break
            else:
                return vm
        return None

    def _barred(self, vm: int, gone: Flags, placed: Mapping[int, int]) -> set[int]:
        """Hosts where its mates are, or were placed."""
        found = set()
        for mate in self.grid.mates[vm]:
            place = placed.get(mate, int(self.grid.at[mate]))
            if mate in placed or not gone[place]:
                found.add(place)
            if mate in self.ghosts:
                found.add(self.ghosts[mate])
        return found
