"""Curves from measured points."""

from __future__ import annotations

import math

import pytest

from standfast.model.memory import DirtyPoint
from standfast.predict.dirty import NOTHING, DirtyCurve, PageClass, steady
from standfast.predict.measured import curve_of, nonnegative_least_squares

GIB = 1024**3
WINDOWS = (0.05, 0.125, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0)


@pytest.mark.parametrize(
    "truth",
    [
        DirtyCurve((PageClass(0.3 * GIB, 2.0),)),
        DirtyCurve((PageClass(0.3 * GIB, 2.0, regular=True),)),
        DirtyCurve((PageClass(0.05 * GIB, 0.1), PageClass(2 * GIB, 40.0))),
        DirtyCurve((PageClass(0.01 * GIB, 0.03), PageClass(GIB, 8.0, regular=True))),
    ],
    ids=["one set", "a sweep", "hot and cold", "hot and a sweep"],
)
def test_the_points_tell_what_lies_between_and_a_little_beyond(truth: DirtyCurve) -> None:
    points = [DirtyPoint(t, truth.bytes_after(t)) for t in WINDOWS]
    found = curve_of(points, 4 * GIB)
    for seconds in (0.07, 0.3, 0.7, 1.5, 3.0, 15.0):
        assert found.bytes_after(seconds) == pytest.approx(truth.bytes_after(seconds), rel=0.05)
    # The widest gap, in which a sweep that ends at 8 s can't be told from one that ends at 7 s.
    assert found.bytes_after(10.0) == pytest.approx(truth.bytes_after(10.0), rel=0.15)
    assert found.bytes_after(20.0) == pytest.approx(truth.bytes_after(20.0), rel=0.15)


def test_points_that_say_nothing_was_written_give_a_guest_that_writes_nothing() -> None:
    assert curve_of([DirtyPoint(1.0, 0.0)], GIB) == NOTHING
    assert curve_of([], GIB) == NOTHING


def test_a_curve_never_exceeds_memory_and_never_falls() -> None:
    """Whatever the points: here they contradict each other and memory."""
    found = curve_of([DirtyPoint(1, 3 * GIB), DirtyPoint(2, GIB), DirtyPoint(4, 9 * GIB)], 2 * GIB)
    values = [found.bytes_after(t / 10) for t in range(1000)]
    assert values == sorted(values)
    assert values[-1] <= 2 * GIB * (1 + 1e-9)


def test_a_single_rate_is_one_over_its_window() -> None:
    """A page written twice in the window counts once; the rate at the first instant is higher."""
    curve = steady(0.5 * GIB, GIB, window_seconds=1.0)
    assert curve.bytes_after(1.0) == pytest.approx(0.5 * GIB)
    assert curve.bytes_per_second == pytest.approx(math.log(2) * GIB)


def test_a_rate_that_fills_memory_in_its_window_stays_finite() -> None:
    assert math.isfinite(steady(2 * GIB, GIB, window_seconds=1.0).bytes_per_second)


def test_least_squares_without_negative_sizes() -> None:
    rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    assert nonnegative_least_squares(rows, [2.0, 3.0, 5.0]) == pytest.approx([2.0, 3.0])
    assert nonnegative_least_squares(rows, [2.0, -3.0, 1.0]) == pytest.approx([1.5, 0.0])
