"""Machine reassignment (ROADEF/EURO 2012): how much of the possible improvement a numpy local search finds.

The cost has five parts: load above safety capacity, unused balance, and moves of processes, services and
machines. Constraints: capacity, transient usage, one process of a service per machine, spread over locations,
dependencies within neighbourhoods. Every answer is judged anew from the files' own numbers.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.claim import Claim, Settings

Ints = NDArray[np.int64]
SECONDS = 60.0
REACH = {"b_1": 0.95, "b_4": 0.995, "b_6": 0.995, "b_9": 0.995}


@dataclass(frozen=True)
class Instance:
    """One file: R resources, M machines, S services, P processes."""

    transient: NDArray[np.bool_]
    load_weight: Ints
    neighbourhood: Ints
    location: Ints
    capacity: Ints
    safety: Ints
    machine_cost: Ints
    spread: Ints
    needs: tuple[tuple[int, ...], ...]
    service: Ints
    demand: Ints
    move_cost: Ints
    balances: tuple[tuple[int, int, int, int], ...]
    weights: tuple[int, int, int]
    first: Ints


def read(folder: Path, name: str) -> Instance:
    numbers = np.array((folder / f"model_{name}.txt").read_text().split(), dtype=np.int64)
    at = 0

    def take(count: int) -> Ints:
        nonlocal at
        at += count
        found: Ints = numbers[at - count : at]
        return found

    resources = int(take(1)[0])
    kinds = take(2 * resources).reshape(resources, 2)
    machines = int(take(1)[0])
    rows = take(machines * (2 + 2 * resources + machines)).reshape(machines, -1)
    services = int(take(1)[0])
    spread, needs = [], []
    for _ in range(services):
        least, count = take(2)
        spread.append(int(least))
        needs.append(tuple(int(each) for each in take(int(count))))
    processes = int(take(1)[0])
    asked = take(processes * (2 + resources)).reshape(processes, -1)
    balances = []
    for _ in range(int(take(1)[0])):
        one, two, target, weight = (int(each) for each in take(4))
        balances.append((one, two, target, weight))
    weights = tuple(int(each) for each in take(3))
    first = np.array((folder / f"assignment_{name}.txt").read_text().split(), dtype=np.int64)
    return Instance(
        kinds[:, 0].astype(np.bool_),
        kinds[:, 1],
        rows[:, 0],
        rows[:, 1],
        rows[:, 2 : 2 + resources],
        rows[:, 2 + resources : 2 + 2 * resources],
        rows[:, 2 + 2 * resources :],
        np.array(spread, dtype=np.int64),
        tuple(needs),
        asked[:, 0],
        asked[:, 1:-1],
        asked[:, -1],
        tuple(balances),
        (weights[0], weights[1], weights[2]),
        first,
    )


def used(case: Instance, at: Ints) -> Ints:
    found = np.zeros_like(case.capacity)
    np.add.at(found, at, case.demand)
    return found


def machine_part(case: Instance, use: Ints, machines: Any) -> Ints:
    """Load and balance cost of machines with that use; any leading shape before the resources."""
    cost: Ints = (case.load_weight * np.maximum(0, use - case.safety[machines])).sum(axis=-1)
    free = case.capacity[machines] - use
    for one, two, target, weight in case.balances:
        cost = cost + weight * np.maximum(0, target * free[..., one] - free[..., two])
    return cost


def cost(case: Instance, at: Ints) -> int:
    """The whole objective, from the definition."""
    machines = np.arange(len(case.capacity))
    moved = np.flatnonzero(at != case.first)
    per_service = np.bincount(case.service[moved], minlength=len(case.spread))
    total: int = int(machine_part(case, used(case, at), machines).sum())
    total += case.weights[0] * int(case.move_cost[moved].sum())
    total += case.weights[1] * int(per_service.max(initial=0))
    total += case.weights[2] * int(case.machine_cost[case.first[moved], at[moved]].sum())
    return total


def violations(case: Instance, at: Ints) -> int:
    """How many constraints are broken, told apart from the search."""
    both = used(case, at)
    moved = np.flatnonzero(at != case.first)
    np.add.at(both, case.first[moved], case.demand[moved] * case.transient)
    wrong = int((both > case.capacity).sum())
    pairs = np.unique(np.stack([case.service, at]), axis=1).shape[1]
    wrong += len(at) - pairs
    places = np.unique(np.stack([case.service, case.location[at]]), axis=1)[0]
    wrong += int((np.bincount(places, minlength=len(case.spread)) < case.spread).sum())
    near: list[set[int]] = [set() for _ in case.spread]
    for process, machine in enumerate(at.tolist()):
        near[int(case.service[process])].add(int(case.neighbourhood[machine]))
    broken: int = wrong + sum(
        not near[one] <= near[other] for one, every in enumerate(case.needs) for other in every
    )
    return broken


class Search:
    """Shifts of one process, and swaps of two, each only where it lowers the cost."""

    def __init__(self, case: Instance, seed: int) -> None:
        self.case, self.draw = case, np.random.default_rng(seed)
        self.at = case.first.copy()
        self.use = used(case, self.at)
        self.ghost = np.zeros_like(self.use)
        """Transient usage left behind by processes that were moved away."""
        services, machines = len(case.spread), len(case.capacity)
        self.here = np.zeros((services, machines), dtype=np.bool_)
        self.here[case.service, self.at] = True
        self.near = np.zeros((services, int(case.neighbourhood.max()) + 1), dtype=np.int32)
        self.places = np.zeros((services, int(case.location.max()) + 1), dtype=np.int32)
        np.add.at(self.near, (case.service, case.neighbourhood[self.at]), 1)
        np.add.at(self.places, (case.service, case.location[self.at]), 1)
        self.spread_now = (self.places > 0).sum(axis=1)
        self.dependents: list[list[int]] = [[] for _ in range(services)]
        for one, every in enumerate(case.needs):
            for other in every:
                self.dependents[other].append(one)
        self.part = machine_part(case, self.use, np.arange(machines))

    def move_part(self, process: int, machines: Any) -> Ints:
        case, home = self.case, self.case.first[process]
        away = case.weights[0] * case.move_cost[process] + case.weights[2] * case.machine_cost[home, machines]
        found: Ints = np.where(np.asarray(machines) == home, 0, away)
        return found

    def may(self, process: int, freed: Ints | None = None, at: int = -1) -> NDArray[np.bool_]:
        """Machines that may take it; on machine `at`, `freed` counts as gone."""
        case, service, own = self.case, int(self.case.service[process]), int(self.at[process])
        home = int(case.first[process])
        wanted = self.use + self.ghost + case.demand[process]
        wanted[home] -= np.where(case.transient & (own != home), case.demand[process], 0)
        if freed is not None:
            wanted[at] -= freed
        ok: NDArray[np.bool_] = (wanted <= case.capacity).all(axis=1) & ~self.here[service]
        region, place = int(case.neighbourhood[own]), int(case.location[own])
        if self.places[service, place] == 1 and self.spread_now[service] <= case.spread[service]:
            ok &= (self.places[service] == 0)[case.location] | (case.location == place)
        for other in case.needs[service]:
            ok &= (self.near[other] > 0)[case.neighbourhood]
        if self.near[service, region] == 1 and any(
            self.near[one, region] for one in self.dependents[service]
        ):
            ok &= case.neighbourhood == region
        return ok

    def shift(self, process: int) -> bool:
        """To the best machine, if that lowers the cost."""
        case, own = self.case, int(self.at[process])
        allowed = np.flatnonzero(self.may(process))
        if not len(allowed):
            return False
        less = machine_part(case, self.use[own] - case.demand[process], own) - self.part[own]
        more = machine_part(case, self.use[allowed] + case.demand[process], allowed) - self.part[allowed]
        gain = less + more + self.move_part(process, allowed) - self.move_part(process, own)
        best = int(gain.argmin())
        if gain[best] >= 0:
            return False
        self.put(process, int(allowed[best]))
        return True

    def put(self, process: int, target: int) -> None:
        case, own, service = self.case, int(self.at[process]), int(self.case.service[process])
        home, demand = int(case.first[process]), case.demand[process]
        self.use[own] -= demand
        self.use[target] += demand
        kept = np.where(case.transient, demand, 0)
        self.ghost[home] += kept * (int(own == home) - int(target == home))
        self.here[service, own], self.here[service, target] = False, True
        for table, kind in ((self.near, case.neighbourhood), (self.places, case.location)):
            table[service, kind[own]] -= 1
            table[service, kind[target]] += 1
        self.spread_now[service] = int((self.places[service] > 0).sum())
        self.at[process] = target
        for machine in (own, target):
            self.part[machine] = machine_part(case, self.use[machine], machine)

    def swap(self, process: int, tries: int) -> bool:
        """With another process, if both then lie better."""
        case, own = self.case, int(self.at[process])
        others = self.draw.integers(len(self.at), size=tries)
        there = self.at[others]
        others = others[(there != own) & (case.service[others] != case.service[process])]
        if not len(others):
            return False
        there = self.at[others]
        change = case.demand[others] - case.demand[process]
        gain = machine_part(case, self.use[own] + change, own) - self.part[own]
        gain = gain + machine_part(case, self.use[there] - change, there) - self.part[there]
        gain = gain + self.move_part(process, there) - self.move_part(process, own)
        homes = case.first[others]
        for end, sign in ((np.full(len(others), own), 1), (there, -1)):
            away = case.weights[0] * case.move_cost[others] + case.weights[2] * case.machine_cost[homes, end]
            gain = gain + sign * np.where(end == homes, 0, away)
        for index in np.argsort(gain, kind="stable")[:3].tolist():
            if gain[index] >= 0:
                return False
            other, target = int(others[index]), int(there[index])
            stays = case.transient & (int(case.first[other]) == target)  # counts at home while it moves
            if not self.may(process, np.where(stays, 0, case.demand[other]), target)[target]:
                continue
            self.put(process, target)
            if self.may(other)[own]:
                self.put(other, own)
                return True
            self.put(process, own)
        return False

    def run(self, until: float) -> None:
        """Shifts in rounds, hottest machines first, until they help no more; then swaps and shifts."""
        quiet = 0
        while time.perf_counter() < until:
            rank = self.part[self.at] + self.draw.random(len(self.at))
            order = np.argsort(-rank, kind="stable") if quiet == 0 else self.draw.permutation(len(self.at))
            changed = 0
            for count, process in enumerate(order.tolist()):
                if count % 64 == 0 and time.perf_counter() > until:
                    return
                changed += self.shift(process)
                if quiet:
                    changed += self.swap(process, 256)
            if changed < len(self.at) // 200:
                quiet += 1


def measure(settings: Settings) -> list[Claim]:
    """Share of (original cost - lower bound) that is gained in 60 s; the winners' 300 s beside it."""
    folder = settings.folder("roadef2012")
    lines = (folder / "bounds.csv").read_text().splitlines()[1:]
    known = {line.split(",")[0]: line.split(",")[1:4] for line in lines}
    claims: list[Claim] = []
    for name, reach in REACH.items():
        original, bound = int(known[name][0]), int(known[name][1])
        s41 = known[name][2]
        case = read(folder, name)
        assert cost(case, case.first) == original, f"{name}: the published original cost is another"
        search = Search(case, seed=1)
        search.run(time.perf_counter() + SECONDS)
        wrong, reached = violations(case, search.at), cost(case, search.at)
        share = (original - reached) / (original - bound)
        others = {"S41, 300 s": round((original - int(s41)) / (original - bound), 5)} if s41 else {}
        told = {"cost": reached, "violations": wrong, "original": original, "bound": bound}
        words = f"ROADEF 2012 {name}: share of the possible improvement in {SECONDS:g} s"
        holds = share >= reach and wrong == 0
        claims.append(Claim(words, round(share, 5), others, f">= {reach}, no violation", holds, (told,)))
    return claims
