"""The big numbers at the top of the page: what somebody wants to know who has five seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from standfast.model.units import size, span
from standfast.report.story import count, predicted


@dataclass(frozen=True, slots=True)
class Tile:
    """A number, what it is, and how to take it: `mood` is `good`, `bad` or nothing."""

    value: str
    what: str
    note: str = ""
    mood: str = ""


def tiles(report: dict[str, Any]) -> list[Tile]:
    """In the order of how much they matter."""
    return [_hosts(report), _dark(report), _moves(report), _time(report), _sent(report), _kept(report)]


def _hosts(report: dict[str, Any]) -> Tile:
    hosts = report["hosts"]
    if report["kind"] == "balance":
        return _planned_moves(report)
    done = sum(host["phase"] == "done" for host in hosts)
    rebooted = sum(host["rebooted"] for host in hosts)
    mood = "good" if done == len(hosts) else "bad" if report["ended_at"] is not None else ""
    return Tile(f"{done} of {len(hosts)}", "hosts done", f"{rebooted} rebooted", mood)


def _planned_moves(report: dict[str, Any]) -> Tile:
    """Of a run that only evens hosts out: none of them is worked on."""
    made = sum(move["state"] == "done" for move in report["moves"])
    planned = report["planned_moves"]
    mood = "good" if made == planned else "bad" if report["ended_at"] is not None else ""
    return Tile(f"{made} of {planned}", "planned moves made", "no host is worked on", mood)


def _dark(report: dict[str, Any]) -> Tile:
    totals = report["totals"]
    if totals["longest_blackout_seconds"] is None:
        return Tile("–", "longest black-out", "none measured")
    over = totals["moves_over_budget"]
    budgets = [
        move["blackout_budget_seconds"] for move in report["moves"] if move["blackout_seconds"] is not None
    ]
    least, most = span(min(budgets)), span(max(budgets))
    allowed = f"{least} allowed" if least == most else f"{least} to {most} allowed"
    return Tile(
        span(totals["longest_blackout_seconds"]),
        "longest black-out",
        f"{count(over, 'move')} over budget" if over else allowed,
        "bad" if over else "good",
    )


def _moves(report: dict[str, Any]) -> Tile:
    totals = report["totals"]
    failed = totals["moves_failed"]
    note = f"in {count(totals['moves'], 'live move')}"
    note += f", {count(failed, 'attempt')} failed" if failed else ""
    return Tile(str(totals["vms_moved"]), "VM moved" if totals["vms_moved"] == 1 else "VMs moved", note)


def _time(report: dict[str, Any]) -> Tile:
    if report["seconds"] is None:
        return Tile(span(report["recorded_until"] - report["created_at"]), "so far", predicted(report))
    return Tile(span(report["seconds"]), "from begin to end", f"predicted {predicted(report)}")


def _sent(report: dict[str, Any]) -> Tile:
    moves = [move for move in report["moves"] if move["state"] == "done"]
    expected = sum(move["predicted_wire_bytes"] for move in moves)
    return Tile(size(report["totals"]["wire_bytes"]), "sent in all", f"predicted {size(expected)}")


def _kept(report: dict[str, Any]) -> Tile:
    still, given = len(report["still_changed"]), len(report["given_back"])
    if still:
        return Tile(str(still), "still changed", f"{given} given back", "bad")
    return Tile(
        "0", "still changed", f"{given} of {given} given back" if given else "nothing borrowed", "good"
    )
