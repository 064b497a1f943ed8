"""A run for a reader at a terminal: the outcome in words, then a table for each question."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standfast.model.run import EventRow, Run
from standfast.model.units import size, span
from standfast.report.facts import report_dict
from standfast.report.plain import cell, table
from standfast.report.story import kept, moved, off, predicted, stays_as_meant
from standfast.report.updates import updates, where


def report_text(run: Run, events: Sequence[EventRow]) -> str:
    """The report as lines of text, without a newline at the end."""
    report = report_dict(run, events)
    parts = [*_head(report)]
    parts += _section("Hosts", _hosts(report["hosts"]))
    parts += _section("Time in each phase", _phases(report["hosts"]))
    parts += _section("Versions", _versions(report["hosts"]))
    parts += _section("Moves", _moves(report["moves"]))
    parts += _section("Shut down with consent", _off(report["off"]))
    parts += _section("Waits", _waits(report["waits"]))
    parts += _section("Failures, retries and holds", [_troubled(each) for each in report["trouble"]])
    parts += _section("Said by operators", [_said(each) for each in report["commands"]])
    still = "Stays as meant" if stays_as_meant(report) else "STILL CHANGED"
    parts += _section(still, [_still(each) for each in report["still_changed"]])
    return "\n".join(cell(line) for line in parts)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    """A title and its lines, indented; nothing where there is nothing to tell."""
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _head(report: dict[str, Any]) -> list[str]:
    took = f" in {span(report['seconds'])}" if report["seconds"] is not None else ""
    lines = [
        f"Run {report['run']} on cluster {report['cluster']}: {report['state']}{took} "
        f"(predicted {predicted(report)}).",
        f"{report['title']}.",
        " ".join(part for part in (moved(report), off(report), kept(report)) if part),
    ]
    if report["reason"]:
        lines.append(f"Why: {report['reason']}")
    lines.append(f"Approved by {report['approved_by']}; plan {report['plan_digest'][:12]}.")
    return lines


def _hosts(hosts: Sequence[dict[str, Any]]) -> list[str]:
    if not hosts:
        return []
    rows = [
        (
            host["name"],
            host["phase"],
            "-" if host["seconds"] is None else span(host["seconds"]),
            boot(host),
            pending(host),
            str(host["attempts"]),
        )
        for host in hosts
    ]
    lines = table(("HOST", "STATE", "TOOK", "BOOT", "UPDATES", "TRIES"), rows).split("\n")
    told = [lines[0]]
    for line, host in zip(lines[1:], hosts, strict=True):
        told += [line, f"  {host['reason']}"] if host["reason"] else [line]
    return told


def boot(host: dict[str, Any]) -> str:
    """`0a1b2c3d -> 4e5f6a7b`, the beginnings of its boot ids."""
    if host["rebooted"]:
        return f"{host['boot_id_before'][:8]} -> {host['boot_id_after'][:8]}"
    return "not rebooted"


def pending(host: dict[str, Any]) -> str:
    """`4 -> 0`, the updates that were and are pending."""
    before, after = host["pending_before"], host["pending_after"]
    if before is None:
        return "not looked at"
    return f"{before} -> {'not looked at' if after is None else after}"


def _phases(hosts: Sequence[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(each["phase"] for host in hosts for each in host["phases"]))
    if not columns:
        return []
    rows = []
    for host in hosts:
        spans = {each["phase"]: each["seconds"] for each in host["phases"]}
        rows.append((host["name"], *(span(spans[name]) if name in spans else "-" for name in columns)))
    return table(("HOST", *(name.upper() for name in columns)), rows).split("\n")


def _versions(hosts: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        (
            each["package"],
            f"{each['before'] or 'new'} -> {each['after'] or 'removed'}",
            where(each["hosts"], len(hosts)),
        )
        for each in updates(hosts)
    ]
    return table(("PACKAGE", "VERSION", "HOSTS"), rows).split("\n") if rows else []


def _moves(moves: Sequence[dict[str, Any]]) -> list[str]:
    head = ("VM", "FROM -> TO", "WHY", "TRY", "BLACK-OUT", "BROWN-OUT", "SENT", "ROUNDS")
    rows = [
        (
            move["vm"],
            f"{move['source']} -> {move['target']}",
            move["purpose"],
            str(move["attempt"]),
            dark(move),
            "-" if move["brownout_seconds"] is None else span(move["brownout_seconds"]),
            "-" if move["wire_bytes"] is None else size(move["wire_bytes"]),
            "-" if move["rounds"] is None else str(move["rounds"]),
        )
        for move in moves
    ]
    return [*table(head, rows).split("\n"), *_evidence(moves)] if rows else []


def dark(move: dict[str, Any]) -> str:
    """`0.25 s of 2 s`, or how the attempt ended where it moved nothing."""
    if move["state"] == "failed":
        return "failed"
    if move["state"] == "started":
        return "under way"
    if move["blackout_seconds"] is None:
        return "not measured"
    over = "" if move["within_budget"] else " OVER BUDGET"
    seen = "" if move["seen_seconds"] is None else f", {span(move['seen_seconds'])} to its probe"
    return f"{span(move['blackout_seconds'])} of {span(move['blackout_budget_seconds'])}{seen}{over}"


def _evidence(moves: Sequence[dict[str, Any]]) -> list[str]:
    sources = sorted({move["evidence"] for move in moves if move["state"] == "done"})
    return (
        [f"Figures from: {'; '.join('no source' if each == 'none' else each for each in sources)}."]
        if sources
        else []
    )


def _off(times: Sequence[dict[str, Any]]) -> list[str]:
    rows = [
        (
            each["vm"],
            each["host"],
            clock(each["off_at"]),
            "STILL OFF" if each["back_at"] is None else clock(each["back_at"]),
            span(each["seconds"]),
            each["consent_by"] or "-",
        )
        for each in times
    ]
    return table(("VM", "HOST", "OFF", "RUNS AGAIN", "FOR", "CONSENT OF"), rows).split("\n") if rows else []


def _waits(waits: Sequence[dict[str, Any]]) -> list[str]:
    rows = [(clock(each["began_at"]), each["for"], each["what"], span(each["seconds"])) for each in waits]
    return table(("SINCE", "WHO", "WHAT", "FOR"), rows).split("\n") if rows else []


def _troubled(each: dict[str, Any]) -> str:
    host = f"{each['host']}: " if each["host"] else ""
    return f"{clock(each['at'])}  {host}{each['text']}"


def _said(each: dict[str, Any]) -> str:
    return f"{clock(each['at'])}  {each['actor']}: {each['text']}"


def _still(each: dict[str, Any]) -> str:
    before = f" (before the run: {each['was']})" if each["was"] else ""
    return f"{each['still']}{before}"


def clock(at: float) -> str:
    """Local time of the reader."""
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
