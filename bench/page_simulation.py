"""Predictions beside a page-level simulation of QEMU's loop, and beside the plain D(T) model.

Each case draws a guest (memory, zero pages, one to three kinds of work), a link and a downtime limit. Both
models get what an operator would have and no more: `calc-dirty-rate` at windows up to half a minute, the
share of zero pages, a link measured to a percent. The plain model is Gudkov's (qemu-devel, 2023) in this
file's own words: X = D(T) on straight lines between the points, rounds that end with nothing left.

Guests are a sixteenth of the size they stand for (8 to 64 GiB), with links, chunks, dirty rates and samples a
sixteenth as well: nothing in the loop knows a size, and only the chance of single pages weighs more.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import _pages as pages
from bench.claim import Claim, Settings
from standfast.model.memory import DirtyPoint
from standfast.predict.engine import AutoConverge, Engine, Path
from standfast.predict.measured import curve_of
from standfast.predict.rounds import Guest, copy

CASES, CASES_FULL = 2000, 6000
SEED = 20_230_418
SCALE = 16
WINDOWS = (0.05, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
REPEATS, REPEATED_UP_TO = 4, 1.0
"""Windows up to a second are measured four times over: it takes eight seconds more, and shows bursts."""
SAMPLE_PAGES_PER_GIB = 4096
"""For the half of the cases that sample; QEMU takes 128 to 16,384. The others use its dirty-bitmap mode."""
CHUNK_PAGES = (1 << 18) // SCALE
STATE_BYTES = 2_000_000 // SCALE
PAGES_PER_SECOND = 1.5e6 / SCALE
P90_ERROR, WRONG_VERDICTS, OF_PLAIN = 0.12, 0.015, 0.5
GIB = 1024**3
GIGABIT = 125_000_000.0


@dataclass(frozen=True)
class Drawn:
    """One case before anybody predicts: what was drawn, what was measured of it, and what came of it."""

    number: int
    work: str
    sampled_share: float
    memory_bytes: int
    told_bytes_per_second: float
    options: pages.Settings
    measured: pages.Measured
    outcome: pages.Outcome


@dataclass(frozen=True)
class Told:
    """What a model says: seconds in total, of which dark, and whether it ends by the deadline."""

    total: float
    blackout: float
    converges: bool


@dataclass(frozen=True)
class Case:
    drawn: Drawn
    ours: Told
    plain: Told


def measure(settings: Settings) -> list[Claim]:
    """Three claims: the error, the verdicts, and the error beside the plain model's."""
    count = CASES_FULL if settings.full else CASES
    with ProcessPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        drawn = pool.map(draw, range(count), [SEED] * count, chunksize=8)
        return claims([judge(each) for each in drawn])


def judge(drawn: Drawn) -> Case:
    return Case(drawn, ours(drawn), plain(drawn))


