"""The rounds, against closed forms and against what QEMU is known to do."""

from __future__ import annotations

import pytest

from standfast.predict.dirty import NOTHING, DirtyCurve, PageClass, hot_cold, steady
from standfast.predict.engine import AutoConverge, Engine, Path
from standfast.predict.postcopy import post_copy
from standfast.predict.rounds import Guest, copy

GIB = 1024**3
RATE = 117.5e6
OLD = Engine(chunk_bytes=None)


def test_linear_dirtying_follows_the_geometric_series() -> None:
    """V/B · (1 + rho + rho² + …) with everything protected anew at each synchronisation."""
    linear = DirtyCurve((PageClass(16 * GIB, 16 * GIB / (0.4 * RATE), regular=True),))
    told = copy(Guest(16 * GIB, linear), Path(RATE), OLD)
    assert told.seconds == pytest.approx(16 * GIB / RATE / (1 - 0.4), rel=0.02)


def test_protecting_by_chunk_halves_what_is_dirty_after_the_first_round() -> None:
    """A page is protected when it is about to be sent, half a round before the end in the mean."""
    guest = Guest(64 * GIB, steady(0.2 * RATE, 64 * GIB))
    old, new = copy(guest, Path(RATE), OLD), copy(guest, Path(RATE), Engine())
    assert (new.seconds - new.first_seconds) < 0.65 * (old.seconds - old.first_seconds)


def test_a_guest_smaller_than_a_chunk_knows_no_difference() -> None:
    guest = Guest(0.9 * GIB, steady(30e6, 0.5 * GIB))
    assert copy(guest, Path(RATE), OLD) == copy(guest, Path(RATE), Engine())


def test_a_guest_is_stopped_with_nearly_a_limits_worth_of_pages() -> None:
    told = copy(Guest(4 * GIB, steady(30e6, GIB)), Path(RATE), Engine(downtime_limit_seconds=0.3))
    assert 0.2 * RATE < told.left_bytes <= 0.3 * RATE


@pytest.mark.parametrize(("hot_share", "converges"), [(0.8, True), (1.3, False)])
def test_what_is_written_all_the_time_has_to_fit_into_the_limit(hot_share: float, converges: bool) -> None:
    """Of a set written over and over all pages are dirty whenever QEMU looks; it converges iff they fit."""
    hot = hot_share * 0.3 * RATE
    guest = Guest(4 * GIB, DirtyCurve((PageClass(hot, 0.001),)))
    assert copy(guest, Path(RATE), Engine()).converges is converges


def test_a_guest_that_writes_faster_than_the_link_does_not_converge() -> None:
    told = copy(Guest(4 * GIB, steady(2 * RATE, 3 * GIB)), Path(RATE), Engine(), patience_seconds=200)
    assert not told.converges
    assert told.seconds == 200


def test_slowing_the_guest_step_by_step_makes_it_converge() -> None:
    guest = Guest(4 * GIB, steady(2 * RATE, 3 * GIB))
    told = copy(guest, Path(RATE), Engine(auto_converge=AutoConverge()))
    assert told.converges
    assert 0.2 <= told.throttle <= 0.99


def test_many_zero_pages_pass_as_fast_as_they_are_looked_at() -> None:
    told = copy(Guest(64 * GIB, NOTHING, zero_share=1.0), Path(RATE), Engine(pages_per_second=1e6))
    assert told.first_seconds == pytest.approx(64 * GIB / 4096 / 1e6)


def test_a_guest_without_memory_takes_no_time() -> None:
    told = copy(Guest(0.0, NOTHING), Path(RATE), Engine())
    assert told.converges
    assert told.seconds == 0.0


def test_a_path_without_bandwidth_is_refused() -> None:
    with pytest.raises(ValueError, match="bandwidth above zero"):
        copy(Guest(GIB, NOTHING), Path(0.0), Engine())


def test_a_limit_of_nothing_needs_a_guest_that_writes_nothing() -> None:
    engine = Engine(downtime_limit_seconds=0.0)
    assert copy(Guest(GIB, NOTHING), Path(RATE), engine).converges
    assert not copy(Guest(GIB, steady(80e6, GIB)), Path(RATE), engine, patience_seconds=100).converges


def test_post_copy_is_dark_for_state_and_bitmap_whatever_is_written() -> None:
    engine, path = Engine(), Path(RATE)
    idle = post_copy(Guest(64 * GIB, NOTHING, state_bytes=1e6), path, engine)
    busy = post_copy(Guest(64 * GIB, steady(10 * RATE, 60 * GIB), state_bytes=1e6), path, engine)
    assert idle.blackout_seconds == busy.blackout_seconds
    assert busy.blackout_seconds == pytest.approx(engine.stop_seconds + (1e6 + 64 * GIB / 4096 / 8) / RATE)
    assert busy.tail_seconds > 50 * idle.tail_seconds


def test_hot_and_cold_memory_are_two_classes() -> None:
    curve = hot_cold(96e6, 2.0, 2e6, 2e9)
    assert curve.bytes_after(1.0) == pytest.approx(48e6 + 2e6, rel=0.01)
    assert curve.bytes_after(10.0) == pytest.approx(96e6 + 20e6, rel=0.01)
