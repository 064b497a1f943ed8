"""Where all VMs of the hosts of one wave go, together: patched hosts first, ports and memory evenly used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from standfast.plan.grid import Flags, Grid, Ints
from standfast.plan.shelves import Shelves

Hop = tuple[int, int, int]
"""(VM, source, target), as numbers of the grid."""


MANY_HOSTS = 20
"""From so many hosts on a receiver that holds up no sender is worth more than one whose turn is last."""


class Taste(Enum):
    """Which of the allowed hosts is best. The later ones are for clusters where the first finds no way."""

    LATE = "late"  # unpatched hosts: those whose turn is last
    SPREAD = "spread"  # unpatched hosts: the least loaded
    TIGHT = "tight"  # the fullest that has room, so that large gaps stay


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a wave's placement is to aim for."""

    out: Flags
    """Hosts of the wave."""
    patched: Flags
    """Hosts that need no turn any more; what lands there has moved for the last time."""
    turn: Ints
    """For hosts still to come: the number of the wave in which their turn is expected; -1 for all others."""
    taste: Taste
    kept: Flags | None = None
    """Hosts that get a VM only where no other can take it, so that large gaps stay for the reserve."""


def empty(grid: Grid, wave: Sequence[int], wanted: Wanted) -> list[Hop] | int:
    """Moves that empty the hosts of `wave`, done on the grid; or a VM for which no place is left, undone.

    VMs with the fewest possible hosts go first, then members of groups, then the largest: they are the
    hardest to place. Where one finds no place, another that was placed before it makes room if it can go
    elsewhere.
    """
    choices = grid.able.sum(axis=1)
    vms = [vm for host in wave for vm in grid.leaving(host)]
    vms.sort(key=lambda vm: (int(choices[grid.kind[vm]]), vm not in grid.mates, -int(grid.memory[vm]), vm))
    work = _Packing(grid, wanted, max((int(grid.held[host]) for host in wave), default=0))
    for vm in vms:
        if not work.place(vm) and not work.make_room(vm):
            work.undo()
            return vm
    return work.hops()


def _those(hosts: Ints, wanted: Flags) -> Ints:
    """Of the hosts those that are wanted; all where none is."""
    found: Ints = hosts[wanted[hosts]]
    return found if len(found) else hosts


class _Packing:
    def __init__(self, grid: Grid, wanted: Wanted, port_bytes: int) -> None:
        self.grid, self.wanted = grid, wanted
        self.came_from: dict[int, int] = {}
        self.arriving: Ints = np.zeros(len(grid.host_ids), dtype=np.int64)
        self.port_bytes = port_bytes  # what the busiest sender sends; no receiver should get more
        self.exempt: Flags = ~wanted.patched & (wanted.turn < 0)
        self.closed: Flags = wanted.out | ~grid.takes
        self.unkept: Flags | None = None if wanted.kept is None else ~wanted.kept
        self.shelves: Shelves | None = None
        if len(grid.host_ids) >= MANY_HOSTS and wanted.taste is not Taste.TIGHT:
            self.shelves = Shelves(
                grid, self._sorts(), kept=wanted.kept, port_bytes=port_bytes, arriving=self.arriving
            )

    def _sorts(self) -> Iterator[Ints]:
        """Open hosts by what `_best` asks of them, the best first."""
        open_, patched, turn = ~self.closed, self.wanted.patched, self.wanted.turn
        yield np.flatnonzero(open_ & patched)
        yield np.flatnonzero(open_ & self.exempt)
        rest = open_ & ~patched & ~self.exempt
        if self.wanted.taste is not Taste.LATE:
            yield np.flatnonzero(rest)
            return
        for each in np.unique(turn[rest])[::-1]:
            yield np.flatnonzero(rest & (turn == each))

    def place(self, vm: int) -> bool:
        """Put the VM where it is best off."""
        if self.shelves is not None and self.shelves.knows(vm):
            best = self.shelves.best(vm)
            if best is not None:
                self._put(vm, best)
            return best is not None
        welcome = self.grid.welcome(vm, self.closed)
        if self.unkept is not None:
            rather = welcome & self.unkept
            if rather.any():
                welcome = rather
        if not welcome.any():
            return False
        self._put(vm, self._best(vm, welcome))
        return True

    def _put(self, vm: int, host: int) -> None:
        grid = self.grid
        source, memory = int(grid.at[vm]), int(grid.memory[vm])
        again = vm in self.came_from
        if again:
            self.arriving[source] -= memory
        else:
            self.came_from[vm] = source
        self.arriving[host] += memory
        grid.move(vm, host)
        if self.shelves is not None:
            self.shelves.changed(source, -memory if again else 0)
            self.shelves.changed(host, memory)

    def _best(self, vm: int, welcome: Flags) -> int:
        grid, wanted, memory = self.grid, self.wanted, self.grid.memory[vm]
        in_time = self.arriving <= self.port_bytes - memory
        room = np.flatnonzero(welcome)
        if len(welcome) >= MANY_HOSTS:
            room = _those(room, in_time)
        found = room[wanted.patched[room]]
        if not len(found):
            found = room[self.exempt[room]]
        if not len(found):
            found = room
            if wanted.taste is Taste.LATE:
                turn = wanted.turn[room]
                found = room[turn == turn.max()]
        found = _those(found, in_time)
        share = (grid.held[found] + memory) / np.maximum(1, grid.capacity[found])
        return int(found[share.argmax() if wanted.taste is Taste.TIGHT else share.argmin()])

    def make_room(self, vm: int) -> bool:
        """Move one VM that was placed before out of the way of `vm`; smallest first."""
        grid = self.grid
        for other in sorted(self.came_from, key=lambda one: (int(grid.memory[one]), one)):
            place = int(grid.at[other])
            short = grid.held[place] + grid.memory[vm] - grid.ceiling[place]
            if grid.memory[other] < short or not grid.able[grid.kind[vm], place]:
                continue
            others = grid.welcome(other, self.closed)
            if not others.any():
                continue
            self._put(other, self._best(other, others))
            if grid.welcome(vm, self.closed)[place]:
                self._put(vm, place)
                return True
            self._put(other, place)
        return False

    def undo(self) -> None:
        for vm, host in self.came_from.items():
            self.grid.move(vm, host)

    def hops(self) -> list[Hop]:
        return [(vm, source, int(self.grid.at[vm])) for vm, source in self.came_from.items()]
