"""From measured dirty rates at several windows to a curve: which classes of pages explain them.

QEMU's `calc-dirty-rate`, called with windows from 50 ms to a minute, says D(t) at a dozen points, each with
the noise of its sample. Any mixture of page classes is linear in the sizes of the classes, so the sizes are
found by least squares over a fixed grid of periods, with no size below zero (Lawson and Hanson, 1974). That
keeps the curve at 0 at 0, rising, concave and within memory whatever the noise, and needs no other smoothing:
few classes carry weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from standfast.model.memory import DirtyPoint
from standfast.predict.dirty import NOTHING, DirtyCurve, PageClass

PER_DECADE = 5
"""Periods tried per factor of ten. Finer changes D(t) by less than a percent between the points."""

BEYOND = 30.0
"""The slowest class takes that many times the longest window, the fastest a third of the shortest."""

TO_EARN = 0.5
"""How many standard deviations of its chance correlation a class written in turn has to explain at least."""

SHORT_SECONDS, MOST_UNSTEADY = 1.0, 0.5
"""Windows up to a second tell of bursts; a deviation beyond a half says no more than that."""

TRUST = 0.02
"""Relative error of a point that no sample size removes: the guest itself is not the same twice."""


def curve_of(points: Sequence[DirtyPoint], size_bytes: float, sampled_share: float = 1.0) -> DirtyCurve:
    """The curve that explains the points.

    `size_bytes`: memory that can be written at all, zero pages left out. `sampled_share`: of all pages, how
    many were looked at (512 of 262,144 in each GiB by default); it says how far a point can be off.

    Classes written at random explain most guests. Classes written in turn (a mixture of the first bends
    gently, a sweep over memory sharply) have to earn their place: each must explain more than chance would.
    """
    useful = sorted((p for p in points if p.seconds > 0 and p.bytes >= 0), key=lambda p: p.seconds)
    if not useful or size_bytes <= 0 or not any(p.bytes for p in useful):
        return NOTHING
    seen = [(p.seconds, min(1.0, p.bytes / size_bytes)) for p in useful]
    periods = _periods(useful[0].seconds, useful[-1].seconds)
    atoms = [PageClass(1.0, period, regular) for regular in (False, True) for period in periods]
    found = _mixture(atoms, seen, [1.0 / _deviation(share, size_bytes, sampled_share) for _, share in seen])
    sized = tuple(replace(each, size_bytes=each.size_bytes * size_bytes) for each in found)
    unsteady = _unsteady(found, seen, size_bytes, sampled_share)
    return DirtyCurve(sized, unsteady).within(size_bytes)


def _mixture(
    atoms: Sequence[PageClass], seen: Sequence[tuple[float, float]], weights: Sequence[float]
) -> list[PageClass]:
    """The classes that carry weight, as shares of memory."""
    weighted = list(zip(seen, weights, strict=True))
    rows = [[atom.share(seconds) * w for atom in atoms] + [0.0] for (seconds, _), w in weighted]
    wanted = [share * w for (_, share), w in weighted]
    # All classes and what is never written are the memory: a row of its own that outweighs the others.
    heavy = 10.0 * max(weights)
    rows.append([heavy] * (len(atoms) + 1))
    wanted.append(heavy)
    columns = range(len(atoms) + 1)
    gram = [[sum(row[i] * row[j] for row in rows) for j in columns] for i in columns]
    target = [sum(row[i] * want for row, want in zip(rows, wanted, strict=True)) for i in columns]
    for index, atom in enumerate(atoms):
        if atom.regular:
            target[index] -= TO_EARN * math.sqrt(gram[index][index] - heavy * heavy)
    sizes = nonnegative(gram, target)[:-1]
    return [replace(a, size_bytes=size) for a, size in zip(atoms, sizes, strict=True) if size > 1e-9]


def _unsteady(
    found: Sequence[PageClass], seen: Sequence[tuple[float, float]], size_bytes: float, sampled_share: float
) -> float:
    """How much short spans differ from the curve beyond what their sample explains: the guest's bursts."""
    excess = []
    for seconds, share in seen:
        expected = sum(each.size_bytes * each.share(seconds) for each in found)
        if seconds <= SHORT_SECONDS and expected > 0:
            deviation = _deviation(expected, size_bytes, sampled_share) / expected
            excess.append((share / expected - 1) ** 2 - deviation**2)
    mean = sum(excess) / len(excess) if len(excess) > 1 else 0.0
    return min(MOST_UNSTEADY, math.sqrt(max(0.0, mean)))


