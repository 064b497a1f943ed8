"""Each move of a run as a plain dict: what was expected of it, what it was, and against which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from standfast.model.run import EventRow, MoveRow, Run


def move_dicts(run: Run, events: Sequence[EventRow], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """In order of their begin. Seconds and bytes; None where nobody has measured."""
    usual = run.plan.policy.blackout_budget_seconds
    budgets = {
        str(event.data["move"]): float(event.data["blackout_budget_seconds"])
        for event in events
        if event.kind == "move_started" and event.data.get("blackout_budget_seconds") is not None
    }
    moves = sorted(run.moves, key=lambda move: (move.started_at, move.id))
    return [_move(move, names, budgets.get(str(move.id), usual)) for move in moves]


def _move(move: MoveRow, names: Mapping[str, str], budget_seconds: float) -> dict[str, Any]:
    record = move.record
    dark = record.blackout_seconds if record else None
    return {
        "vm": move.vm_name,
        "vm_id": str(move.vm),
        "source": names.get(str(move.source), str(move.source)),
        "target": names.get(str(move.target), str(move.target)),
        "purpose": str(move.purpose),
        "attempt": move.attempt,
        "state": str(move.state),
        "reason": None if move.reason is None else str(move.reason),
        "started_at": move.started_at,
        "ended_at": move.ended_at,
        "seconds": None if move.ended_at is None else round(move.ended_at - move.started_at, 3),
        "brownout_seconds": record.brownout_seconds if record else None,
        "blackout_seconds": dark,
        "seen_seconds": record.seen_seconds if record else None,
        "blackout_budget_seconds": budget_seconds,
        "within_budget": None if dark is None else dark <= budget_seconds,
        "wire_bytes": record.wire_bytes if record else None,
        "memory_bytes": record.memory_bytes if record else None,
        "rounds": record.rounds if record else None,
        "evidence": record.evidence if record else "none",
        "predicted_brownout_seconds": move.predicted.brownout_seconds,
        "predicted_brownout_p95_seconds": move.predicted.brownout_p95_seconds,
        "predicted_blackout_seconds": move.predicted.blackout_seconds,
        "predicted_blackout_p95_seconds": move.predicted.blackout_p95_seconds,
        "predicted_wire_bytes": move.predicted.wire_bytes,
    }


def totals(moves: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What all moves cost together; failed attempts are counted apart."""
    done = [move for move in moves if move["state"] == "done"]
    dark = [move["blackout_seconds"] for move in done if move["blackout_seconds"] is not None]
    return {
        "moves": len(done),
        "moves_failed": sum(move["state"] == "failed" for move in moves),
        "vms_moved": len({move["vm_id"] for move in done}),
        "moves_measured": len(dark),
        "moves_over_budget": sum(move["within_budget"] is False for move in done),
        "longest_blackout_seconds": max(dark, default=None),
        "wire_bytes": sum(move["wire_bytes"] or 0 for move in done),
    }
