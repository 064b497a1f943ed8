"""Which hosts go together: waves as wide as policy, memory, reserve and groups allow, in a given order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from standfast.model.policy import Policy
from standfast.plan.apart import in_waves
from standfast.plan.grid import Flags, Grid
from standfast.plan.pack import Hop, Taste, Wanted, empty
from standfast.plan.spare import Spare
from standfast.plan.waves import width


@dataclass(frozen=True, slots=True)
class DraftWave:
    """Hosts that go together and the moves that empty them."""

    hosts: tuple[int, ...]
    hops: tuple[Hop, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """A whole run without its times. `stuck`: hosts for which there is no way."""

    waves: tuple[DraftWave, ...]
    stuck: tuple[int, ...]

    @property
    def moves(self) -> int:
        return sum(len(wave.hops) for wave in self.waves)


FEW_HOSTS = 20
MOST_KEEPING = 4
"""A few per cent of a large cluster: more would make waves narrower than the reserve does."""


def together(members: int) -> int:
    """How many hosts with members of one anti-affinity group may be out at once: never half of the group."""
    return max(1, (members - 1) // 2)


class Builder:
    """Drafts runs over one cluster; each call begins from the placement that the grid had at first."""

    def __init__(self, grid: Grid, spare: Spare, policy: Policy, patched: Flags, *, begun: int = 0) -> None:
        self.grid, self.spare, self.policy = grid, spare, policy
        self.patched = patched
        self.begun = begun
        """How many waves of the run went before these."""
        self.begin = grid.state()
        self.fixed = 0
        """So many hosts at the head of an order have to keep their places."""
        self.shares = {number: together(len(members)) for number, members in enumerate(grid.groups)}
        self.keeping = 0
        """How many times over gaps for the reserve are kept in the draft at hand; 0: none needed so far."""
        anywhere = grid.able.sum(axis=1) > spare.losses + width(policy, len(grid.host_ids), 2)
        self.movable = int(grid.memory[anywhere[grid.kind]].sum()) if len(grid.memory) else 0

    def soaks(self, draft: Draft) -> bool:
        """Whether its first wave is the first of the run and has to stay well before others follow."""
        return self.policy.canary_hosts > 0 and self.begun == 0 and len(draft.waves) > 1

    def widths(self, hosts: int, number: int) -> list[int]:
        """Of the waves that so many hosts need at least, the first of them wave `number` of the run."""
        found: list[int] = []
        while sum(found) < hosts:
            found.append(width(self.policy, len(self.grid.host_ids), number + len(found)))
        return found

    def _apart(self, left: Sequence[int], number: int) -> list[int]:
        """About that order, with no wave from `number` on holding hosts that groups keep apart as they now
        are."""
        grid = self.grid
        groups = {
            host: frozenset(group for vm in grid.residents[host] for group in grid.groups_of[vm])
            for host in left
        }
        return in_waves(left, groups, self.shares, self.widths(len(left), number))

    def draft(self, order: Sequence[int], *, widest: int | None = None, taste: Taste = Taste.LATE) -> Draft:
        """Waves in about that order, none wider than `widest`; the grid is left as it is after them all.

        A host that can't be emptied yet is tried again after the next wave; one that can't be emptied with
        nothing left that could help is `stuck`.
        """
        grid = self.grid
        grid.restore(self.begin)
        self.keeping = 0
        patched = self.patched.copy()
        left = list(order)
        waves: list[DraftWave] = []
        while left:
            number = self.begun + len(waves)
            if len(grid.host_ids) >= FEW_HOSTS and not self.fixed:
                left = self._apart(left, number)
            most = min(width(self.policy, len(grid.host_ids), number), widest or len(left))
            wave = self._wave(left, most, patched, taste)
            if wave is None:
                break
            waves.append(wave)
            gone = set(wave.hosts)
            left = [host for host in left if host not in gone]
            patched[list(wave.hosts)] = True
        return Draft(tuple(waves), tuple(left))

    def _wave(self, left: list[int], most: int, patched: Flags, taste: Taste) -> DraftWave | None:
        """The next wave: from the front of `left` as many as go; None if not one host goes."""
        avoid: set[int] = set()
        while len(avoid) < len(left):
            hosts = self._compose([host for host in left if host not in avoid], most)
            while hosts:
                found = self._try(hosts, left, patched, taste)
                if isinstance(found, DraftWave):
                    return found
                if len(hosts) == 1:
                    avoid.add(hosts[0])
                    break
                fewer = [host for host in hosts if host != found]
                hosts = fewer[: max(1, len(fewer) - len(fewer) // 8)]
        return None

    def _compose(self, left: Sequence[int], most: int) -> list[int]:
        """As many hosts from the front as memory in sum allows, no group losing its majority.

        Sums are necessary, not sufficient: they save tries that can't succeed.
        """
        grid = self.grid
        holds = np.maximum(grid.ceiling, grid.held)
        demand = int(grid.held[grid.takes].sum())
        open_ = grid.takes.copy()
        hosts: list[int] = []
        count: dict[int, int] = {}
        for host in left:
            groups = {group for vm in grid.residents[host] for group in grid.groups_of[vm]}
            if hosts and any(count.get(g, 0) >= together(len(grid.groups[g])) for g in groups):
                continue
            open_[host] = False
            demand -= sum(int(grid.memory[vm]) for vm in grid.residents[host] & grid.stays)
            whole = np.sort(grid.capacity[open_])[: max(0, int(open_.sum()) - self.spare.losses)]
            if hosts and (holds[open_].sum() < demand or whole.sum() < self.movable):
                break
            hosts.append(host)
            for group in groups:
                count[group] = count.get(group, 0) + 1
            if len(hosts) >= most:
                break
        return hosts

    def _try(self, hosts: list[int], left: list[int], patched: Flags, taste: Taste) -> DraftWave | int:
        """The wave of exactly these hosts, done on the grid; or one of them to leave out."""
        grid = self.grid
        out = grid.out.copy()
        out[hosts] = True
        turn = np.full(len(grid.host_ids), -1, dtype=np.int64)
        gone = set(hosts)
        rest = [host for host in left if host not in gone]
        turn[rest] = np.arange(len(rest)) // len(hosts)
        blame = hosts[-1]
        for each in (taste, *(other for other in Taste if other is not taste)):
            while True:
                kept = self.spare.gaps(out, self.keeping) if self.keeping else None
                hops = empty(grid, hosts, Wanted(out, patched, turn, each, kept))
                if isinstance(hops, int):
                    blame = int(grid.at[hops])
                    break
                if self.spare.lacking(out) is None:
                    return DraftWave(tuple(hosts), tuple(hops))
                for vm, source, _ in hops:
                    grid.move(vm, source)
                blame = hosts[-1]
                if not self._keep_more():
                    break
            if len(hosts) > 1:
                break
        return blame

    def _keep_more(self) -> bool:
        """Whether larger gaps for the reserve may be kept from now on than were; not in small clusters,
        where each host counts."""
        if len(self.grid.host_ids) < FEW_HOSTS or self.keeping >= MOST_KEEPING:
            return False
        self.keeping = 2 * self.keeping or 1
        return True
