"""A run as one plain dict, the source of every other way of telling it. Times are Unix seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from standfast.model.hostwork import UpdateState
from standfast.model.plan import PlanKind
from standfast.model.run import EventRow, HostRow, Run
from standfast.report.borrowed import borrowed, times_off
from standfast.report.flights import move_dicts, totals
from standfast.report.story import summary, title
from standfast.report.trouble import trouble, waits
from standfast.report.turns import seconds_by_phase, timelines


def report_dict(run: Run, events: Sequence[EventRow]) -> dict[str, Any]:
    """The whole run. A number is None where nobody has measured it (yet)."""
    names = host_names(run)
    until = recorded_until(run, events)
    turns = timelines(run.hosts, events, run.created_at, until)
    rows = sorted(run.hosts, key=lambda row: row.position)
    moves = move_dicts(run, events, names)
    report: dict[str, Any] = {
        "run": str(run.id),
        "cluster": run.cluster,
        "platform": run.plan.platform,
        "kind": str(run.plan.kind),
        "state": str(run.state),
        "reason": None if run.reason is None else str(run.reason),
        "approved_by": run.approved_by,
        "plan_digest": run.plan_digest,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "recorded_until": until,
        "seconds": None if run.ended_at is None else run.ended_at - run.created_at,
        "predicted_seconds": run.plan.predicted_seconds,
        "predicted_p95_seconds": run.plan.predicted_p95_seconds,
        "blackout_budget_seconds": run.plan.policy.blackout_budget_seconds,
        "hosts": [_host(row, turns[str(row.host)]) for row in rows],
        "left_alone": [
            {"name": alone.name, "reason": None if alone.reason is None else str(alone.reason)}
            for alone in run.plan.left_alone
            if run.plan.kind is not PlanKind.BALANCE  # there nobody expects hosts to be patched
        ],
        "planned_moves": len(run.plan.moves),
        "moves": moves,
        "totals": totals(moves),
        "off": times_off(run.journal, names, until),
        "trouble": trouble(events, names),
        "waits": waits(rows, turns, moves),
        "given_back": [borrowed(entry, names) for entry in run.journal if entry.given_back_at is not None],
        "still_changed": [borrowed(entry, names) for entry in run.journal if entry.given_back_at is None],
        "commands": [
            {"at": event.at, "actor": event.actor, "verb": event.data.get("verb"), "text": event.text}
            for event in events
            if event.actor != "standfast" and event.kind != "run_created"
        ],
    }
    return {"title": title(report), "summary": summary(report)} | report


def host_names(run: Run) -> dict[str, str]:
    """Host names by id: hosts of the run, and those it left alone."""
    names = {str(row.host): row.name for row in run.hosts}
    return {str(alone.host): alone.name for alone in run.plan.left_alone} | names


def recorded_until(run: Run, events: Sequence[EventRow]) -> float:
    """The run's end; where it has none yet, the last thing on record."""
    last = max((event.at for event in events), default=run.created_at)
    return last if run.ended_at is None else run.ended_at


def _host(row: HostRow, timeline: list[dict[str, Any]]) -> dict[str, Any]:
    spans = seconds_by_phase(timeline)
    return {
        "name": row.name,
        "id": str(row.host),
        "phase": str(row.phase),
        "held_phase": str(row.held_phase),
        "reason": None if row.reason is None else str(row.reason),
        "attempts": row.attempt,
        "boot_id_before": row.boot_id_before,
        "boot_id_after": row.boot_id_after,
        "rebooted": bool(row.boot_id_after) and row.boot_id_after != row.boot_id_before,
        "pending_before": _pending(row.scan_before),
        "pending_after": _pending(row.scan_after),
        "versions": _versions(row),
        "seconds": round(sum(spans.values()), 3) if spans else None,
        "phases": [{"phase": phase, "seconds": seconds} for phase, seconds in spans.items()],
        "timeline": timeline,
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