def _deviation(share: float, size_bytes: float, sampled_share: float) -> float:
    """Of one point: that of a share found in a sample, and what a repeat would differ by anyway."""
    pages = max(1.0, size_bytes / 4096 * min(1.0, max(sampled_share, 1e-9)))
    unseen = max(0.0, 1.0 - sampled_share)
    chance = unseen * (share * (1 - share) + 1 / pages) / pages
    return math.sqrt(chance + (TRUST * share) ** 2 + 1e-16)


def _periods(shortest: float, longest: float) -> list[float]:
    low, high = math.log10(shortest / 3), math.log10(longest * BEYOND)
    count = max(2, round((high - low) * PER_DECADE))
    return [10 ** (low + (high - low) * step / count) for step in range(count + 1)]


def nonnegative_least_squares(rows: Sequence[Sequence[float]], wanted: Sequence[float]) -> list[float]:
    """The x >= 0 that makes |rows · x - wanted| least."""
    columns = range(len(rows[0]))
    gram = [[sum(row[i] * row[j] for row in rows) for j in columns] for i in columns]
    return nonnegative(
        gram, [sum(row[i] * want for row, want in zip(rows, wanted, strict=True)) for i in columns]
    )


def nonnegative(gram: Sequence[Sequence[float]], target: Sequence[float]) -> list[float]:
    """The x >= 0 that makes xᵀ · gram · x / 2 - target · x least, gram being symmetric and not negative
    (Lawson and Hanson, Solving Least Squares Problems, 23.3)."""
    columns = len(target)
    tolerance = 1e-10 * max(map(abs, target), default=0.0)
    active: list[int] = []
    solution = [0.0] * columns
    for _ in range(3 * columns):
        slope = [
            target[i] - sum(gram[i][j] * solution[j] for j in active) if i not in active else -math.inf
            for i in range(columns)
        ]
        best = max(range(columns), key=slope.__getitem__)
        if slope[best] <= tolerance:
            break
        active.append(best)
        if not _settle(gram, target, active, solution):
            break
    return solution


def _settle(
    gram: Sequence[Sequence[float]], target: Sequence[float], active: list[int], solution: list[float]
) -> bool:
    """Move to the least squares of the active columns, dropping those that it would take below zero."""
    while active:
        proposed = _solve([[gram[i][j] for j in active] for i in active], [target[i] for i in active])
        if proposed is None:
            solution[active.pop()] = 0.0
            return False
        if all(value > 0 for value in proposed):
            for index, value in zip(active, proposed, strict=True):
                solution[index] = value
            return True
        step = min(
            solution[index] / (solution[index] - value)
            for index, value in zip(active, proposed, strict=True)
            if value <= 0
        )
        for index, value in zip(active, proposed, strict=True):
            solution[index] += step * (value - solution[index])
        for index in [index for index in active if solution[index] <= 1e-14]:
            solution[index] = 0.0
            active.remove(index)
    return False


def _solve(matrix: list[list[float]], right: list[float]) -> list[float] | None:
    """A small positive definite system by elimination with pivoting; None if it is singular."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for column in range(size):
        pivot = max(range(column, size), key=lambda each: abs(rows[each][column]))
        if abs(rows[pivot][column]) <= 1e-13 * max(1e-300, abs(matrix[column][column])):
            return None
        rows[column], rows[pivot] = rows[pivot], rows[column]
        for below in range(column + 1, size):
            factor = rows[below][column] / rows[column][column]
            if factor:
                rows[below] = [a - factor * b for a, b in zip(rows[below], rows[column], strict=True)]
    solution = [0.0] * size
    for column in reversed(range(size)):
        known = sum(rows[column][j] * solution[j] for j in range(column + 1, size))
        solution[column] = (rows[column][size] - known) / rows[column][column]
    return solution
