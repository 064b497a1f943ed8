"""Hosts that a rule keeps out of one wave change places with others: none costs a wave of its own."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from standfast.plan.apart import in_waves


def split(order: list[int], widths: list[int]) -> list[list[int]]:
    hosts = iter(order)
    return [list(islice(hosts, width)) for width in widths]


def test_without_groups_the_order_stays() -> None:
    assert in_waves([3, 1, 2], {1: frozenset(), 2: frozenset(), 3: frozenset()}, {}, [1, 2]) == [3, 1, 2]


def test_a_pair_at_the_end_is_parted_by_an_exchange_with_an_earlier_wave() -> None:
    groups = {0: frozenset[int](), 1: frozenset[int](), 2: frozenset({7}), 3: frozenset({7})}
    waves = split(in_waves([0, 1, 2, 3], groups, {7: 1}, [2, 2]), [2, 2])
    assert all(len(wave) == 2 for wave in waves)
    assert not any({2, 3} <= set(wave) for wave in waves)


def test_hosts_that_no_wave_may_take_come_last() -> None:
    groups = {host: frozenset({7}) for host in range(3)}
    assert sorted(in_waves([0, 1, 2], groups, {7: 1}, [3])) == [0, 1, 2]


@given(
    st.lists(st.frozensets(st.integers(0, 5), max_size=2), min_size=1, max_size=14),
    st.integers(1, 5),
)
def test_every_host_has_one_place(members: list[frozenset[int]], width: int) -> None:
    order = list(range(len(members)))
    widths = [width] * -(-len(order) // width)
    found = in_waves(order, dict(enumerate(members)), dict.fromkeys(range(6), 1), widths)
    assert sorted(found) == order
