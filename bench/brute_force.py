"""The shortest and the fewest-moves run of a tiny cluster, by trying all of them, without our planner.

A run is waves of hosts; every VM of a wave's hosts goes to a host that is not in it, by every possible choice
of targets, scheduled in the best possible way. Equal hosts and equal VMs are tried once. The search goes best
first with an estimate that can't be too high: what a host holds now it has to send in its turn, and at most
so many hosts are out at once. With `blind` there is no estimate: slower, and a check of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import combinations, count

Guest = tuple[int, float, int]
"""(memory in bytes, seconds of its move, group or -1)"""
Place = tuple[bool, int, float, tuple[Guest, ...]]
"""(needs no turn any more, memory in bytes, seconds of its own work, guests)"""
State = tuple[int, tuple[Place, ...]]
"""(waves done, at most 2; places, sorted)"""
Leg = tuple[int, int, float, int]
"""(source, target, seconds, group)"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a run has to keep to. `widths`: most hosts in the first, the second, each later wave."""

    widths: tuple[int, int, int]
    ceiling: float
    reserve_hosts: int
    soak_seconds: float


def shortest(places: tuple[Place, ...], terms: Terms, *, blind: bool = False) -> float | None:
    """Seconds until the last host is done, the soak after the first wave included; None: there is no way."""
    wide = max(terms.widths)

    def estimate(state: State) -> float:
        turns = [own + sum(guest[1] for guest in guests) for done, _, own, guests in state[1] if not done]
        return sum(sorted(turns, reverse=True)[::wide])

    return _search(places, terms, _seconds, (lambda _: 0.0) if blind else estimate)


def fewest_moves(places: tuple[Place, ...], terms: Terms) -> int | None:
    """Moves of the run with the fewest, its final spreading left out; None: there is no way."""

    def estimate(state: State) -> float:
        return float(sum(len(place[3]) for place in state[1] if not place[0]))

    found = _search(places, terms, lambda legs, own: float(len(legs)), estimate, soak=False)
    return None if found is None else round(found)


Cost = Callable[[tuple[Leg, ...], tuple[float, ...]], float]


def _search(
    places: tuple[Place, ...],
    terms: Terms,
    cost: Cost,
    estimate: Callable[[State], float],
    *,
    soak: bool = True,
) -> float | None:
    start: State = (0, tuple(sorted(places)))
    best = {start: 0.0}
    number = count()
    queue = [(estimate(start), next(number), 0.0, start)]
    while queue:
        _, _, so_far, state = heappop(queue)
        if so_far > best.get(state, float("inf")):
            continue
        if all(place[0] for place in state[1]):
            return so_far
        for after, spent in _waves(state, terms, cost):
            rest = any(not place[0] for place in after[1])
            pause = terms.soak_seconds if soak and state[0] == 0 and rest else 0.0
            total = so_far + spent + pause
            if total < best.get(after, float("inf")) - 1e-9:
                best[after] = total
                heappush(queue, (total + estimate(after), next(number), total, after))
    return None


def _waves(state: State, terms: Terms, cost: Cost) -> Iterator[tuple[State, float]]:
    """Every state that one more wave can lead to, with the least it costs to get there."""
    number, places = state
    todo = [index for index, place in enumerate(places) if not place[0]]
    seen: set[tuple[Place, ...]] = set()
    for size in range(1, terms.widths[min(number, 2)] + 1):
        for wave in combinations(todo, size):
            kinds = tuple(places[index] for index in wave)
            if kinds in seen or not _majorities_stay(places, wave):
                continue
            seen.add(kinds)
            yield from _targets(state, wave, terms, cost)


def _majorities_stay(places: tuple[Place, ...], wave: tuple[int, ...]) -> bool:
    """Of no group are two members, or half of them, on hosts of the wave (one alone always may be)."""
    sizes: dict[int, int] = {}
    inside: dict[int, set[int]] = {}
    for index, place in enumerate(places):
        for _, _, group in place[3]:
            if group >= 0:
                sizes[group] = sizes.get(group, 0) + 1
                if index in wave:
                    inside.setdefault(group, set()).add(index)
    return all(len(hosts) == 1 or 2 * len(hosts) < sizes[group] for group, hosts in inside.items())


