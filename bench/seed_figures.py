"""The figures of the public field report that this product starts from, from the product's own arithmetic.

Events 22508, 22509, 22507 of one Hyper-V migration (64.975 s brown-out, 0.811 s black-out with 842 dirty
pages and 4841 KB of state, 66.581 s in total); 16 s became 4 s, and 180-300 s became 20-30 s, going from 1 to
10 Gbit/s; about half of the 10 Gbit/s was used.
"""

from __future__ import annotations

from typing import Any

from bench.claim import Claim, Settings
from standfast.predict.darkness import GIGABIT_BYTES_PER_SECOND, darkness, fixed_and_copied

BROWNOUT, BLACKOUT, TOTAL = 64.975, 0.811, 66.581
DIRTY_PAGES, STATE_KIB = 842, 4841


def measure(_: Settings) -> list[Claim]:
    rows = figures()
    good = sum(row["holds"] for row in rows)
    claim = Claim(
        "seed figures reproduced", good, {"figures": float(len(rows))}, "all", good == len(rows), tuple(rows)
    )
    return [claim]


def figures() -> list[dict[str, Any]]:
    parts = darkness(BLACKOUT, DIRTY_PAGES, STATE_KIB * 1024)
    fixed, _ = fixed_and_copied(16, 4, 10)
    fixed_half, _ = fixed_and_copied(16, 4, 5.3)

    def at(slow: float, times: float, stays: float) -> float:
        return stays + (slow - stays) / times

    return [
        _row("set-up and tear-down, s", TOTAL - BROWNOUT - BLACKOUT, 0.795, 0.0005),
        _row("sent while dark, MB", parts.wire_bytes / 1e6, 8.41, 0.005),
        _row("of the black-out, on the link, s", parts.wire_seconds, 0.072, 0.0005),
        _row("of the black-out, fixed, s", parts.fixed_seconds, 0.739, 0.0005),
        _row("fixed share of the black-out", parts.fixed_share, 0.91, 0.005),
        _row("saved by ten times the bandwidth, s, at most", parts.saved_by(10), 0.065, 0.0005),
        _row("that share of the black-out", parts.saved_by(10) / BLACKOUT, 0.08, 0.005),
        _row("sent during the brown-out, GB", BROWNOUT * GIGABIT_BYTES_PER_SECOND / 1e9, 7.6, 0.05),
        _row("16 s became 4 s: fixed, s", fixed, 2.67, 0.005),
        _row("then 180 s become, s", at(180, 10, fixed), 20.4, 0.05),
        _row("then 300 s become, s", at(300, 10, fixed), 32.4, 0.05),
        _row("at half of 10 Gbit/s 180 s would become, s", at(180, 5.3, fixed_half), 35, 0.5),
    ]


def _row(what: str, ours: float, derived: float, within: float) -> dict[str, Any]:
    """`within`: half of the last digit to which the reference states it."""
    return {"what": what, "ours": round(ours, 4), "derived": derived, "holds": abs(ours - derived) <= within}
