"""A local search for machine reassignment: every shift and swap between two machines judged in one go.

For one pair of machines after another all swaps of a process here with one there, and all shifts from one to
the other, are rows and columns of one matrix: whether both machines hold it and which services may cross. Of
those that may, the one that saves most is done.

A process that leaves its first machine keeps its transient resources there busy. That room is what runs out:
it has a price, high at first, so that only moves that gain much for it are made, and more as the price falls
to nothing. Where no resource is transient, single processes go where they cost least first.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench._roadef import Instance, Ints, machine_part, used

Flags = NDArray[np.bool_]
FORBIDDEN = 2**60
TRIES = 4
"""Swaps of a pair that are tried before another pair is looked at: the two crossings are judged one by one,
and together they may be against a dependency."""
PAIRS_PER_MACHINE = 4
"""So many pairs for each machine are tried before hopes are looked at anew."""
PRICED = (0.25, 0.5, 0.7, 0.85)
"""Shares of the time after which the price falls, and in the end is nothing."""
CHEAPER = 4.0
"""By how much it falls each time. It begins at what a mean machine costs, for all that one has."""
FEW = 200
"""Shifts go on in rounds while more than one of so many processes is moved."""


class Search:
    """The placement, and what is asked of it all the time. Process number P, of service S, is nobody: a swap
    with it is a shift."""

    def __init__(self, case: Instance, seed: int) -> None:
        self.case, self.draw = case, np.random.default_rng(seed)
        self.at = case.first.copy()
        self.use = used(case, self.at)
        self.ghost = np.zeros_like(self.use)
        """Transient usage left behind by processes that were moved away."""
        services, (machines, resources) = len(case.spread), case.capacity.shape
        self.nobody = len(self.at)
        self.demand: Ints = np.vstack([case.demand, np.zeros((1, resources), np.int64)])
        self.service: Ints = np.append(case.service, services)
        self.own_cost: Ints = np.append(case.weights[0] * case.move_cost, 0)
        busy = (case.demand / np.maximum(1, case.capacity.mean(axis=0)) * case.transient).sum(axis=1)
        self.left_behind = np.append(busy, 0.0)
        """What each process keeps busy at home, as a share of a mean machine's resources."""
        self.home: Ints = np.append(case.first, -1)
        self.spread: Ints = np.append(case.spread, 0)
        self.here: Flags = np.zeros((services + 1, machines), dtype=np.bool_)
        self.here[case.service, self.at] = True
        self.inside: list[set[int]] = [set() for _ in range(machines)]
        for process, machine in enumerate(self.at.tolist()):
            self.inside[machine].add(process)
        self.near = np.zeros((services + 1, int(case.neighbourhood.max()) + 1), dtype=np.int32)
        self.places = np.zeros((services + 1, int(case.location.max()) + 1), dtype=np.int32)
        np.add.at(self.near, (case.service, case.neighbourhood[self.at]), 1)
        np.add.at(self.places, (case.service, case.location[self.at]), 1)
        self.spread_now = (self.places > 0).sum(axis=1)
        self._read_needs()
        self.part = machine_part(case, self.use, np.arange(machines))

    def _read_needs(self) -> None:
        """`lacks[s, n]`: services that s needs and neighbourhood n has not; `wanted[s, n]`: services there
        that need s."""
        self.dependents: list[list[int]] = [[] for _ in self.case.needs]
        self.lacks, self.wanted = np.zeros_like(self.near), np.zeros_like(self.near)
        for one, every in enumerate(self.case.needs):
            for other in every:
                self.dependents[other].append(one)
                self.lacks[one] += self.near[other] == 0
                self.wanted[other] += self.near[one] > 0

    def welcome(self, processes: Any, own: int, targets: Any) -> Flags:
        """Whether they may go from machine `own` to the targets, room apart. Either may be an array."""
        case, service = self.case, self.service[processes]
        region, regions = case.neighbourhood[own], case.neighbourhood[targets]
        place, places = case.location[own], case.location[targets]
        ok: Flags = ~self.here[service, targets]
        alone = (self.places[service, place] == 1) & (self.spread_now[service] <= self.spread[service])
        ok &= (places == place) | ~alone | (self.places[service, places] == 0)
        needed = (self.near[service, region] == 1) & (self.wanted[service, region] > 0)
        ok &= (regions == region) | ((self.lacks[service, regions] == 0) & ~needed)
        return ok

    def moved(self, processes: Any, machines: Any) -> Ints:
        """What the processes' own moves cost, if they lie there."""
        homes = self.home[processes]
        away = self.own_cost[processes] + self.case.weights[2] * self.case.machine_cost[homes, machines]
        found: Ints = np.where((homes == machines) | (homes < 0), 0, away)
        return found

    def shift(self, process: int) -> bool:
        """To the best machine, if that lowers the cost."""
        case, own = self.case, int(self.at[process])
        demand, home = case.demand[process], int(case.first[process])
        wanted = self.use + self.ghost + demand
        wanted[home] -= np.where(case.transient & (own != home), demand, 0)
        every = np.arange(len(self.use))
        allowed = np.flatnonzero((wanted <= case.capacity).all(axis=1) & self.welcome(process, own, every))
        if not len(allowed):
            return False
        less = machine_part(case, self.use[own] - demand, own) - self.part[own]
        more = machine_part(case, self.use[allowed] + demand, allowed) - self.part[allowed]
        gain = less + more + self.moved(process, allowed) - self.moved(process, own)
        best = int(gain.argmin())
        if gain[best] >= 0:
            return False
        self.put(process, int(allowed[best]))
        return True

    def pair(self, one: int, other: int) -> bool:
        """The best swap of two processes of these machines, or shift between them, if any helps."""
        case, mine, theirs = self.case, self._guests(one), self._guests(other)
        fits = self._fits(one, mine, theirs) & self._fits(other, theirs, mine).T
        fits &= self.welcome(mine, one, other)[:, None] & self.welcome(theirs, other, one)[None, :]
        rows, columns = np.nonzero(fits)
        if not len(rows):
            return False
        change = self.demand[theirs[columns]] - self.demand[mine[rows]]
        gain = machine_part(case, self.use[one] + change, one) - self.part[one]
        gain += machine_part(case, self.use[other] - change, other) - self.part[other]
        gain += (self.moved(mine, other) - self.moved(mine, one))[rows]
        gain += (self.moved(theirs, one) - self.moved(theirs, other))[columns]
        for _ in range(TRIES):
            best = int(gain.argmin())
            if gain[best] >= 0:
                return False
            if self._swap(int(mine[rows[best]]), int(theirs[columns[best]]), one, other):
                return True
            gain[best] = FORBIDDEN
        return False

    def _guests(self, machine: int) -> Ints:
        return np.array([*self.inside[machine], self.nobody], dtype=np.int64)

    def _fits(self, machine: int, leaving: Ints, coming: Ints) -> Flags:
        """Whether the machine holds each of `coming` once each of `leaving` has gone. What has its first
        place there counts there still, in resources that a process holds on both ends of its move."""
        case = self.case
        out, into = self.demand[leaving], self.demand[coming]
        out = np.where(case.transient & (self.home[leaving] == machine)[:, None], 0, out)
        into = np.where(case.transient & (self.home[coming] == machine)[:, None], 0, into)
        free = case.capacity[machine] - self.use[machine] - self.ghost[machine]
        room = np.ascontiguousarray((free + out).T)
        into = np.ascontiguousarray(into.T)
        found: Flags = np.ones((len(leaving), len(coming)), dtype=np.bool_)
        for asked, given in zip(into, room, strict=True):
            if asked.max() > given.min():  # most resources are nowhere near their end
                found &= asked[None, :] <= given[:, None]
        return found

    def _swap(self, mine: int, theirs: int, one: int, other: int) -> bool:
        """Both at once where nothing is against the second once the first is gone."""
        if mine != self.nobody:
            self.put(mine, other)
        if theirs != self.nobody:
            if not self.welcome(theirs, other, one):
                if mine != self.nobody:
                    self.put(mine, one)
                return False
            self.put(theirs, one)
        return True

    def put(self, process: int, target: int) -> None:
        case, own, service = self.case, int(self.at[process]), int(self.case.service[process])
        home, demand = int(case.first[process]), case.demand[process]
        self.use[own] -= demand
        self.use[target] += demand
        kept = np.where(case.transient, demand, 0)
        self.ghost[home] += kept * (int(own == home) - int(target == home))
        self.here[service, own], self.here[service, target] = False, True
        self.inside[own].discard(process)
        self.inside[target].add(process)
        self.places[service, case.location[own]] -= 1
        self.places[service, case.location[target]] += 1
        self.spread_now[service] = int((self.places[service] > 0).sum())
        self._crossed(service, int(case.neighbourhood[own]), int(case.neighbourhood[target]))
        self.at[process] = target
        for machine in (own, target):
            self.part[machine] = machine_part(case, self.use[machine], machine)

    def _crossed(self, service: int, left: int, reached: int) -> None:
        if left == reached:
            return
        for region, step in ((left, -1), (reached, 1)):
            self.near[service, region] += step
            if self.near[service, region] == max(0, step):  # the last one left, or the first one came
                self.lacks[self.dependents[service], region] -= step
                self.wanted[list(self.case.needs[service]), region] += step

    def run(self, seconds: float) -> None:
        """For so many seconds of CPU, or until nothing helps any more."""
        begin = time.process_time()
        if not self.left_behind.any():
            self._shifts(begin + seconds)
            self._pairs(begin + seconds)
            return
        price, own_cost = float(self.part.mean()), self.own_cost
        for share in PRICED:
            self.own_cost = own_cost + (price * self.left_behind).astype(np.int64)
            self._pairs(begin + share * seconds)
            price /= CHEAPER
        self.own_cost = own_cost
        self._pairs(begin + seconds)

    def _shifts(self, until: float) -> None:
        """In rounds, hottest machines first, until they help little."""
        changed = len(self.at)
        while changed * FEW > len(self.at):
            rank = self.part[self.at] + self.draw.random(len(self.at))
            changed = 0
            for count, process in enumerate(np.argsort(-rank, kind="stable").tolist()):
                if count % 64 == 0 and time.process_time() > until:
                    return
                changed += self.shift(process)

    def _pairs(self, until: float) -> None:
        """Those pairs first of which most may be hoped, until none is left that was not tried as it is."""
        machines = len(self.use)
        self.stamp = np.ones(machines, dtype=np.int64)
        seen = np.zeros((machines, machines), dtype=np.int64)
        clock = 1
        while True:
            stale = np.triu(np.maximum(self.stamp[:, None], self.stamp[None, :]) > seen, 1)
            hope = np.where(stale, self.hope(), 0).ravel()
            count = min(PAIRS_PER_MACHINE * machines, int(np.count_nonzero(hope)))
            if not count:
                return
            best = np.argpartition(-hope, count - 1)[:count]
            best = best[np.argsort(-hope[best], kind="stable")]
            for one, other in zip((best // machines).tolist(), (best % machines).tolist(), strict=True):
                if time.process_time() > until:
                    return
                clock += 1
                while self.pair(one, other):
                    self.stamp[[one, other]] = clock
                    clock += 1
                seen[one, other] = clock

    def hope(self) -> Ints:
        """What no exchange between two machines can save more of, moves apart: their cost, less that of one
        machine with the use and the capacity of both."""
        case, use = self.case, self.use
        both: Ints = self.part[:, None] + self.part[None, :]
        for resource, weight in enumerate(case.load_weight.tolist()):
            over = use[:, resource] - case.safety[:, resource]
            both -= weight * np.maximum(0, over[:, None] + over[None, :])
        free = case.capacity - use
        for one, two, target, weight in case.balances:
            lacks = target * free[:, one] - free[:, two]
            both -= weight * np.maximum(0, lacks[:, None] + lacks[None, :])
        return both
