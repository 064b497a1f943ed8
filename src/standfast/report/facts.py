"""A run as one plain dict, the source of every other way of telling it. Times are Unix seconds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from standfast.model.hostwork import UpdateState
from standfast.model.run import EventRow, HostRow, JournalRow, MoveRow, MoveState, Phase, Run


def report_dict(run: Run, events: Sequence[EventRow]) -> dict[str, Any]:
    """The whole run. A number is None where nobody has measured it (yet)."""
    names = _names(run)
    return {
        "run": str(run.id),
        "cluster": run.cluster,
        "platform": run.plan.platform,
        "state": str(run.state),
        "reason": None if run.reason is None else str(run.reason),
        "approved_by": run.approved_by,
        "plan_digest": run.plan_digest,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "seconds": None if run.ended_at is None else run.ended_at - run.created_at,
        "predicted_seconds": run.plan.predicted_seconds,
        "hosts": [
            _host(row, events, run.ended_at) for row in sorted(run.hosts, key=lambda row: row.position)
        ],
        "moves": [_move(move, names) for move in run.moves],
        "totals": _totals(run.moves),
        "given_back": [_borrowed(entry, names) for entry in run.journal if entry.given_back_at is not None],
        "still_changed": [_borrowed(entry, names) for entry in run.journal if entry.given_back_at is None],
        "commands": [
            {"at": event.at, "actor": event.actor, "text": event.text}
            for event in events
            if event.actor != "standfast" and event.kind != "run_created"
        ],
    }


def _names(run: Run) -> dict[str, str]:
    """Host names by id: hosts of the run, and those it left alone."""
    names = {str(row.host): row.name for row in run.hosts}
    return {str(alone.host): alone.name for alone in run.plan.left_alone} | names


def _host(row: HostRow, events: Sequence[EventRow], ended_at: float | None) -> dict[str, Any]:
    return {
        "name": row.name,
        "id": str(row.host),
        "phase": str(row.phase),
        "reason": None if row.reason is None else str(row.reason),
        "attempts": row.attempt,
        "boot_id_before": row.boot_id_before,
        "boot_id_after": row.boot_id_after,
        "rebooted": bool(row.boot_id_after) and row.boot_id_after != row.boot_id_before,
        "pending_before": _pending(row.scan_before),
        "pending_after": _pending(row.scan_after),
        "versions": _versions(row),
        "phases": _phases(row, events, ended_at),
    }


def _pending(scan: UpdateState | None) -> int | None:
    return None if scan is None else len(scan.pending)


def _versions(row: HostRow) -> list[dict[str, str]]:
    """Packages whose version changed; an empty version is a package that was not there."""
    before, after = dict(row.versions_before), dict(row.versions_after)
    return [
        {"package": package, "before": before.get(package, ""), "after": after.get(package, "")}
        for package in sorted(before.keys() | after.keys())
        if before.get(package) != after.get(package)
    ]


def _phases(row: HostRow, events: Sequence[EventRow], ended_at: float | None) -> list[dict[str, Any]]:
    """Seconds in each phase after `planned`, in the order in which they were entered first."""
    spans: defaultdict[str, float] = defaultdict(float)
    phase, since = str(Phase.PLANNED), None
    turns = [
        event for event in events if event.host == row.host and "to" in event.data and "from" in event.data
    ]
    for event in turns:
        if since is not None:
            spans[phase] += event.at - since
        phase, since = str(event.data["to"]), event.at
    if since is not None and ended_at is not None and phase not in (Phase.DONE, Phase.SKIPPED):
        spans[phase] += max(0.0, ended_at - since)
    return [{"phase": phase, "seconds": round(seconds, 3)} for phase, seconds in spans.items()]


def _move(move: MoveRow, names: dict[str, str]) -> dict[str, Any]:
    record = move.record
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
        "seconds": None if move.ended_at is None else round(move.ended_at - move.started_at, 3),
        "brownout_seconds": record.brownout_seconds if record else None,
        "blackout_seconds": record.blackout_seconds if record else None,
        "wire_bytes": record.wire_bytes if record else None,
        "rounds": record.rounds if record else None,
        "evidence": record.evidence if record else "none",
        "predicted_brownout_seconds": move.predicted.brownout_seconds,
        "predicted_blackout_seconds": move.predicted.blackout_seconds,
    }


def _totals(moves: Sequence[MoveRow]) -> dict[str, Any]:
    done = [move for move in moves if move.state is MoveState.DONE]
    records = [move.record for move in done if move.record is not None]
    dark = [record.blackout_seconds for record in records if record.blackout_seconds is not None]
    sent = [record.wire_bytes for record in records if record.wire_bytes is not None]
    return {
        "moves": len(done),
        "moves_failed": sum(move.state is MoveState.FAILED for move in moves),
        "vms_moved": len({move.vm for move in done}),
        "longest_blackout_seconds": max(dark, default=None),
        "wire_bytes": sum(sent),
    }


def _borrowed(entry: JournalRow, names: dict[str, str]) -> dict[str, Any]:
    return {
        "host": names.get(str(entry.host), str(entry.host)),
        "kind": entry.kind,
        "name": entry.name,
        "before": entry.before,
        "taken_at": entry.taken_at,
        "given_back_at": entry.given_back_at,
    }
