"""Real migrations on Grid'5000 (KVM, 2015): 25 plans, each carried out four times; the later half is
predicted.

The calibration sees the earlier executions. Beside it in the same run: the durations that mVM itself stored
in its plans, memory over nominal speed, the round model without any history, and the line alone, which knows
no VM's own former moves.
"""

from __future__ import annotations

from typing import Any

from bench._rows import mean_error, rows_of
from bench.claim import Claim, Settings, Skipped
from standfast.predict.calibrate import Past, Way, calibrate, estimate
from standfast.predict.dirty import hot_cold
from standfast.predict.engine import Engine, Path
from standfast.predict.fit import Point
from standfast.predict.precopy import GOODPUT, SETUP_SECONDS
from standfast.predict.rounds import Guest, copy

MOST = 0.06
MIB = 1024**2
NUMBERS = (
    *("run", "bw_mbps", "mem_used_mb", "dirty_rate", "max_dirty_mb", "max_dirty_s"),
    *("measured_s", "mvm_predicted_s"),
)
TRANSPORT = "grid5000"


def measure(settings: Settings) -> list[Claim]:
    path = settings.folder("predictor") / "g5k_migrations.csv"
    rows = rows_of(path, NUMBERS)
    runs = sorted({row["run"] for row in rows})
    if len(runs) < 2:
        raise Skipped(f"{path} has one execution only: nothing can be held out")
    known = set(runs[: len(runs) // 2])
    history = [past_of(row) for row in rows if row["run"] in known]
    later = [row for row in rows if row["run"] not in known]
    fitted = calibrate(history, SETUP_SECONDS).get(TRANSPORT)
    if fitted is None:
        raise Skipped(f"{path} holds no move to learn from")
    told = []
    for row in later:
        past = past_of(row)
        once, again = past.point.once, past.point.again
        told_us = estimate(fitted, past.way, once, again)
        told.append(
            {
                "run": int(row["run"]),
                "vm": past.way.vm,
                "measured_s": row["measured_s"],
                "ours_s": round(told_us.p50, 2),
                "ours_p95_s": round(told_us.p95, 2),
                "line_s": round(fitted.line.at(once, again), 2),
                "uncalibrated_s": round(SETUP_SECONDS + once + again, 2),
                "mvm_s": row["mvm_predicted_s"],
                "naive_s": row["mem_used_mb"] * 8 / row["bw_mbps"],
            }
        )

    def error(who: str) -> float:
        return round(mean_error([(row[f"{who}_s"], row["measured_s"]) for row in told]), 4)

    beside = {who: error(who) for who in ("mvm", "naive", "uncalibrated", "line")}
    within = sum(row["measured_s"] <= row["ours_p95_s"] for row in told) / len(told)
    instances: tuple[dict[str, Any], ...] = (
        {"fit": str(fitted.line), "share_of_moves_within_p95": round(within, 4)},
        *told,
    )
    ours = error("ours")
    holds = ours <= MOST and ours < min(beside["mvm"], beside["naive"])
    what = "mean relative error of durations, Grid'5000, executions held out"
    return [Claim(what, ours, beside, f"<= {MOST}", holds, instances)]


def past_of(row: dict[str, Any]) -> Past:
    """The move with the round model's terms at the nominal speed. A VM is one of its plan."""
    memory = row["mem_used_mb"] * MIB
    curve = hot_cold(row["max_dirty_mb"] * MIB, row["max_dirty_s"], row["dirty_rate"] * MIB, memory)
    rate = GOODPUT * row["bw_mbps"] * 1e6 / 8
    told = copy(Guest(memory, curve), Path(rate), Engine(), patience_seconds=20 * memory / rate)
    once = min(told.seconds, told.first_seconds)
    again = told.seconds - once + told.left_bytes / rate
    way = Way(TRANSPORT, row["src"], row["dst"], f"{row['scenario']}/{row['vm']}")
    return Past(way, Point(once, again, row["measured_s"]))
