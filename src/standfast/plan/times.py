"""When each move of a draft starts and how long each host takes, under all limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from standfast.model.moves import Prediction
from standfast.plan.grid import Grid
from standfast.plan.lengths import Lengths, Way, move_seconds
from standfast.plan.pack import Hop
from standfast.plan.schedule import Jobs, starts
from standfast.predict.together import Flow, at_share, between

STREAMS_PER_PORT = 1
"""Migrations that share a port at a time, where only the order is sought. One stream fills it, and two
together end hardly sooner; what they cost each other is told by `shared`."""


@dataclass(frozen=True, slots=True)
class Timed:
    """`begins[i]`: seconds until the i-th move starts; `drains`: seconds until each host is empty."""

    begins: tuple[float, ...]
    seconds: tuple[float, ...]
    drains: Mapping[int, float]
    told: tuple[Prediction, ...] = ()
    """What each move is expected to cost with the share of its links that it has then; by `shared`."""

    @property
    def end(self) -> float:
        """Seconds until the last move has ended."""
        return max(
            (begin + length for begin, length in zip(self.begins, self.seconds, strict=True)), default=0.0
        )


def timed(grid: Grid, lengths: Lengths, hops: Sequence[Hop], hosts: Sequence[int], *, at_once: int) -> Timed:
    """Schedule the moves that empty `hosts` (none: a spreading), so that the slowest host is done soonest.

    With `at_once` 1 they go one after another as they stand.
    """
    seconds = [way.seconds() for way in _ways(grid, lengths, hops)]
    if at_once == 1:
        begins = np.cumsum([0.0, *seconds])[:-1]
    else:
        begins = starts(
            _jobs(
                grid,
                hops,
                seconds,
                [_own(grid, lengths, source) if hosts else 0.0 for _, source, _ in hops],
                at_once,
            )
        )
    drains = dict.fromkeys(hosts, 0.0)
    for (_, source, _), begin, length in zip(hops, begins.tolist(), seconds, strict=True):
        if source in drains:
            drains[source] = max(drains[source], begin + length)
    return Timed(tuple(begins.tolist()), tuple(seconds), drains)


def shared(
    grid: Grid, lengths: Lengths, hops: Sequence[Hop], hosts: Sequence[int], times: Timed, *, at_once: int
) -> Timed:
    """The same moves as the run makes them: in the order of `times`, as many at once as hosts may send and
    receive, each with its share of the ports. No longer than one after another, and each VM's move is.
    """
    order = sorted(range(len(hops)), key=lambda index: (times.begins[index], index))
    ids, ways = grid.host_ids, _ways(grid, lengths, hops)
    flows = []
    for index in order:
        vm, source, target = hops[index]
        flows.append(Flow(ids[source], ids[target], ways[index].seconds, grid.groups_of[vm]))
    flown = between(grid.board.hosts.values(), flows, at_once=at_once)
    begins, lasts = [0.0] * len(hops), [0.0] * len(hops)
    told: list[Prediction | None] = [None] * len(hops)
    drains = dict.fromkeys(hosts, 0.0)
    for index, each in zip(order, flown, strict=True):
        source, way = hops[index][1], ways[index]
        cost = at_share(way.at(), way.at(each.share), each)
        begins[index], lasts[index], told[index] = each.begin, move_seconds(cost), cost
        if source in drains:
            drains[source] = max(drains[source], each.begin + each.seconds)
    return Timed(tuple(begins), tuple(lasts), drains, tuple(each for each in told if each is not None))


def rough(grid: Grid, lengths: Lengths, hops: Sequence[Hop], hosts: Sequence[int]) -> float:
    """Seconds until the slowest of `hosts` (none: a spreading) is done, if no port ever waited for another.

    A schedule is a few per cent longer. Good enough to choose between drafts of many moves.
    """
    sent: dict[int, float] = dict.fromkeys(hosts, 0.0)
    got: dict[int, float] = {}
    slow: dict[int, float] = {}
    for (_, source, target), way in zip(hops, _ways(grid, lengths, hops), strict=True):
        seconds = way.seconds()
        sent[source] = sent.get(source, 0.0) + seconds
        got[target] = got.get(target, 0.0) + seconds
        own = _own(grid, lengths, source) if hosts else 0.0
        slow[target] = min(slow.get(target, own), own)
    ends = [seconds + (_own(grid, lengths, host) if hosts else 0.0) for host, seconds in sent.items()]
    return max([*ends, *(seconds + slow[host] for host, seconds in got.items())], default=0.0)


def _ways(grid: Grid, lengths: Lengths, hops: Sequence[Hop]) -> list[Way]:
    vms, hosts = grid.vm_ids, grid.host_ids
    return [lengths.way(vms[vm], hosts[source], hosts[target]) for vm, source, target in hops]


def _own(grid: Grid, lengths: Lengths, host: int) -> float:
    return lengths.out(grid.host_ids[host])


def _jobs(grid: Grid, hops: Sequence[Hop], seconds: list[float], tail: list[float], at_once: int) -> Jobs:
    """Ports out and in, one token for each group with two or more movers, and the limit over all."""
    numbers: dict[tuple[str, int], int] = {("all", 0): 0}
    streams = [max(1, at_once)]
    uses: list[list[int]] = []
    movers: dict[int, int] = {}
    for vm, _, _ in hops:
        for group in grid.groups_of[vm]:
            movers[group] = movers.get(group, 0) + 1

    def number(kind: str, which: int) -> int:
        key = (kind, which)
        if key not in numbers:
            numbers[key] = len(numbers)
            streams.append(STREAMS_PER_PORT)
        return numbers[key]

    for vm, source, target in hops:
        mine = [0, number("out", source), number("in", target)]
        mine += [number("group", group) for group in grid.groups_of[vm] if movers[group] > 1]
        uses.append(mine)
    return Jobs.of(seconds, uses, streams, tail)
