"""When the next migration over a link begins: as that before it ends, or beside one that is late."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_build import host, move, ready, run, snapshot, vm

from standfast.model.cluster import Host, MoveLimits
from standfast.model.ids import HostId
from standfast.model.moves import Flight
from standfast.model.policy import Policy
from standfast.model.run import Phase
from standfast.model.units import MIB
from standfast.predict.precopy import SETUP_SECONDS
from standfast.run import links
from standfast.run.seen import Seen, View

GBIT = 1_000_000_000
POLICY = Policy(tick_seconds=1.0)
RATE = 100.0 * MIB


def flight(seconds_left: float) -> Flight:
    left = int(seconds_left * RATE)
    return Flight(HostId("b"), remaining_bytes=left, bytes_per_second=RATE, iteration=1)


def may_go(
    flying: Flight | None,
    *,
    now: float = 101.0,
    ours: bool = True,
    target: str = "c",
    speed: int = GBIT,
    limits: MoveLimits | None = None,
) -> bool:
    """Whether w may leave a while v is on its way from there to b."""
    names = ("a", "b", "c")
    hosts = tuple(_fast(host(name), speed, limits if name == "a" else None) for name in names)
    row = ready("a", Phase.DRAINING)
    moves = (move("v", "a", "b"),) if ours else ()
    seen = Seen(snapshot(hosts, vm("v", "a", flight=flying), vm("w", "a")))
    view = View.of(run(row, policy=POLICY, moves=moves), seen, now)
    waiting = view.snapshot.vm(seen.snapshot.vms[1].id)
    assert waiting is not None
    return links.may_fly(view, waiting, HostId(target), 1)


def _fast(about: Host, speed: int, limits: MoveLimits | None) -> Host:
    return replace(about, migration_bits_per_second=speed, limits=limits or MoveLimits())


def test_a_link_that_one_move_fills_takes_the_next_when_it_is_nearly_over() -> None:
    soon = SETUP_SECONDS + POLICY.tick_seconds
    assert not may_go(flight(soon + 0.5))
    assert may_go(flight(soon - 0.5))


@pytest.mark.parametrize("target", ["b", "c"])
def test_neither_end_is_shared(target: str) -> None:
    assert not may_go(flight(60.0), target=target)


def test_a_move_that_has_only_been_asked_for_fills_its_link() -> None:
    assert not may_go(None)
    assert not may_go(Flight(HostId("b")))


def test_nothing_waits_for_a_move_that_is_late() -> None:
    assert not may_go(flight(60.0), now=103.0)
    assert may_go(flight(60.0), now=105.0), "its p95 was 4 s"


def test_nothing_waits_for_a_guest_that_writes_faster_than_it_is_copied() -> None:
    lagging = replace(flight(60.0), iteration=5, dirty_bytes_per_second=RATE)
    assert may_go(lagging)


def test_somebody_elses_move_counts_only_for_the_limits() -> None:
    assert may_go(flight(60.0), ours=False)


def test_a_faster_link_takes_several() -> None:
    assert may_go(flight(60.0), speed=25 * GBIT)


def test_a_limit_that_somebody_set_holds_whatever_the_link() -> None:
    assert may_go(flight(60.0), limits=MoveLimits(3, 3, wanted=True))
    assert not may_go(flight(0.1), limits=MoveLimits(1, 1, wanted=True))
