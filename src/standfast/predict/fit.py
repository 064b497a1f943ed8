"""One robust line through a history: measured seconds from the model's own terms.

    seconds = fixed + once · (seconds to copy memory once) + again · (seconds to copy what was dirtied)

The terms come from the round model at the path's nominal speed, so `once` is what the nominal speed is worth
on this transport (1.10 for a gigabit TCP stream, 2.7 where a 10 Gbit/s link carries 3.7). The loss is the sum
of relative errors, the same by which a prediction is judged; a move that hung for an hour pulls no more than
one that was twice as slow. No coefficient may be negative.

How many coefficients a history can carry is decided by the history: of the three nested forms the simplest is
taken whose cross-validated errors exceed those of the best by no more than one standard error (Breiman et
al., CART, 3.4.3), compared move by move, so that moves which nobody can predict do not blur the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from standfast.model.learnt import Line
from standfast.predict.measured import nonnegative

FOLDS = 5
ENOUGH_FOR_A_LINE = 6
"""Below that many moves only the scale is fitted: the fixed part stays the default."""

SMOOTH = 1e-3
"""Relative errors below this weigh alike; makes the sum of errors solvable by weighted least squares."""

STEPS = 30


@dataclass(frozen=True, slots=True)
class Point:
    """One finished move: what the model said of it, and how long it took (all in seconds)."""

    once: float
    again: float
    seconds: float


Form = Callable[[Sequence[Point], float], Line]


def fit(points: Sequence[Point], fixed: float, form: Form | None = None) -> Line:
    """The line of that form, else of the simplest that explains the points; `fixed` is the default fixed
    part.

    `points` must hold at least one with positive seconds and terms; others are left out. ValueError else.
    """
    good = [p for p in points if _usable(p)]
    if not good:
        raise ValueError("there is no move with a positive duration to fit to")
    return (form or simplest(good, fixed))(good, fixed)


def _usable(point: Point) -> bool:
    terms = (point.once, point.again, point.seconds)
    return all(math.isfinite(t) and t >= 0 for t in terms) and point.seconds > 0 and point.once > 0


def simplest(points: Sequence[Point], fixed: float) -> Form:
    """The form with the fewest coefficients whose cross-validated error is that of the best, or nearly."""
    good = [p for p in points if _usable(p)]
    if len(good) < ENOUGH_FOR_A_LINE:
        return _scale
    errors = [_left_out_errors(good, fixed, form) for form in FORMS]
    best = min(errors, key=sum)
    return next(form for form, each in zip(FORMS, errors, strict=True) if _as_good(each, best))


def _left_out_errors(points: Sequence[Point], fixed: float, form: Form) -> list[float]:
    """The relative error of each point by a line that was fitted without it."""
    errors = [0.0] * len(points)
    for fold in range(FOLDS):
        line = form([p for index, p in enumerate(points) if index % FOLDS != fold], fixed)
        for index in range(fold, len(points), FOLDS):
            point = points[index]
            errors[index] = abs(line.at(point.once, point.again) / point.seconds - 1)
    return errors


def _as_good(errors: Sequence[float], best: Sequence[float]) -> bool:
    """Whether the mean excess over the best, point by point, is within its own standard error."""
    excess = [mine - its for mine, its in zip(errors, best, strict=True)]
    mean = sum(excess) / len(excess)
    variance = sum((each - mean) ** 2 for each in excess) / max(1, len(excess) - 1)
    return mean <= math.sqrt(variance / len(excess))


def _scale(points: Sequence[Point], fixed: float) -> Line:
    """The default fixed part, and one factor for all copying: the median one."""
    factors = sorted(max(0.0, p.seconds - fixed) / (p.once + p.again) for p in points)
    middle = median(factors)
    if middle <= 0:  # quicker than the fixed part alone: then that is wrong as well
        return Line(0.0, ratio := median([p.seconds / (p.once + p.again) for p in points]), ratio)
    return Line(fixed, middle, middle)


def _line(points: Sequence[Point], _: float) -> Line:
    fixed, once = _least_errors([(1.0, p.once + p.again) for p in points], [p.seconds for p in points])
    return Line(fixed, once, once)


def _full(points: Sequence[Point], _: float) -> Line:
    found = _least_errors([(1.0, p.once, p.again) for p in points], [p.seconds for p in points])
    return Line(*found)


FORMS: tuple[Form, ...] = (_scale, _line, _full)


def _least_errors(rows: Sequence[tuple[float, ...]], seconds: Sequence[float]) -> list[float]:
    """Coefficients >= 0 with the least sum of relative errors, by reweighted least squares."""
    relative = [tuple(value / s for value in row) for row, s in zip(rows, seconds, strict=True)]
    columns = range(len(relative[0]))
    weights = [1.0] * len(rows)
    found: list[float] = []
    for _ in range(STEPS):
        pairs = list(zip(relative, weights, strict=True))
        gram = [[sum(row[i] * row[j] * w for row, w in pairs) for j in columns] for i in columns]
        new = nonnegative(gram, [sum(row[i] * w for row, w in pairs) for i in columns])
        if found and all(abs(a - b) <= 1e-5 * max(1e-3, abs(a)) for a, b in zip(new, found, strict=True)):
            return new
        found = new
        left = (sum(value * c for value, c in zip(row, found, strict=True)) - 1 for row in relative)
        weights = [1 / max(abs(residual), SMOOTH) for residual in left]
    return found


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones. ValueError for none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
