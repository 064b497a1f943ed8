"""Machine reassignment (ROADEF/EURO 2012): its files, cost and constraints, told from the definition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


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