def draw(number: int, seed: int) -> Drawn:
    """Draw, measure, simulate. The same number and seed give the same case."""
    rng = np.random.default_rng((seed, number))
    rate = _between(rng, 1.0, 25.0) * GIGABIT / SCALE
    count = int(min(64 * GIB / SCALE, rate * _between(rng, 4.0, 40.0))) // pages.PAGE
    guest, work = draw_guest(rng, count, rate)
    once = float(np.where(guest.zero, 9, 4104).sum()) / rate
    slowed = bool(rng.random() < 0.15)
    options = pages.Settings(
        downtime_limit=_between(rng, 0.05, 1.5),
        chunk_pages=CHUNK_PAGES if rng.random() < 0.7 else None,
        auto_converge=slowed,
        deadline=max(30.0, (12.0 if slowed else 6.0) * once),
        scan_pages_per_second=PAGES_PER_SECOND,
    )
    sampled = SAMPLE_PAGES_PER_GIB if rng.random() < 0.5 else None
    windows = [window for window in WINDOWS if window < 2 * once]
    windows = sorted(windows + (REPEATS - 1) * [window for window in windows if window <= REPEATED_UP_TO])
    # As many pages as on the guest that this one stands for.
    measured = pages.calc_dirty_rate(guest, rng, windows, None if sampled is None else sampled * SCALE)
    outcome = pages.Migration(guest, pages.Link(rate), options, rng).run()
    told = rate * (1 + rng.normal(0, 0.01))
    share = 1.0 if sampled is None else min(1.0, sampled * SCALE * pages.PAGE / GIB)
    return Drawn(number, work, share, count * pages.PAGE, told, options, measured, outcome)


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def draw_guest(rng: np.random.Generator, count: int, link: float) -> tuple[pages.Guest, str]:
    """A guest of so many pages whose busy memory lies somewhere in it, and words for its work.

    What it writes at first is a tenth of to eight times what the link carries, to sets of 2 to 60 % of
    memory.
    """
    zero = np.zeros(count, dtype=bool)
    free = int(rng.uniform(0.0, 0.7) * count)
    first = int(rng.integers(0, count))
    zero[np.arange(first, first + free // 2) % count] = True  # never touched since boot
    for first in rng.integers(0, count, size=16):  # freed and cleared since
        zero[first : first + free // 32] = True
    writers: list[pages.Writer] = []
    words = []
    writes = _between(rng, 0.1, 8.0) * link / pages.PAGE
    for share in rng.dirichlet(np.ones(int(rng.integers(1, 4)))):
        size = max(64, int(_between(rng, 0.02, 0.6) * count))
        first = int(rng.integers(0, count - size))
        zero[first : first + size] = False
        kind = str(rng.choice(["uniform", "zipf", "sweep", "bursts"], p=[0.45, 0.3, 0.2, 0.05]))
        writers.append(_writer(rng, kind, first, size, float(writes * share)))
        words.append(kind)
    return pages.Guest(count, zero, writers, state_bytes=STATE_BYTES), "+".join(sorted(words))


def _writer(rng: np.random.Generator, kind: str, first: int, size: int, rate: float) -> pages.Writer:
    if kind == "zipf":
        return pages.Zipf(first, size, rate, float(rng.uniform(0.5, 0.99)))
    if kind == "sweep":
        return pages.Sweep(first, size, rate, float(rng.uniform(0, size)))
    steady = pages.Uniform(first, size, rate)
    if kind == "bursts":
        return pages.Bursts(steady, float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.3, 0.8)))
    return steady


def ours(drawn: Drawn) -> Told:
    """Our model with its defaults, told what QEMU was told."""
    memory, options, rate = drawn.memory_bytes, drawn.options, drawn.told_bytes_per_second
    points = [DirtyPoint(seconds, share * memory) for seconds, share in drawn.measured.points]
    curve = curve_of(points, memory * (1 - drawn.measured.zero_share), drawn.sampled_share)
    engine = Engine(
        downtime_limit_seconds=options.downtime_limit,
        chunk_bytes=None if options.chunk_pages is None else options.chunk_pages * pages.PAGE,
        pages_per_second=options.scan_pages_per_second,
        auto_converge=AutoConverge() if options.auto_converge else None,
    )
    guest = Guest(memory, curve, drawn.measured.zero_share, STATE_BYTES)
    found = copy(guest, Path(rate), engine, patience_seconds=options.deadline)
    dark = engine.stop_seconds + (found.left_bytes + STATE_BYTES) / rate
    return Told(engine.setup_seconds + found.seconds + dark, dark, found.converges)


def plain(drawn: Drawn) -> Told:
    """The plain model; fixed costs are given to it as to ours."""
    memory, rate, zero = drawn.memory_bytes, drawn.told_bytes_per_second, drawn.measured.zero_share
    seen: dict[float, list[float]] = {0.0: [0.0]}
    for seconds, share in drawn.measured.points:
        seen.setdefault(seconds, []).append(share * memory)
    times, dirty = list(seen), [sum(values) / len(values) for values in seen.values()]
    wire = memory * ((1 - zero) * 4104 + zero * 9) / 4096
    total = drawn.options.setup
    while total < drawn.options.deadline:
        span = wire / rate
        total += span
        left = float(np.interp(span, times, dirty)) * 4104 / 4096
        if left <= rate * drawn.options.downtime_limit:
            dark = drawn.options.switchover + (left + STATE_BYTES) / rate
            return Told(total + dark, dark, True)
        if left >= 0.9999 * wire:
            break
        wire = left
    return Told(drawn.options.deadline, 0.0, False)


def errors(cases: Sequence[Case], who: str, what: str = "total") -> list[float]:
    """Relative errors over the cases that end, by the simulation and by the model; ascending."""
    found = []
    for case in cases:
        told: Told = getattr(case, who)
        if case.drawn.outcome.converged and told.converges:
            found.append(float(abs(getattr(told, what) / getattr(case.drawn.outcome, what) - 1)))
    return sorted(found)


def wrong(cases: Sequence[Case], who: str) -> float:
    """The share of cases whose end was foretold wrongly."""
    missed = [bool(getattr(c, who).converges != c.drawn.outcome.converged) for c in cases]
    return sum(missed) / len(cases)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that at least that share of all does not exceed."""
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def claims(cases: Sequence[Case]) -> list[Claim]:
    whole = {who: errors(cases, who) for who in ("ours", "plain")}
    p90 = {who: round(quantile(found, 0.9), 4) for who, found in whole.items()}
    median = {who: round(quantile(found, 0.5), 4) for who, found in whole.items()}
    bad = {who: round(wrong(cases, who), 4) for who in ("ours", "plain")}
    dark = {who: round(quantile(errors(cases, who, "blackout"), 0.9), 4) for who in ("ours", "plain")}
    summary = {
        "cases": len(cases),
        "converged": sum(case.drawn.outcome.converged for case in cases),
        "median_error": median,
        "p90_error": p90,
        "p90_blackout_error": dark,
        "wrong_verdicts": bad,
    }
    rows: tuple[dict[str, Any], ...] = (summary, *(_instance(case) for case in cases))
    ratio = round(p90["ours"] / p90["plain"], 4)
    many = len(cases) >= CASES
    return [
        Claim(
            "p90 error of the total, page-level simulation of QEMU",
            p90["ours"],
            {"plain": p90["plain"]},
            f"<= {P90_ERROR}",
            many and p90["ours"] <= P90_ERROR,
            rows,
        ),
        Claim(
            "wrong verdicts on convergence, page-level simulation of QEMU",
            bad["ours"],
            {"plain": bad["plain"]},
            f"<= {WRONG_VERDICTS}",
            many and bad["ours"] <= WRONG_VERDICTS,
            (summary,),
        ),
        Claim(
            "p90 error as a share of the plain model's",
            ratio,
            {"plain": 1.0},
            f"<= {OF_PLAIN}",
            many and ratio <= OF_PLAIN,
            (summary,),
        ),
    ]


def _instance(case: Case) -> dict[str, Any]:
    drawn, outcome = case.drawn, case.drawn.outcome
    return {
        "case": drawn.number,
        "work": drawn.work,
        "memory_mib": drawn.memory_bytes >> 20,
        "limit_s": round(drawn.options.downtime_limit, 3),
        "chunked": drawn.options.chunk_pages is not None,
        "auto_converge": drawn.options.auto_converge,
        "simulated": [outcome.converged, round(outcome.total, 2), round(outcome.blackout, 3), outcome.rounds],
        "ours": [case.ours.converges, round(case.ours.total, 2), round(case.ours.blackout, 3)],
        "plain": [case.plain.converges, round(case.plain.total, 2), round(case.plain.blackout, 3)],
    }
