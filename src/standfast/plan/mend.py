"""Mending what is broken as things stand: VMs against their pins, mates on one host, hosts above ceilings.

It comes before any evening out and whatever the score says. What is hardest to place goes first, so that the
others do not take the room that it alone needs; each VM goes to the host that is least full with it, of those
that no rule forbids. Where none has room, one other VM leaves a host first, if that makes enough. A rule that
can't be mended is left as it is, and no rule is broken for another.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from standfast.plan.grid import Ints
from standfast.plan.level import Leveller
from standfast.plan.pack import Hop


def mend(level: Leveller, *, most_moves: int | None = None) -> tuple[Hop, ...]:
    """The moves that mend pins, then groups, then ceilings, as far as that can be; done on the leveller."""
    begin = len(level.hops)
    work = _Mending(level, most_moves)
    work.pins()
    work.groups()
    work.ceilings()
    return tuple(level.hops[begin:])


MOST_ROOMS = 40
"""Hosts on which room is looked for, those first that lack the least: each try is a proof of the reserve."""


class _Mending:
    def __init__(self, level: Leveller, most_moves: int | None) -> None:
        self.level, self.grid = level, level.grid
        self.left = len(self.grid.vm_ids) if most_moves is None else most_moves

    def go(self, vms: Iterable[int]) -> bool:
        """Move the first of them that may be; False if none may, or the budget is spent."""
        vms = list(vms)
        if self.left > 0 and any(self.level.to_emptiest(vm) for vm in vms):
            self.left -= 1
            return True
        if self.left > 1 and any(self.by_making_room(vm) for vm in vms):
            self.left -= 2
            return True
        return False

    def by_making_room(self, vm: int) -> bool:
        """Move the VM to a host that another leaves for it, the smallest that is enough."""
        grid, memory = self.grid, int(self.grid.memory[vm])
        lacks = grid.held + memory - grid.ceiling
        others = self.level.without_room(vm)
        others = others[np.argsort(lacks[others], kind="stable")][:MOST_ROOMS]
        for target in others.tolist():
            enough = [
                one for one in self.movable(grid.residents[target]) if grid.memory[one] >= lacks[target]
            ]
            for other in sorted(enough, key=lambda one: (int(grid.memory[one]), one)):
                if not self.level.to_emptiest(other):
                    continue
                if self.level.to_host(vm, target):
                    return True
                self.level.take_back()
        return False

    def pins(self) -> None:
        """VMs on hosts that their pins forbid: those with the fewest hosts to choose from first, then members
        of groups, then the largest."""
        grid, pins = self.grid, self.grid.board.pins
        choices = (grid.able & ~self.level.closed).sum(axis=1)[grid.kind] if len(grid.vm_ids) else grid.kind
        vms = [
            grid.vm_number[vm]
            for vm in pins
            if vm in grid.vm_number and grid.host_ids[int(grid.at[grid.vm_number[vm]])] not in pins[vm]
        ]
        for vm in sorted(
            self.movable(vms),
            key=lambda vm: (int(choices[vm]), vm not in grid.mates, -int(grid.memory[vm]), vm),
        ):
            self.go((vm,))

    def groups(self) -> None:
        """Mates on one host: all but one of them leave, the smallest first."""
        grid = self.grid
        for group in grid.groups:
            places = [int(grid.at[vm]) for vm in group]
            for host in sorted({place for place in places if places.count(place) > 1}):
                vms = [vm for vm in group if grid.at[vm] == host]
                for _ in vms[1:]:
                    there = self.movable(vm for vm in vms if grid.at[vm] == host)
                    self.go(sorted(there, key=lambda vm: (int(grid.memory[vm]), vm)))

    def ceilings(self) -> None:
        """Hosts above their ceiling, the one furthest above it first, give the smallest VM that is enough,
        else the largest, until they are below."""
        grid = self.grid
        for host in np.argsort(-self.excess(), kind="stable").tolist():
            while self.level.inside[host] and (over := int(self.excess()[host])) > 0:
                vms = self.movable(grid.residents[host])
                vms.sort(key=lambda vm: (grid.memory[vm] < over, abs(int(grid.memory[vm]) - over), vm))
                if not self.go(vms):
                    break

    def excess(self) -> Ints:
        """Bytes above each host's ceiling once everything under way has arrived."""
        return self.grid.held - self.grid.parting - self.grid.ceiling

    def movable(self, vms: Iterable[int]) -> list[int]:
        grid, still = self.grid, self.level.still
        return [vm for vm in vms if not still[vm] and grid.reachable[grid.at[vm]]]
