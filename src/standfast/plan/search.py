"""The best of several drafts: other orders, widths and tastes, as many as a plan's time allows.

How many are tried follows from the size of the cluster alone, never from a clock, so that the same snapshot
gives the same plan on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from standfast.plan.draft import Builder, Draft
from standfast.plan.grid import Grid
from standfast.plan.lengths import Lengths
from standfast.plan.pack import Hop, Taste
from standfast.plan.spread import may_overlap, spread_hops
from standfast.plan.times import Timed, rough, shared, timed

MOVES_PER_PLAN = 4_000
"""Moves drafted in all, over all tries; about half a second on a core of 2020."""

MOST_TRIES = 120
LEAST_TRIES = 12
"""Where the first draft gets stuck: each of the other beginnings may still find a way."""

BYTES_WEIGHT, MOVES_WEIGHT = 0.02, 0.5
"""Ten per cent more moves are worth 5 % of the run's time, ten per cent more bytes 0.2 %. At 0.1 the plans of
small clusters had 0.8 % more moves and were no shorter; at 1 they have 0.5 % fewer and are 0.2 % longer."""


EXACT_MOVES = 60
"""Drafts with more moves are compared by what their ports send and receive, without a schedule."""

SURELY = 1 + 1e-9
"""A bound has to be above a cost by so much before it counts: sums are made in another order."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A draft with its final spreading and what it costs."""

    draft: Draft
    last: tuple[Hop, ...]
    cost: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate with its times; `seconds` until the last host is done."""

    draft: Draft
    times: tuple[Timed, ...]
    last: tuple[Hop, ...]
    last_times: Timed
    seconds: float


class Search:
    """Tries drafts over one grid; `fixed` hosts at the head of an order keep their places."""

    def __init__(self, grid: Grid, builder: Builder, lengths: Lengths, spreading: Sequence[int]) -> None:
        self.grid, self.builder, self.lengths = grid, builder, lengths
        self.spreading = spreading
        self.least_bytes = max(1, int(grid.memory.sum()))
        self.least_moves = max(1, len(grid.vm_ids))
        self._judged: dict[Draft, Candidate] = {}
        self._timed: dict[tuple[tuple[Hop, ...], tuple[int, ...], int], Timed] = {}
        """Other orders often lead to the same waves."""

    def candidate(
        self, order: Sequence[int], *, widest: int | None = None, taste: Taste = Taste.LATE
    ) -> Candidate:
        """Draft, spread and judge."""
        return self._judge(self.builder.draft(order, widest=widest, taste=taste))

    def again(self, draft: Draft) -> Candidate:
        """Spread and judge a draft made elsewhere."""
        self._replay(draft)
        return self._judge(draft)

    def _better(self, draft: Draft, best: Candidate) -> Candidate | None:
        """The draft judged, if it is better; the grid is in the state after it. Most that are not are seen
        to be so before their schedule is made."""
        if self.worse(draft, best):
            return None
        found = self._judge(draft)
        return found if found.cost < best.cost else None

    def worse(self, draft: Draft, best: Candidate) -> bool:
        """Whether the draft is worse for sure, however its VMs are spread at the end."""
        if len(draft.stuck) != len(best.draft.stuck):
            return len(draft.stuck) > len(best.draft.stuck)
        return self._cost(draft, (), self._rough(draft))[1] > best.cost[1] * SURELY

    def _replay(self, draft: Draft) -> None:
        """Put the grid into the state after the draft."""
        self.grid.restore(self.builder.begin)
        for vm, _, target in (hop for wave in draft.waves for hop in wave.hops):
            self.grid.move(vm, target)

    def _spread(self, last: tuple[Hop, ...]) -> None:
        for vm, _, target in last:
            self.grid.move(vm, target)

    def _judge(self, draft: Draft) -> Candidate:
        """The grid is in the state after the draft, and left in the state after its spreading."""
        found = self._judged.get(draft)
        if found is None:
            found = self._judged[draft] = self._judged_anew(draft)
        else:
            self._spread(found.last)
        return found

    def _judged_anew(self, draft: Draft) -> Candidate:
        grid, policy = self.grid, self.builder.policy
        last = spread_hops(grid, self.builder.spare, policy, self._spread_over(draft)) if draft.waves else ()
        if draft.moves + len(last) > EXACT_MOVES:
            seconds = self._rough(draft) + rough(grid, self.lengths, last, ())
        else:
            chosen = self.timed(draft, last)
            seconds = chosen.seconds + chosen.last_times.end
        return Candidate(draft, last, self._cost(draft, last, seconds))

    def _rough(self, draft: Draft) -> float:
        """Seconds that the waves take at least."""
        waves = sum(rough(self.grid, self.lengths, wave.hops, wave.hosts) for wave in draft.waves)
        return waves + self._soak(draft)

    def _cost(self, draft: Draft, last: tuple[Hop, ...], seconds: float) -> tuple[float, ...]:
        memory, moves = self.grid.memory, draft.moves + len(last)
        hops = (hop for hops in (*(wave.hops for wave in draft.waves), last) for hop in hops)
        moved = sum(int(memory[vm]) for vm, _, _ in hops)
        much = BYTES_WEIGHT * moved / self.least_bytes + MOVES_WEIGHT * moves / self.least_moves
        return float(len(draft.stuck)), seconds * (1.0 + much), float(moves)

    def _soak(self, draft: Draft) -> float:
        return self.builder.policy.canary_soak_seconds if self.builder.soaks(draft) else 0.0

    def chosen(self, found: Candidate) -> Chosen:
        """The candidate with its schedule; the grid is left in the state after it all."""
        self._replay(found.draft)
        self._spread(found.last)
        return self.timed(found.draft, found.last, as_run=True)

    def timed(self, draft: Draft, last: tuple[Hop, ...], *, as_run: bool = False) -> Chosen:
        """With one move a port at a time; `as_run`: with as many as the run will have there. The grid is in
        the state after it all."""
        grid, policy = self.grid, self.builder.policy
        overlap = policy.moves_at_once if may_overlap(grid, self.builder.spare, last) else 1

        def when(hops: Sequence[Hop], hosts: Sequence[int], at_once: int) -> Timed:
            key = (tuple(hops), tuple(hosts), at_once)
            found = self._timed.get(key)
            if found is None:
                found = self._timed[key] = timed(grid, self.lengths, hops, hosts, at_once=at_once)
            return shared(grid, self.lengths, hops, hosts, found, at_once=at_once) if as_run else found

        times = tuple(when(wave.hops, wave.hosts, policy.moves_at_once) for wave in draft.waves)
        last_times = when(last, (), overlap)
        seconds = sum(
            max(each.drains[host] + self.lengths.out(grid.host_ids[host]) for host in wave.hosts)
            for wave, each in zip(draft.waves, times, strict=True)
        )
        return Chosen(draft, times, last, last_times, seconds + self._soak(draft))

    def _spread_over(self, draft: Draft) -> list[int]:
        """All hosts that take part in the final spreading: those done and those that need no turn."""
        stuck = set(draft.stuck)
        return [host for host in self.spreading if host not in stuck]

    def best(self, order: Sequence[int], fixed: int, share: float = 1.0) -> Candidate:
        """The best candidate found with that share of the usual tries; the first one where none is better."""
        if len(self.grid.vm_ids) + len(order) > MOVES_PER_PLAN:
            order = self._alike_together(order, fixed)
        best, best_order = self.candidate(order), list(order)
        best_kind: tuple[int | None, Taste] = (None, Taste.LATE)
        tried = {(tuple(order), *best_kind)}
        # A draft that gets stuck has few moves and took as long to find that out.
        leaving = sum(len(self.grid.leaving(host)) for host in order)
        effort = max(1, max(best.draft.moves + len(best.last), leaving) + len(order))
        least = LEAST_TRIES if best.draft.stuck and effort <= MOVES_PER_PLAN else 0
        tries = int(share * min(MOST_TRIES, max(least, MOVES_PER_PLAN // effort)))
        for other, widest, taste in self._starts(order, fixed):
            if tries <= 0:
                return best
            tries -= 1
            if (kind := (tuple(other), widest, taste)) in tried:
                continue  # it would come out the same
            tried.add(kind)
            found = self._better(self.builder.draft(other, widest=widest, taste=taste), best)
            if found is not None:
                best, best_order, best_kind = found, list(other), (widest, taste)
        improved = True
        while improved and tries > 0:
            improved = False
            for other in _neighbours(best_order, fixed):
                if tries <= 0:
                    break
                tries -= 1
                if (kind := (tuple(other), *best_kind)) in tried:
                    continue
                tried.add(kind)
                found = self._better(self.builder.draft(other, widest=best_kind[0], taste=best_kind[1]), best)
                if found is not None:
                    best, best_order, improved = found, other, True
                    break
        return best

    def _alike_together(self, order: Sequence[int], fixed: int) -> list[int]:
        """The quickest hosts first: a wave lasts as long as its longest host, so those alike share one."""
        grid, lengths = self.grid, self.lengths
        seconds = {
            host: lengths.out(grid.host_ids[host])
            + sum(lengths.shortest(grid.vm_ids[vm], grid.host_ids[host]) for vm in grid.leaving(host))
            for host in order[fixed:]
        }
        ranked = sorted(order[fixed:], key=lambda host: (round(seconds[host], 3), host))
        return [*order[:fixed], *ranked]

    def _starts(self, order: Sequence[int], fixed: int) -> Iterator[tuple[list[int], int | None, Taste]]:
        """Other orders, narrower waves, other tastes."""
        grid = self.grid
        head, rest = list(order[:fixed]), list(order[fixed:])
        count = {host: len(grid.residents[host]) for host in rest}
        by_memory = sorted(rest, key=lambda host: (int(grid.held[host]), host))
        small_last = sorted(rest, key=lambda host: (-int(grid.capacity[host]), int(grid.held[host]), host))
        canary = min(rest, key=lambda host: (count[host], int(grid.held[host]), host), default=None)
        turned = (
            [canary, *(host for host in reversed(by_memory) if host != canary)] if canary is not None else []
        )
        for rank in (by_memory, small_last, turned, rest):
            for widest, taste in ((None, Taste.LATE), (None, Taste.SPREAD), (1, Taste.LATE)):
                yield [*head, *rank], widest, taste


def _neighbours(order: Sequence[int], fixed: int) -> Iterator[list[int]]:
    """Two hosts change places, the near ones first; then one host goes elsewhere."""
    count = len(order)
    for far in range(1, count - fixed):
        for place in range(fixed, count - far):
            other = list(order)
            other[place], other[place + far] = other[place + far], other[place]
            yield other
    for place in range(fixed, count):
        for to in range(fixed, count):
            if abs(to - place) > 1:
                other = list(order)
                other.insert(to, other.pop(place))
                yield other
