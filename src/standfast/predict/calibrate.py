"""What a history says that no model can know: the fixed costs, the real speed, the spread.

Moves are gathered per transport (a fabric and a way over it: nothing is shared between block migration and
shared storage), and each transport gets one line (`predict.fit`). What the line leaves over is looked at in
two steps, the pair of hosts and then the VM on that way: its own former moves say how it differs. Both
differences are shrunk towards nothing by how much repeats of the same move differ anyway (James and Stein's
idea: a group counts as far as its groups differ more than its members do), so a pair seen once hardly counts.

The interval is what was really seen: quantiles of measured over predicted on moves that the fit had not seen,
with the rank that holds for the next move too (split conformal: ceil((n + 1) · 0.95)). A history too short to
hold a 95th percentile takes the default spread instead, or the widest seen if that is wider.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from standfast.model.learnt import Fitted
from standfast.predict.fit import FOLDS, Form, Point, fit, median, simplest

P95_FACTOR = 1.5
"""p95 over p50 without a history. 90th-percentile errors of published models on KVM are 12 to 46 %
(SoCC'15)."""

ENOUGH_FOR_P95 = 19
"""The least number of moves among which the 95th percentile is one of them."""

FARTHEST = 1.0
"""Natural logarithm of the largest ratio that counts towards a group: beyond, a move went wrong, not
slowly."""

PRIOR = 4.0
"""How many groups or repeats the prior is worth: that groups do not differ, and that repeats of one move
differ as all moves do. With few of either, little is believed."""

NORMAL_MEDIAN_SQUARE = 0.4549
"""Median of the square of a standard normal: a variance that wild values do not blow up."""


@dataclass(frozen=True, slots=True)
class Way:
    """Which move it is: the VM, its two ends, and over what. Empty where not known."""

    transport: str = ""
    source: str = ""
    target: str = ""
    vm: str = ""

    @property
    def pair(self) -> str:
        return f"{self.source}>{self.target}"

    @property
    def own(self) -> str:
        return f"{self.source}>{self.target}>{self.vm}"


@dataclass(frozen=True, slots=True)
class Past:
    """One finished move: which, what the model said, how long it took."""

    way: Way
    point: Point


@dataclass(frozen=True, slots=True)
class Estimate:
    """p50 and p95 in seconds, and how many moves stand behind them."""

    p50: float
    p95: float
    moves: int = 0


def estimate(fitted: Fitted, way: Way, once: float, again: float) -> Estimate:
    """Seconds that this move takes; `once` and `again` as in `predict.fit`."""
    shift = fitted.pairs.get(way.pair, 0.0) + fitted.vms.get(way.own, 0.0)
    p50 = fitted.line.at(once, again) * math.exp(shift)
    ratio = fitted.own_ratio_p95 if way.own in fitted.vms else fitted.ratio_p95
    return Estimate(p50, p50 * ratio, fitted.moves)


def at_stop(switch: float, again: float, sent: float) -> float:
    """Seconds on the wire of what is left when the guest is stopped, if only `sent` of memory is really sent.

    After one pass it is memory like any other, and untouched pages in it take no time. After more passes it
    is what was written lately, all of it real: `again` is how long that took, in seconds as `switch`.
    """
    first = math.exp(-again / switch) if switch > 0 else 0.0
    return switch * (first * min(1.0, sent) + 1 - first)


def calibrate(history: Sequence[Past], fixed_seconds: float) -> dict[str, Fitted]:
    """Learn of each transport from finished moves; those without a positive duration are left out.

    `fixed_seconds`: the fixed part where a history is too short to tell.
    """
    gathered: dict[str, list[Past]] = {}
    for past in history:
        if past.point.seconds > 0 and past.point.once > 0:
            gathered.setdefault(past.way.transport, []).append(past)
    return {name: fit_transport(moves, fixed_seconds) for name, moves in gathered.items()}


def fit_transport(moves: Sequence[Past], fixed_seconds: float) -> Fitted:
    """One transport's fit, its spread judged on moves that each part of the fit had not seen."""
    pooled: list[float] = []
    own: list[float] = []
    form = simplest([past.point for past in moves], fixed_seconds)
    if len(moves) >= 2 * FOLDS:
        for fold in range(FOLDS):
            seen = [past for index, past in enumerate(moves) if index % FOLDS != fold]
            partly = _fitted(seen, fixed_seconds, form)
            for past in moves[fold::FOLDS]:
                told = estimate(partly, past.way, past.point.once, past.point.again)
                ratio = past.point.seconds / told.p50
                (own if past.way.own in partly.vms else pooled).append(ratio)
    whole = _fitted(moves, fixed_seconds, form)
    # A VM's own history narrows the spread only where enough such moves have shown that it does.
    wide = _ratio_p95(pooled + own if len(pooled) < ENOUGH_FOR_P95 else pooled)
    narrow = _ratio_p95(own) if len(own) >= ENOUGH_FOR_P95 else wide
    return replace(whole, ratio_p95=wide, own_ratio_p95=min(narrow, wide))


def _fitted(moves: Sequence[Past], fixed_seconds: float, form: Form) -> Fitted:
    line = fit([past.point for past in moves], fixed_seconds, form)
    left = []
    for past in moves:
        ratio = past.point.seconds / max(1e-9, line.at(past.point.once, past.point.again))
        left.append((past.way, max(-FARTHEST, min(FARTHEST, math.log(ratio)))))
    pairs = _shrunk([(way.pair, over) for way, over in left])
    rest = [(way.own, over - pairs.get(way.pair, 0.0)) for way, over in left]
    return Fitted(line, len(moves), P95_FACTOR, P95_FACTOR, pairs, _shrunk(rest))


def _shrunk(values: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Each group's median difference, shrunk by the spread within groups over that between them."""
    groups: dict[str, list[float]] = {}
    for key, value in values:
        groups.setdefault(key, []).append(value)
    repeats = [value - median(group) for group in groups.values() if len(group) > 1 for value in group]
    freedom = len(repeats) - sum(len(group) > 1 for group in groups.values())
    if freedom < 1 or len(groups) < 2:
        return {}
    usual = median([value * value for _, value in values]) / NORMAL_MEDIAN_SQUARE
    within = (sum(value * value for value in repeats) + PRIOR * usual) / (freedom + PRIOR)
    centres = {key: median(group) for key, group in groups.items()}
    chance = sum(within / len(group) for group in groups.values())
    between = (sum(centre * centre for centre in centres.values()) - chance) / (len(groups) + PRIOR)
    if between <= 0:
        return dict.fromkeys(groups, 0.0)
    return {key: centre * between / (between + within / len(groups[key])) for key, centre in centres.items()}


def _ratio_p95(ratios: Sequence[float]) -> float:
    ordered = sorted(ratios)
    if len(ordered) < ENOUGH_FOR_P95:
        return max([P95_FACTOR, *ordered])
    rank = min(len(ordered), math.ceil((len(ordered) + 1) * 0.95))
    return max(1.0, ordered[rank - 1])
