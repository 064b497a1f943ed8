"""The search over reassignments of machines, on instances from a seed."""

from __future__ import annotations

import numpy as np
import pytest
from bench._roadef import Instance, cost, violations
from bench._roadef_search import Search


def instance(seed: int) -> Instance:
    """8 machines, 60 processes of 25 services; spread, needs, transient usage and a balance cost."""
    draw = np.random.default_rng(seed)
    machines, processes, services = 8, 60, 25
    service = draw.integers(services, size=processes)
    at = np.array(
        [(each * 3 + draw.integers(2) * 4 + index) % machines for index, each in enumerate(service)],
        dtype=np.int64,
    )
    kept = np.unique(np.stack([service, at]), axis=1, return_index=True)[1]  # one of a service per machine
    service, at = service[kept], at[kept]
    demand = draw.integers(1, 12, size=(len(at), 3))
    use = np.zeros((machines, 3), dtype=np.int64)
    np.add.at(use, at, demand)
    place, region = np.arange(machines) % 4, np.arange(machines) % 2
    spread = np.array([len(set(place[at[service == each]].tolist())) for each in range(services)])
    regions = [set(region[at[service == each]].tolist()) for each in range(services)]
    needs = tuple(
        tuple(other for other in range(services) if other != each and regions[each] <= regions[other])[:2]
        for each in range(services)
    )
    return Instance(
        transient=np.array([False, True, False]),
        load_weight=np.array([10, 5, 1]),
        neighbourhood=region,
        location=place,
        capacity=use + draw.integers(5, 30, size=use.shape),
        safety=np.full_like(use, int(use.mean() * 0.9)),
        machine_cost=draw.integers(0, 3, size=(machines, machines)),
        spread=np.minimum(spread, 2),
        needs=needs,
        service=service,
        demand=demand,
        move_cost=draw.integers(0, 3, size=len(at)),
        balances=((0, 1, 1, 2),),
        weights=(1, 1, 1),
        first=at,
    )


@pytest.mark.parametrize("seed", range(4))
def test_it_ends_where_no_pair_of_machines_helps_and_breaks_nothing_on_the_way(seed: int) -> None:
    case = instance(seed)
    assert violations(case, case.first) == 0
    search = Search(case, seed)
    search.run(30)
    assert violations(case, search.at) == 0
    assert cost(case, search.at) < cost(case, case.first)
    assert not any(search.pair(one, other) for one in range(8) for other in range(one + 1, 8))


def test_what_it_keeps_is_what_a_new_search_would_read() -> None:
    case = instance(5)
    search = Search(case, 5)
    search.run(30)
    again = Search(case, 5)
    for process in np.flatnonzero(search.at != case.first).tolist():
        again.put(process, int(search.at[process]))
    again._read_needs()
    for name in ("at", "use", "ghost", "here", "near", "places", "spread_now", "lacks", "wanted", "part"):
        assert np.array_equal(getattr(search, name), getattr(again, name)), name
    assert search.inside == again.inside


def test_the_judge_finds_what_is_broken() -> None:
    case = instance(1)
    crowded = np.zeros_like(case.first)
    assert violations(case, crowded) > 0
