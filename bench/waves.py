"""Waves at equal safety over 1,000 hosts: ours beside Debian's hroller, both through the same checker."""

from __future__ import annotations

import sys
from typing import Any

from bench import _hroller
from bench._fleets import measured, paired, tally
from bench.claim import Claim, Settings, Skipped
from standfast.plan.checker import walk
from standfast.plan.checker_words import Limits

HOSTS = 1_000
FILLS, SEED = (0.60, 0.75), 11
MOST_SECONDS, MOST_MOVES = 5.0, 1.15


def measure(settings: Settings) -> list[Claim]:
    """Seconds, moves and violations at each fill; hroller's where it is to be had."""
    claims = []
    for fill in FILLS:
        ours = measured(HOSTS, fill, SEED)
        theirs = _theirs(fill)
        whole = not ours["refused"] and not ours["violations"]
        head = f"{HOSTS:,} hosts, {ours['vms']:,} VMs, {fill:.0%} full"
        rows = (ours, *([theirs] if theirs else []))

        def beside(key: str, theirs: dict[str, Any] | None = theirs) -> dict[str, float]:
            return {"hroller": theirs[key]} if theirs else {}

        claims += [
            Claim(
                f"{head}: seconds to plan all waves (of CPU {ours['plan_cpu_seconds']:g})",
                ours["plan_seconds"],
                beside("plan_seconds"),
                f"<= {MOST_SECONDS:g}",
                ours["plan_seconds"] <= MOST_SECONDS,
                rows,
            ),
            Claim(
                f"{head}: violations (memory <= 90 %, N+1, pairs, <= 10 % of hosts out)",
                ours["violations"] + ours["refused"],
                beside("violations"),
                "0",
                whole,
            ),
            Claim(
                f"{head}: moves per VM before the final rebalance (bound {ours['moves_at_least_per_vm']:g})",
                ours["moves_per_vm"],
                beside("moves_per_vm"),
                f"<= {MOST_MOVES}",
                ours["moves_per_vm"] <= MOST_MOVES and whole,
            ),
        ]
    return claims


def _theirs(fill: float) -> dict[str, Any] | None:
    made = paired(HOSTS, fill, SEED)
    try:
        stages, took = _hroller.waves(made)
    except Skipped as why:
        print(f"bench: waves: without hroller: {why}", file=sys.stderr, flush=True)
        return None
    verdict = walk(stages, made, Limits(max(2, HOSTS // 10)))
    return {
        "who": "hroller",
        "plan_seconds": round(took, 3),
        "waves": sum(bool(stage.out) for stage in stages),
        "widest": verdict.most_hosts_out,
        "moves_per_vm": round(verdict.moves / len(made.vms), 4),
        "violations": len(verdict.violations),
        "violations_by_kind": tally(verdict.violations),
        "peak_memory_of_targets": round(verdict.peak_memory_fraction, 4),
    }
