"""`./dev bench torture [--runs N] [--seed S] [--json]`: N seeds from S on, each a run with faults and deaths.

`--repeat SEED` plays one again and prints all that happened.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import gc
import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from bench._scenario import scenario
from bench._trial import Trial, Verdict
from bench.claim import Claim, Settings
from standfast.plan import search
from standfast.store import Store

SHORT = 300
LIMIT_SECONDS = 300.0
"""Real time for one run, which takes about a second of a processor: one that hangs must not hang all."""
PLAN_TRIES = 8
"""Drafts of each plan: how good plans are is tried elsewhere, and searching takes a fifth of the time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict without its story, small enough to travel between processes."""

    seed: int
    ended: str
    kills: int
    held: int
    stuck: bool
    violations: tuple[str, ...]


class TooLong(BaseException):
    """A run takes more real time than any good one. No handler of the product catches it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raises TooLong wherever it is by then. Where not even that helps, the process ends, and says so."""

    def over(_number: int, _frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(2 * seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


def play(seed: int, limit_seconds: float = LIMIT_SECONDS) -> Verdict:
    """One seed, in a store that is gone afterwards. What is lost with the machine's power is not tried here,
    so that memory will do for a disk."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="standfast-torture-", dir=memory) as where:
        store = Path(where) / "state.db"
        store.write_bytes(_new_store())
        tries, search.MOST_TRIES = search.MOST_TRIES, PLAN_TRIES
        try:
            trial = Trial(scenario(seed), store)
            try:
                with limited(limit_seconds):
                    return trial.run()
            except TooLong as error:
                return trial.hung(limit_seconds, error)
        finally:
            search.MOST_TRIES = tries


@functools.cache
def _new_store() -> bytes:
    """An empty store, made once per process: its migrations take as long as many a run."""
    with tempfile.TemporaryDirectory(prefix="standfast-torture-") as where:
        path = Path(where) / "state.db"
        Store.open(path).close()
        return path.read_bytes()


def _outcome(seed: int, limit_seconds: float = LIMIT_SECONDS) -> Outcome:
    verdict = play(seed, limit_seconds)
    if verdict.ended == "hung":
        print(f"seed {seed} took longer than {limit_seconds:.0f} s", file=sys.stderr, flush=True)
    gc.collect()  # in place of looking for cycles all the time
    gc.freeze()  # what is left are values kept for the next run; they grow, and are not looked at again
    return Outcome(seed, verdict.ended, verdict.kills, verdict.held, verdict.stuck, verdict.violations)


def outcomes(
    seeds: Sequence[int], jobs: int | None = None, limit_seconds: float = LIMIT_SECONDS
) -> Iterator[Outcome]:
    """All of them, in so many processes; None: one per processor."""
    with ProcessPoolExecutor(jobs, initializer=_without_gc) as pool:
        yield from pool.map(functools.partial(_outcome, limit_seconds=limit_seconds), seeds, chunksize=8)


def _without_gc() -> None:
    """No looking for cycles while a run is played, and never among what is there before the first one."""
    gc.disable()
    gc.collect()
    gc.freeze()


def summary(found: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """The one object. `held`: runs that an operator had to help; `completed`: that patched all hosts."""
    return {
        "runs": len(found),
        "kills": sum(one.kills for one in found),
        "violations": sum(len(one.violations) for one in found),
        "held": sum(one.held > 0 for one in found),
        "completed": sum(one.ended == "completed" for one in found),
        "stuck": sum(one.stuck for one in found),
        "seconds": round(seconds, 1),
        "ended": {
            state: sum(one.ended == state for one in found) for state in sorted({one.ended for one in found})
        },
        "bad_seeds": [one.seed for one in found if one.violations or one.stuck],
    }


def measure(settings: Settings) -> list[Claim]:
    """A short set, or with --full 10,000 runs."""
    began = time.monotonic()
    found = list(outcomes(range(10_000 if settings.full else SHORT)))
    told = summary(found, time.monotonic() - began)
    bad = told["violations"] + told["stuck"]
    return [
        Claim(
            f"broken promises and stuck runs in {len(found)} runs with {told['kills']} deaths",
            bad,
            {},
            "0",
            bad == 0,
            (told,),
        )
    ]


def main(arguments: Sequence[str]) -> int:
    """1 if a promise was broken or a run got stuck."""
    parser = argparse.ArgumentParser(prog="./dev bench torture", description=__doc__)
    parser.add_argument("--runs", type=int, default=SHORT, metavar="N")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes; one per processor unless said")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument(
        "--repeat", type=int, metavar="SEED", help="play this one and print all that happened"
    )
    parser.add_argument(
        "--limit", type=float, default=LIMIT_SECONDS, metavar="SECONDS", help="real time for each run"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.repeat is not None:
        verdict = play(options.repeat, options.limit)
        print("\n".join(verdict.story))
        broken = "; ".join(verdict.violations) or "no promise broken"
        how = f"{verdict.ended}, {verdict.kills} deaths, held {verdict.held} times"
        print(f"seed {verdict.seed}: {how}; {broken}")
        return int(bool(verdict.violations) or verdict.stuck)
    began = time.monotonic()
    found = list(outcomes(range(options.seed, options.seed + options.runs), options.jobs, options.limit))
    told = summary(found, time.monotonic() - began)
    if options.json:
        print(json.dumps(told))
    else:
        print(
            ", ".join(f"{value} {key}" for key, value in told.items() if not isinstance(value, list | dict))
        )
        for one in found:
            if one.violations or one.stuck:
                print(f"seed {one.seed}: {one.ended}; {'; '.join(one.violations[:3])}", file=sys.stderr)
    return int(bool(told["violations"] or told["stuck"]))
