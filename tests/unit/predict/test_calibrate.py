"""What a history teaches."""

from __future__ import annotations

import random

import pytest

from standfast.model.learnt import Line
from standfast.predict.calibrate import P95_FACTOR, Past, Way, at_stop, calibrate, estimate, fit_transport
from standfast.predict.fit import Point, fit

FIXED = 0.8


def history(count: int, *, noise: float = 0.05, seed: int = 1, again: float = 1.0) -> list[Past]:
    """Moves that take 4 s and 1.3 times the first copy, `again` times the rest, give or take `noise`."""
    chance = random.Random(seed)
    moves = []
    for number in range(count):
        once, more = chance.uniform(5, 60), chance.uniform(0, 20)
        seconds = (4.0 + 1.3 * once + again * more) * chance.lognormvariate(0, noise)
        moves.append(Past(Way("tcp", "a", "b", f"vm{number}"), Point(once, more, seconds)))
    return moves


def test_a_line_is_found_in_noise_and_among_moves_that_hung() -> None:
    points = [past.point for past in history(200, again=1.3)]
    hung = [Point(p.once, p.again, 20 * p.seconds) for p in points[:20]]
    line = fit(points + hung, FIXED)
    for once, again, within in ((5.0, 0.0, 0.1), (30.0, 5.0, 0.05), (60.0, 20.0, 0.05)):
        assert line.at(once, again) == pytest.approx(4.0 + 1.3 * (once + again), rel=within)


def test_a_term_of_its_own_is_fitted_only_where_the_history_shows_one() -> None:
    same, other = (fit([p.point for p in history(200, again=again)], FIXED) for again in (1.3, 0.2))
    assert same.once == same.again
    assert other.again == pytest.approx(0.2, abs=0.1)


def test_a_short_history_moves_the_scale_alone() -> None:
    assert fit([Point(10, 0, 20.8)] * 3, FIXED) == Line(FIXED, 2.0, 2.0)


def test_no_history_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no move"):
        fit([Point(10, 0, 0)], FIXED)


def test_transports_share_nothing() -> None:
    slow = [Past(Way("block"), Point(10, 0, 100))]
    learnt = calibrate([*history(50), *slow], FIXED)
    assert learnt.get("block") is not None
    assert learnt.get("block") != learnt.get("tcp")
    assert learnt.get("rdma") is None


def test_a_vm_that_always_takes_longer_is_expected_to_take_longer_and_others_are_not() -> None:
    moves = history(100)
    special = Way("tcp", "a", "b", "special")
    moves += [Past(special, Point(20, 2, 2 * (4 + 26 + 2)))] * 4
    found = fit_transport(moves, FIXED)
    expected = found.line.at(20, 2)
    assert estimate(found, special, 20, 2).p50 > 1.5 * expected
    assert estimate(found, Way("tcp", "a", "b", "new"), 20, 2).p50 == pytest.approx(expected, rel=0.02)


def test_a_pair_seen_once_hardly_counts() -> None:
    noisy = history(60, noise=0.3)
    moves = [Past(Way("tcp", "a", "b", "one"), past.point) for past in noisy]
    odd = Way("tcp", "a", "far", "one")
    moves.append(Past(odd, Point(20, 0, 60.0)))
    found = fit_transport(moves, FIXED)
    assert estimate(found, odd, 20, 0).p50 < 45


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_nineteen_of_twenty_later_moves_stay_within_p95(noise: float) -> None:
    found = fit_transport(history(300, noise=noise), FIXED)
    later = history(2000, noise=noise, seed=2)
    within = 0
    for past in later:
        told = estimate(found, Way("tcp", "c", "d", "new"), past.point.once, past.point.again)
        within += past.point.seconds <= told.p95
    assert 0.92 <= within / len(later) <= 0.98


def test_a_short_history_keeps_the_default_spread_at_least() -> None:
    assert fit_transport(history(5), FIXED).ratio_p95 >= P95_FACTOR


def test_what_is_left_is_untouched_memory_after_one_pass_and_real_after_many() -> None:
    assert at_stop(0.3, 0.0, 0.5) == pytest.approx(0.15)
    assert at_stop(0.3, 30.0, 0.5) == pytest.approx(0.3)
    assert at_stop(0.3, 0.0, 2.0) == pytest.approx(0.3), "never more than what is left"
    between = [at_stop(0.3, again / 10, 0.5) for again in range(20)]
    assert between == sorted(between)
    assert at_stop(0.0, 1.0, 0.5) == 0.0
