"""Real migrations on OpenStack with 10 Gbit/s (OSIC, 2017): learn from guests of 4 and 8 GiB, predict 16 GiB.

One claim for each fabric (shared storage, block migration, block migration through libvirt's tunnel). Beside
it in the same run: memory over the line's speed.
"""

from __future__ import annotations

from typing import Any

from bench._rows import mean_error, rows_of
from bench.claim import Claim, Settings, Skipped
from standfast.predict.calibrate import Past, Way, calibrate, estimate
from standfast.predict.fit import Point
from standfast.predict.precopy import GOODPUT, SETUP_SECONDS

MOST = 0.05
GIB = 1024**3
LINE_BYTES_PER_SECOND = 10e9 / 8


def measure(settings: Settings) -> list[Claim]:
    path = settings.folder("predictor") / "osic_migrations.csv"
    fabrics: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(path, ("mem_gib", "measured_s")):
        fabric = row["storage"] + (" tunnelled" if row["tunnelling"] == "on" else "")
        fabrics.setdefault(fabric, []).append(row)
    return [_fabric(fabric, rows) for fabric, rows in sorted(fabrics.items())]


def _fabric(fabric: str, rows: list[dict[str, Any]]) -> Claim:
    largest = max(row["mem_gib"] for row in rows)
    history = [past_of(fabric, row) for row in rows if row["mem_gib"] < largest]
    fitted = calibrate(history, SETUP_SECONDS).get(fabric)
    if fitted is None:
        raise Skipped(f"the fabric {fabric} has guests of one size only: nothing can be held out")
    told = []
    for row in rows:
        if row["mem_gib"] < largest:
            continue
        past = past_of(fabric, row)
        told_us = estimate(fitted, past.way, past.point.once, past.point.again)
        told.append(
            {
                "vm": row["vm"],
                "iteration": row["iteration"],
                "measured_s": row["measured_s"],
                "ours_s": round(told_us.p50, 2),
                "ours_p95_s": round(told_us.p95, 2),
                "line_rate_s": round(row["mem_gib"] * GIB / LINE_BYTES_PER_SECOND, 2),
            }
        )
    ours = round(mean_error([(row["ours_s"], row["measured_s"]) for row in told]), 4)
    line = round(mean_error([(row["line_rate_s"], row["measured_s"]) for row in told]), 4)
    sizes = " and ".join(f"{size:g}" for size in sorted({row["mem_gib"] for row in rows} - {largest}))
    what = f"mean relative error, OpenStack {fabric}, {largest:g} GiB from {sizes} GiB"
    instances: tuple[dict[str, Any], ...] = ({"fit": str(fitted.line)}, *told)
    return Claim(what, ours, {"line rate": line}, f"<= {MOST}", ours <= MOST and ours < line, instances)


def past_of(fabric: str, row: dict[str, Any]) -> Past:
    """Nothing is known of these guests but their size: one pass at the nominal speed."""
    once = row["mem_gib"] * GIB / (GOODPUT * LINE_BYTES_PER_SECOND)
    return Past(Way(fabric, vm=f"{row['flavor']}/{row['vm']}"), Point(once, 0.0, row["measured_s"]))
