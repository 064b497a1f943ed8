"""VMs of a wave sent to the hosts that are back soonest, so that they go while the wave before is still out.

A run moves VMs of the next wave ahead as soon as their target is patched (`run.ahead`). The hosts of one wave
are not back at once: those emptied last are back last. Where all VMs of the next wave are bound for these,
its links stand idle until then. The draft says which VM goes where; here that is judged with what goes ahead,
and VMs change their targets as long as the run gets shorter for it, with no move and no broken rule more, and
no longer should nothing go ahead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from standfast.plan.draft import Draft, DraftWave
from standfast.plan.pack import Hop
from standfast.plan.search import EXACT_MOVES, Candidate, Search

MOST_TRIES = 120
"""Other placements that are spread and timed at most; nearly all small clusters have fewer."""

LEAST_GAIN_SECONDS = 0.5
"""Less is not worth a placement that is less even on the way."""


def dealt(search: Search, found: Candidate) -> Candidate:
    """The candidate, or one with other targets that is done sooner; the grid is left in either's state.

    Only where moves are few enough to be scheduled one by one.
    """
    draft = found.draft
    if draft.stuck or len(draft.waves) < 2 or draft.moves + len(found.last) > EXACT_MOVES:
        return found
    best = search.again(draft)
    seconds = _seconds(search, best)
    improved, tries = True, MOST_TRIES
    while improved:
        improved = False
        for other in _redealt(search, best.draft):
            if search.worse(other, best) or not _holds(search, other):
                continue
            if not tries:
                break
            tries -= 1
            tried = search.again(other)
            if tried.cost[1] > best.cost[1] or tried.cost[2] > best.cost[2]:
                continue  # longer where nothing goes ahead, or more moves to spread at the end
            took = _seconds(search, tried)
            if took < seconds - LEAST_GAIN_SECONDS:
                best, seconds, improved = tried, took, True
                break
    return best


def _redealt(search: Search, draft: Draft) -> Iterator[Draft]:
    """The draft with one VM, or two that change places, bound for another host patched by then."""
    patched = set(np.flatnonzero(search.builder.patched).tolist())
    for number, wave in enumerate(draft.waves):
        if number:
            for place, (vm, source, target) in enumerate(wave.hops):
                for other in sorted(patched - {target} if target in patched else ()):
                    yield _with(draft, number, {place: (vm, source, other)})
            for one, two in _pairs(wave, patched):
                (vm, source, target), (vm2, source2, target2) = wave.hops[one], wave.hops[two]
                yield _with(draft, number, {one: (vm, source, target2), two: (vm2, source2, target)})
        patched |= set(wave.hosts)


def _pairs(wave: DraftWave, patched: set[int]) -> Iterator[tuple[int, int]]:
    for one in range(len(wave.hops)):
        for two in range(one):
            targets = {wave.hops[one][2], wave.hops[two][2]}
            if len(targets) == 2 and targets <= patched:
                yield one, two


def _with(draft: Draft, number: int, changed: Mapping[int, Hop]) -> Draft:
    waves = list(draft.waves)
    hops = tuple(changed.get(place, hop) for place, hop in enumerate(waves[number].hops))
    waves[number] = replace(waves[number], hops=hops)
    return replace(draft, waves=tuple(waves))


def _holds(search: Search, draft: Draft) -> bool:
    """Whether every move finds a host that may take it, with the reserve kept after each wave, as when it
    was drafted."""
    grid, spare = search.grid, search.builder.spare
    grid.restore(search.builder.begin)
    for wave in draft.waves:
        out = grid.out.copy()
        out[list(wave.hosts)] = True
        closed = out | ~grid.takes
        for vm, source, target in wave.hops:
            if int(grid.at[vm]) != source or not grid.welcome(vm, closed)[target]:
                return False
            grid.move(vm, target)
        if spare.lacking(out) is not None:
            return False
    return True


def _seconds(search: Search, found: Candidate) -> float:
    """Until the last VM is where it stays, with what goes ahead; one move a port at a time."""
    grid, lengths = search.grid, search.lengths
    chosen = search.timed(found.draft, found.last)
    ready = dict.fromkeys(np.flatnonzero(search.builder.patched).tolist(), 0.0)
    begun = turn = 0.0
    before: dict[int, float] = {}
    for wave, times in zip(found.draft.waves, chosen.times, strict=True):
        work = _Sending(wave.hosts, before, begun)
        released = [max(begun, ready.get(target, turn)) for _, _, target in wave.hops]
        work.send(wave.hops, times.seconds, released)
        back = {
            host: max(turn, empty) + lengths.out(grid.host_ids[host]) for host, empty in work.sends.items()
        }
        ready |= back
        before = work.takes
        begun, turn = turn, max(back.values())
    return turn + chosen.last_times.end


class _Sending:
    """When the hosts of a wave are empty. Each port has one move at a time, of the wave before first."""

    def __init__(self, hosts: Sequence[int], before: Mapping[int, float], begun: float) -> None:
        self.sends = dict.fromkeys(hosts, begun)
        self.takes = dict(before)

    def send(self, hops: Sequence[Hop], seconds: Sequence[float], released: Sequence[float]) -> None:
        """Whatever can begin first does, the longest of equals."""
        waiting = list(range(len(hops)))
        while waiting:
            begins = {
                each: max(self.sends[hops[each][1]], self.takes.get(hops[each][2], 0.0), released[each])
                for each in waiting
            }
            first = min(waiting, key=lambda each: (begins[each], -seconds[each], each))
            waiting.remove(first)
            _, source, target = hops[first]
            self.sends[source] = self.takes[target] = begins[first] + seconds[first]
