"""Moves that run at once: when each starts and ends, and its share of the links."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.model.cluster import Host, MoveLimits
from standfast.model.ids import HostId
from standfast.model.units import GIB
from standfast.predict.together import Flow, Flown, between, fly, last_end, one_between

A, B, C, D = (HostId(name) for name in "abcd")
NARROW = {host: MoveLimits(1, 1) for host in (A, B, C, D)}


def leg(source: HostId, target: HostId, seconds: float, group: str = "", done: float | None = None) -> Flow:
    """One that takes so long alone, and as many times longer as its link is divided."""
    return Flow(source, target, lambda share: seconds * share, (group,) if group else (), done)


def flown(
    *legs: Flow,
    limits: Mapping[HostId, MoveLimits] | None = None,
    at_once: int = 4,
    speeds: Mapping[HostId, float] | None = None,
) -> list[Flown]:
    return fly(legs, speeds=speeds or {}, limits=limits or {}, at_once=at_once)


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([], 0.0),
        ([leg(A, B, 10.0)], 10.0),
        ([leg(A, B, 10.0), leg(A, C, 10.0)], 20.0),
        ([leg(A, B, 10.0), leg(C, D, 10.0)], 10.0),
        ([leg(A, C, 10.0), leg(B, C, 10.0)], 20.0),
        ([leg(A, B, 10.0), leg(B, A, 10.0)], 10.0),
        ([leg(A, B, 10.0), leg(A, B, 20.0), leg(A, B, 30.0)], 60.0),
    ],
    ids=["none", "one", "shared source", "apart", "shared target", "full duplex", "three"],
)
def test_moves_share_links_and_nothing_else(legs: list[Flow], expected: float) -> None:
    assert last_end(flown(*legs)) == pytest.approx(expected)


def test_limits_make_moves_wait() -> None:
    legs = [leg(A, B, 10.0), leg(C, B, 10.0), leg(C, D, 10.0)]
    assert last_end(flown(*legs, limits=NARROW)) == pytest.approx(20.0)
    assert last_end(flown(*legs, limits=NARROW, at_once=1)) == pytest.approx(30.0)


def test_a_move_that_can_not_start_does_not_hold_up_the_next() -> None:
    legs = [leg(A, B, 10.0), leg(A, B, 10.0), leg(C, D, 10.0)]
    assert [each.begin for each in flown(*legs, limits=NARROW)] == pytest.approx([0.0, 10.0, 0.0])


def test_limits_of_nought_do_not_stop_time() -> None:
    assert last_end(flown(leg(A, B, 1.0), limits={A: MoveLimits(0, 0)}, at_once=0)) == pytest.approx(1.0)


def test_two_of_a_group_are_never_in_the_air_together() -> None:
    first, second, other = flown(leg(A, B, 5.0, "web"), leg(C, D, 5.0, "web"), leg(D, A, 5.0))
    assert second.begin == pytest.approx(first.begin + first.seconds)
    assert other.begin == 0.0


def test_a_move_that_is_joined_half_way_has_its_share_in_the_mean() -> None:
    short, long = flown(leg(A, B, 10.0), leg(A, C, 20.0))
    assert (short.seconds, short.share) == pytest.approx((20.0, 2.0))
    assert long.seconds == pytest.approx(30.0), "10 of 20 s done in 20, the rest alone"
    assert long.share == pytest.approx(5 / 3, abs=0.13), "two thirds of its time with another"


def test_what_is_in_the_air_has_only_its_rest_to_go() -> None:
    old, new = flown(leg(A, B, 10.0, done=0.5), leg(A, C, 10.0), limits=NARROW)
    assert old.seconds == pytest.approx(5.0)
    assert new.begin == pytest.approx(5.0)


def test_a_slow_port_leaves_the_rest_of_a_fast_one_to_others() -> None:
    speeds = {A: 10.0, B: 1.0, C: 10.0}
    slow, fast = flown(leg(A, B, 10.0), leg(A, C, 10.0), speeds=speeds)
    assert slow.share == pytest.approx(1.0), "its own end is what holds it"
    assert fast.share == pytest.approx(1.0, abs=0.13), "nine tenths of the port are left to it"


def test_fair_shares_are_those_of_the_busiest_end_and_the_rest_is_used() -> None:
    wide = {host: MoveLimits(3, 3) for host in (A, B, C, D)}
    legs = [leg(A, D, 30.0), leg(B, D, 30.0), leg(C, D, 30.0), leg(A, B, 20.0)]
    *thirds, rest = flown(*legs, limits=wide)
    assert rest.share == pytest.approx(1.5), "two thirds of its source, which others can't use"
    assert all(each.share > rest.share for each in thirds)


def test_a_set_up_takes_no_link_and_is_not_stretched() -> None:
    def with_set_up(share: float) -> float:
        return 4.0 + 2.0 * share

    legs = [Flow(A, B, with_set_up), Flow(A, C, with_set_up)]
    assert last_end(flown(*legs)) == pytest.approx(8.0), "one after another they take 12 s"


WAYS = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 9), st.sampled_from(["", "web"]))


@settings(max_examples=80, deadline=None)
@given(st.lists(WAYS, min_size=1), st.integers(1, 4), st.data())
def test_one_of_them_is_told_as_it_is_with_all_the_others(
    ways: list[tuple[int, int, int, str]], at_once: int, data: st.DataObject
) -> None:
    hosts = [Host(host, str(host), GIB, limits=MoveLimits(2, 2, wanted=True)) for host in (A, B, C, D)]
    flows = [
        leg(hosts[out].id, hosts[into].id, float(seconds), group, None if group or out else 0.25)
        for out, into, seconds, group in ways
    ]
    index = data.draw(st.integers(0, len(flows) - 1))
    expected = between(hosts, flows, at_once=at_once)[index]
    assert one_between(hosts, flows, index, at_once=at_once) == expected


def test_no_more_than_may_be_are_in_the_air_at_once() -> None:
    legs = [leg(A, B, 3.0), leg(B, C, 2.0), leg(C, D, 2.0), leg(D, A, 1.0), leg(A, C, 1.0)]
    found = flown(*legs, at_once=2)
    moments = [each.begin for each in found]
    for moment in moments:
        assert sum(each.begin <= moment < each.begin + each.seconds - 1e-9 for each in found) <= 2
