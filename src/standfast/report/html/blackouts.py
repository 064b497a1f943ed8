"""The second picture: how dark each move was, what was predicted, and how dark it was allowed to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from standfast.model.units import span
from standfast.report.html.scale import LengthScale, Tick, short

MOST = 24
"""How many moves are drawn, those nearest to their budget first; the table has them all."""
ROW = 34
TOP = 18
FOOT = 24


@dataclass(frozen=True, slots=True)
class Dark:
    """One move; all but `y` and the texts in percent."""

    name: str
    way: str
    y: int
    measured: float
    predicted: float
    predicted_to: float
    budget: float
    over: bool
    value: str
    told: str


@dataclass(frozen=True, slots=True)
class Blackouts:
    height: int
    rows: list[Dark]
    ticks: list[Tick]
    budget: float | None
    """Where the budget's line is, in percent, if all have the same; else each row has a line of its own."""
    budget_seconds: float | None
    left_out: int
    unmeasured: int

    @property
    def floor(self) -> int:
        return self.height - FOOT


def blackouts(report: dict[str, Any]) -> Blackouts | None:
    """The picture's marks; None where nothing was measured."""
    done = [move for move in report["moves"] if move["state"] == "done"]
    measured = [move for move in done if move["blackout_seconds"] is not None]
    if not measured:
        return None
    drawn = sorted(measured, key=_share, reverse=True)[:MOST]
    drawn.sort(key=lambda move: (move["started_at"], move["vm"]))
    scale = LengthScale.up_to(max(_longest(move) for move in drawn))
    budgets = {move["blackout_budget_seconds"] for move in drawn}
    same = budgets.pop() if len(budgets) == 1 else None
    return Blackouts(
        height=TOP + ROW * len(drawn) + FOOT,
        rows=[_dark(move, scale, TOP + ROW * number) for number, move in enumerate(drawn)],
        ticks=scale.ticks(),
        budget=None if same is None else scale.x(same),
        budget_seconds=same,
        left_out=len(measured) - len(drawn),
        unmeasured=len(done) - len(measured),
    )


def _share(move: dict[str, Any]) -> float:
    """Of its budget."""
    return float(move["blackout_seconds"]) / max(float(move["blackout_budget_seconds"]), 1e-9)


def _longest(move: dict[str, Any]) -> float:
    keys = ("blackout_seconds", "predicted_blackout_p95_seconds", "blackout_budget_seconds")
    return max(float(move[key]) for key in keys)


def _dark(move: dict[str, Any], scale: LengthScale, y: int) -> Dark:
    low, high = move["predicted_blackout_seconds"], move["predicted_blackout_p95_seconds"]
    dark, budget = move["blackout_seconds"], move["blackout_budget_seconds"]
    way = f"{move['source']} → {move['target']}"
    return Dark(
        name=short(move["vm"], 24),
        way=short(way, 40),
        y=y,
        measured=scale.x(dark),
        predicted=scale.x(low),
        predicted_to=scale.x(high),
        budget=scale.x(budget),
        over=not move["within_budget"],
        value=span(dark),
        told=f"{move['vm']}, {way}: black-out {span(dark)}, predicted {span(low)} to {span(high)}, "
        f"budget {span(budget)}",
    )
