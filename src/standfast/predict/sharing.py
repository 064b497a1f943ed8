"""How migrations that run at once divide ports and uplinks: max-min fair, as TCP streams come out in time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Resource = TypeVar("Resource", bound=Hashable)


def max_min(
    flows: Sequence[Sequence[Resource]],
    capacities: Mapping[Resource, float],
    most: float = float("inf"),
) -> list[float]:
    """The rate of each flow over the resources that it crosses (a port out, a port in, an uplink).

    Water filling: all rates rise together until a resource is full; its flows keep their rate, the others
    rise on. No flow gets more than `most` (what one stream can carry). In the unit of `capacities`, which
    must name every resource; a resource without capacity gives its flows nothing. KeyError for one that is
    not named.
    """
    rates = [0.0] * len(flows)
    left = {resource: max(0.0, float(capacity)) for resource, capacity in capacities.items()}
    rising = {index for index, flow in enumerate(flows) if flow}
    for index, flow in enumerate(flows):
        if not flow:
            rates[index] = most
    level = 0.0
    while rising:
        users: dict[Resource, int] = {}
        for index in rising:
            for resource in set(flows[index]):
                users[resource] = users.get(resource, 0) + 1
        step = min(*(left[resource] / count for resource, count in users.items()), most - level)
        level += step
        for resource, count in users.items():
            left[resource] = max(0.0, left[resource] - step * count)
        full = {r for r in users if left[r] <= 1e-9 * max(1.0, capacities[r])}
        done = rising if level >= most else {i for i in rising if full.intersection(flows[i])}
        for index in done:
            rates[index] = level
        rising = rising - done
    return rates