def _targets(state: State, wave: tuple[int, ...], terms: Terms, cost: Cost) -> Iterator[tuple[State, float]]:
    number, places = state
    guests = sorted(((guest, source) for source in wave for guest in places[source][3]), reverse=True)
    owns = tuple(places[index][2] for index in wave)
    inside = {index: list(place[3]) for index, place in enumerate(places) if index not in wave}
    legs: list[Leg] = []
    found: dict[State, float] = {}

    def settle(index: int) -> None:
        if index == len(guests):
            after = _after(number, places, wave, inside)
            if not _reserve(after, wave, places, inside, terms):
                return
            order = {source: place for place, source in enumerate(wave)}
            mine = tuple(sorted((order[a], b, seconds, group) for a, b, seconds, group in legs))
            spent = cost(mine, owns)
            if spent < found.get(after, float("inf")):
                found[after] = spent
            return
        guest, source = guests[index]
        tried: set[object] = set()
        for target in inside:
            place = places[target]
            held = sum(one[0] for one in inside[target]) + guest[0]
            came = tuple(sorted((leg[0], leg[2]) for leg in legs if leg[1] == target))
            alike = (place[0], place[1], place[2], tuple(sorted(inside[target])), came)
            if held > int(terms.ceiling * place[1]) or alike in tried:
                continue
            if guest[2] >= 0 and any(one[2] == guest[2] for one in inside[target]):
                continue
            tried.add(alike)
            inside[target].append(guest)
            legs.append((source, target, guest[1], guest[2]))
            settle(index + 1)
            legs.pop()
            inside[target].pop()

    settle(0)
    yield from found.items()


def _after(
    number: int, places: tuple[Place, ...], wave: tuple[int, ...], inside: dict[int, list[Guest]]
) -> State:
    new = []
    for index, (done, memory, own, _) in enumerate(places):
        guests = tuple(sorted(inside.get(index, ())))
        new.append((done or index in wave, memory, 0.0 if done or index in wave else own, guests))
    return min(number + 1, 2), tuple(sorted(new))


def _reserve(
    after: State,
    wave: tuple[int, ...],
    places: tuple[Place, ...],
    inside: dict[int, list[Guest]],
    terms: Terms,
) -> bool:
    """With the wave out, any further loss leaves every VM a place, up to all of a host's memory."""
    there = tuple(sorted((places[index][1], tuple(sorted(guests))) for index, guests in inside.items()))
    return _survives(there, terms.reserve_hosts)


@lru_cache(maxsize=200_000)
def _survives(there: tuple[tuple[int, tuple[Guest, ...]], ...], losses: int) -> bool:
    if losses == 0:
        return True
    if len(there) < losses:
        return not any(guests for _, guests in there)
    for lost in combinations(range(len(there)), losses):
        left = [(memory, list(guests)) for index, (memory, guests) in enumerate(there) if index not in lost]
        homeless = sorted((guest for index in lost for guest in there[index][1]), reverse=True)
        if not _fit(homeless, left):
            return False
    return True


def _fit(homeless: list[Guest], left: list[tuple[int, list[Guest]]]) -> bool:
    if not homeless:
        return True
    guest, rest = homeless[0], homeless[1:]
    for memory, guests in left:
        if sum(one[0] for one in guests) + guest[0] > memory:
            continue
        if guest[2] >= 0 and any(one[2] == guest[2] for one in guests):
            continue
        guests.append(guest)
        if _fit(rest, left):
            return True
        guests.pop()
    return False


@lru_cache(maxsize=500_000)
def _seconds(legs: tuple[Leg, ...], owns: tuple[float, ...]) -> float:
    """The least time until all hosts of a wave are done: every order of its moves, one at a time on each
    port."""
    sends = [sum(leg[2] for leg in legs if leg[0] == source) for source in range(len(owns))]
    least = max(send + own for send, own in zip(sends, owns, strict=True))
    for target in {leg[1] for leg in legs}:
        coming = [leg for leg in legs if leg[1] == target]
        least = max(least, sum(leg[2] for leg in coming) + min(owns[leg[0]] for leg in coming))
    best = float("inf")

    def go(
        left: tuple[Leg, ...], out: dict[int, float], into: dict[int, float], groups: dict[int, float]
    ) -> None:
        nonlocal best
        if best <= least + 1e-9:
            return
        if not left:
            best = min(best, max(out.get(source, 0.0) + own for source, own in enumerate(owns)))
            return
        for index, (source, target, seconds, group) in enumerate(left):
            if index and left[index - 1] == left[index]:
                continue
            begin = max(
                out.get(source, 0.0), into.get(target, 0.0), groups.get(group, 0.0) if group >= 0 else 0.0
            )
            end = begin + seconds
            if end + owns[source] >= best - 1e-9:
                continue
            more = {**groups, group: end} if group >= 0 else groups
            go(left[:index] + left[index + 1 :], {**out, source: end}, {**into, target: end}, more)

    go(legs, {}, {}, {})
    return best
