"""Hosts on shelves, the best first, so that a place for one VM among thousands of hosts is a look at a few
numbers instead of a pass over all of them.

What `pack` prefers is a fixed order of sorts of hosts, and within a sort the one that will be emptiest. Sorts
stay as they are while a wave is placed; only what each host holds and receives changes, one host at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from standfast.plan.grid import Flags, Grid, Ints


class Shelf:
    """Hosts of one sort. `room`: bytes below the ceiling; `port`: bytes that may still arrive in time."""

    __slots__ = ("capacity", "held", "hosts", "least", "port", "room")

    def __init__(self, grid: Grid, hosts: Ints, port: Ints) -> None:
        self.hosts = hosts
        self.held = grid.held[hosts]
        self.capacity = np.maximum(1, grid.capacity[hosts])
        self.room = grid.ceiling[hosts] - self.held
        self.port = port[hosts]
        self.least = np.minimum(self.room, self.port)

    def best(self, memory: int, able: Flags | None, barred: Sequence[int], *, in_time: bool) -> int | None:
        """The host that is least full with that much more; None where none may take it. `barred`: places on
        this shelf."""
        fits = (self.least if in_time else self.room) >= memory
        if able is not None:
            fits &= able[self.hosts]
        for place in barred:
            fits[place] = False
        found = fits.nonzero()[0]
        if not len(found):
            return None
        share = (self.held[found] + memory) / self.capacity[found]
        return int(self.hosts[found[share.argmin()]])


class Shelves:
    """The hosts that are open in one wave. `sorts`: the best first; hosts of `kept` come after all
    others of any sort. `port_bytes`: what a host may receive without holding up the senders."""

    def __init__(
        self, grid: Grid, sorts: Iterable[Ints], *, kept: Flags | None, port_bytes: int, arriving: Ints
    ) -> None:
        self.grid = grid
        port = port_bytes - arriving
        sorts = list(sorts)
        if kept is None:
            tiers = [sorts]
        else:
            tiers = [[sort[~kept[sort]] for sort in sorts], [sort[kept[sort]] for sort in sorts]]
        self.tiers = [[Shelf(grid, sort, port) for sort in tier if len(sort)] for tier in tiers]
        self.place: dict[int, tuple[Shelf, int]] = {
            host: (shelf, place)
            for tier in self.tiers
            for shelf in tier
            for place, host in enumerate(shelf.hosts.tolist())
        }

    def knows(self, vm: int) -> bool:
        """Whether the rules on that VM are ones told here: others are rare, and asked of the grid."""
        grid = self.grid
        return vm not in grid.namesakes and not (grid.has_domains and vm in grid.mates)

    def best(self, vm: int) -> int | None:
        """Where the VM is best off; None where no open host may take it."""
        grid = self.grid
        memory, kind = int(grid.memory[vm]), int(grid.kind[vm])
        able = None if grid.everywhere[kind] else grid.able[kind]
        barred = self._barred(vm)
        for tier in self.tiers:
            for in_time in (True, False):
                for shelf in tier:
                    found = shelf.best(memory, able, barred.get(id(shelf), ()), in_time=in_time)
                    if found is not None:
                        return found
        return None

    def _barred(self, vm: int) -> dict[int, list[int]]:
        """Places that the VM may not take, for each shelf: its own host, and those of its mates."""
        grid = self.grid
        hosts = [int(grid.at[vm])]
        for mate in grid.mates.get(vm, ()):
            hosts.append(int(grid.at[mate]))
            if mate in grid.bound_for:
                hosts.append(grid.bound_for[mate])
        found: dict[int, list[int]] = {}
        for host in hosts:
            if host in self.place:
                shelf, place = self.place[host]
                found.setdefault(id(shelf), []).append(place)
        return found

    def changed(self, host: int, arriving: int) -> None:
        """The host holds another amount now; `arriving`: by how many bytes more it receives."""
        if host not in self.place:
            return
        shelf, place = self.place[host]
        held = self.grid.held[host]
        shelf.held[place] = held
        shelf.room[place] = self.grid.ceiling[host] - held
        shelf.port[place] -= arriving
        shelf.least[place] = min(shelf.room[place], shelf.port[place])
