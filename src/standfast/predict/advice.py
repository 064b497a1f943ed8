"""What to do with a VM that can't keep its black-out budget, in figures.

Each way out is tried in the round model, not looked up: a longer downtime limit, a faster link, a slowed
guest, post-copy. What does not help is said as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from standfast.model.cluster import Host, Vm
from standfast.model.learnt import Learnt
from standfast.model.moves import Prediction
from standfast.model.units import span
from standfast.predict.engine import Path
from standfast.predict.postcopy import PostCopy, post_copy
from standfast.predict.precopy import (
    GOODPUT,
    copying,
    engine_for,
    goodput_bytes_per_second,
    guest_of,
    predict_move,
)

LIMITS_SECONDS = (0.001, 64.0)
"""Downtime limits that are tried. QEMU takes up to 2,000 s, which nobody would call live."""

SPEEDS_BITS_PER_SECOND = (1e7, 4e11)
STEPS = 24


@dataclass(frozen=True, slots=True)
class Assessment:
    """One move looked at from all sides. None where there is no such value within what is tried."""

    predicted: Prediction
    budget_seconds: float
    keeps_budget: bool
    smallest_limit_seconds: float | None
    """The smallest downtime limit with which pre-copy converges on this link."""
    smallest_bits_per_second: float | None
    """The slowest link on which it converges within the budget."""
    slowed: Prediction | None
    """With auto-converge, where that is needed and helps."""
    post_copy: PostCopy
    advice: tuple[str, ...]


def assess(
    vm: Vm,
    source: Host,
    target: Host,
    *,
    budget_seconds: float,
    bits_per_second: int | None = None,
    share: float = 1.0,
    learnt: Learnt | None = None,
) -> Assessment:
    """Predict the move and, where the budget is not kept, what would keep it. `budget_seconds` > 0."""
    told = replace(vm, blackout_budget_seconds=budget_seconds)
    rate = goodput_bytes_per_second(source, target, bits_per_second=bits_per_second, share=share)
    predicted = predict_move(
        told, source, target, bits_per_second=bits_per_second, share=share, learnt=learnt
    )
    keeps = predicted.converges and predicted.blackout_p95_seconds <= budget_seconds
    limit = smallest_limit(told, rate)
    speed = smallest_speed(told)
    slowed = None
    if not predicted.converges:
        slower = predict_move(
            told,
            source,
            target,
            bits_per_second=bits_per_second,
            share=share,
            auto_converge=True,
            learnt=learnt,
        )
        slowed = slower if slower.converges else None
    guest, _ = guest_of(told)
    after = post_copy(guest, Path(rate), engine_for(told))
    found = Assessment(predicted, budget_seconds, keeps, limit, speed, slowed, after, ())
    return replace(found, advice=_advice(found, rate))


def smallest_limit(vm: Vm, bytes_per_second: float) -> float | None:
    """The smallest downtime limit in seconds with which pre-copy ends at that rate; None up to 64 s."""
    guest, _ = guest_of(vm)
    engine = engine_for(vm)

    def ends(limit: float) -> bool:
        return copying(guest, Path(bytes_per_second), replace(engine, downtime_limit_seconds=limit)).converges

    return _smallest(ends, *LIMITS_SECONDS)


def smallest_speed(vm: Vm) -> float | None:
    """The slowest link, in bits per second nominal, on which pre-copy ends within the VM's downtime limit."""
    guest, _ = guest_of(vm)
    engine = engine_for(vm)

    def ends(bits: float) -> bool:
        return copying(guest, Path(GOODPUT * bits / 8), engine).converges

    return _smallest(ends, *SPEEDS_BITS_PER_SECOND)


def _smallest(holds: Callable[[float], bool], low: float, high: float) -> float | None:
    """The least value for which it holds, by bisection of the logarithm; above it, it always holds."""
    if not holds(high):
        return None
    if holds(low):
        return low
    for _ in range(STEPS):
        middle = (low * high) ** 0.5
        if holds(middle):
            high = middle
        else:
            low = middle
    return high


def _advice(found: Assessment, rate: float) -> tuple[str, ...]:
    """Sentences, best first; none where the budget is kept with something to spare."""
    predicted, budget = found.predicted, span(found.budget_seconds)
    if found.keeps_budget:
        if predicted.sure:
            return ()
        return ("It converges, but not by much: move it when it is quieter, and by itself.",)
    fixed = predicted.blackout_p95_seconds - predicted.switch_seconds
    if predicted.converges and fixed > found.budget_seconds:
        return (
            f"Of its black-out, {span(fixed)} depend neither on memory nor on the link: no bandwidth brings "
            f"it below {budget}. Raise its budget.",
        )
    said = [_about_limit(found.smallest_limit_seconds)]
    needed = found.smallest_bits_per_second
    if needed is not None and GOODPUT * needed / 8 > rate:
        said.append(f"It needs {needed / 1e9:.2g} Gbit/s to itself to keep {budget} of black-out.")
    if found.slowed is not None:
        spans = f"{span(found.slowed.brownout_seconds)} and {span(found.slowed.blackout_seconds)} dark"
        said.append(f"With auto-converge, which slows the guest, it takes {spans}.")
    elif not predicted.converges:
        said.append("Slowing the guest (auto-converge) does not make it converge in time.")
    after = found.post_copy
    said.append(
        f"Post-copy would take {span(after.brownout_seconds)}, be {span(after.blackout_seconds)} dark, then "
        f"fetch pages for {span(after.tail_seconds)}, during which a lost link loses the guest."
    )
    return tuple(said)


def _about_limit(limit: float | None) -> str:
    if limit is None:
        return "No downtime limit up to a minute makes it converge on this link."
    return f"The smallest downtime limit with which it converges on this link is {span(limit)}."
