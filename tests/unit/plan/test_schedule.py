"""List schedules keep every limit, never beat their bound, and are bettered by trying other priorities."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.plan.schedule import Floats, Jobs, shortest, starts

JOBS = st.lists(
    st.tuples(st.integers(1, 20), st.sets(st.integers(0, 4), min_size=1, max_size=3)), min_size=1, max_size=12
)


def made(jobs: list[tuple[int, set[int]]], streams: list[int]) -> Jobs:
    return Jobs.of([float(length) for length, _ in jobs], [sorted(uses) for _, uses in jobs], streams)


def most_at_once(jobs: Jobs, begin: Floats, resource: int) -> int:
    mine = np.flatnonzero((jobs.uses == resource).any(axis=1)).tolist()
    ends = begin + jobs.seconds - 1e-6
    return max((sum(begin[o] <= begin[job] < ends[o] for o in mine) for job in mine), default=0)


def end(jobs: Jobs, begin: Floats) -> float:
    return float((begin + jobs.seconds).max())


@settings(deadline=None)
@given(JOBS, st.lists(st.integers(1, 3), min_size=5, max_size=5))
def test_no_resource_is_overfull_and_no_schedule_is_shorter_than_its_bound(
    jobs: list[tuple[int, set[int]]], streams: list[int]
) -> None:
    told = made(jobs, streams)
    for begin in (starts(told), shortest(told, 6)):
        assert all(most_at_once(told, begin, each) <= streams[each] for each in range(5))
        assert end(told, begin) >= told.bound() - 1e-6
    assert end(told, shortest(told, 6)) <= end(told, starts(told)) + 1e-9


def test_jobs_that_share_nothing_start_together() -> None:
    assert starts(made([(3, {0}), (5, {1})], [1, 1])).tolist() == [0.0, 0.0]


def test_jobs_of_one_port_follow_one_another_without_a_gap() -> None:
    told = made([(3, {0}), (5, {0}), (2, {0})], [1])
    assert end(told, starts(told)) == 10.0
