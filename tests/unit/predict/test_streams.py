"""How many migrations at once a host's link is worth."""

from __future__ import annotations

import pytest

from standfast.model.cluster import Host, MoveLimits
from standfast.model.ids import HostId
from standfast.predict.streams import limits, streams
from standfast.predict.together import Flow, between, last_end

GBIT = 1_000_000_000


def host(name: str, speed: int | None, **set_by_somebody: int) -> Host:
    about = MoveLimits(**set_by_somebody, wanted=True) if set_by_somebody else MoveLimits()
    return Host(HostId(name), name, 2**36, migration_bits_per_second=speed, limits=about)


@pytest.mark.parametrize(
    ("speed", "found"), [(None, 1), (GBIT, 1), (10 * GBIT, 1), (25 * GBIT, 3), (100 * GBIT, 10)]
)
def test_one_migration_fills_a_link_of_up_to_ten_gigabits(speed: int | None, found: int) -> None:
    assert streams(host("a", speed)) == found


def test_no_more_go_at_once_than_fill_the_link_nor_than_the_host_takes() -> None:
    assert limits(host("a", GBIT)) == MoveLimits(1, 1)
    assert limits(host("a", 100 * GBIT)) == MoveLimits(2, 2)


def test_whoever_has_set_a_limit_gets_it() -> None:
    assert limits(host("a", GBIT, outbound=4, inbound=3)) == MoveLimits(4, 3, wanted=True)


def test_moves_over_a_full_link_are_told_one_after_the_other() -> None:
    def slower(share: float) -> float:
        return 10.0 * share * 1.2 if share > 1 else 10.0

    flows = [Flow(HostId("a"), HostId(to), slower) for to in ("b", "c", "b")]
    usual = [host(name, GBIT) for name in "abc"]
    told = between(usual, flows, at_once=16)
    assert [each.begin for each in told] == [0.0, 10.0, 20.0]
    assert last_end(told) == 30.0
    wanted = [host(name, GBIT, outbound=2, inbound=2) for name in "abc"]
    assert last_end(between(wanted, flows, at_once=16)) > 30.0
