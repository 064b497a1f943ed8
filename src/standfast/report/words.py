"""A run for a reader: one screen for a small cluster, one line per host and per move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standfast.model.run import EventRow, Run
from standfast.model.units import size, span
from standfast.report.facts import report_dict
from standfast.report.plain import cell


def report_text(run: Run, events: Sequence[EventRow]) -> str:
    """The report as lines of text, without a newline at the end."""
    report = report_dict(run, events)
    parts = [_head(report), "Hosts", *(_host(host) for host in report["hosts"])]
    if report["moves"]:
        parts += ["Moves", *(_move(move) for move in report["moves"])]
    parts += ["Given back", *_given_back(report)]
    if report["commands"]:
        parts += [
            "Said by operators",
            *(f"  {_clock(each['at'])}  {each['actor']}: {each['text']}" for each in report["commands"]),
        ]
    return "\n".join(cell(line) for part in parts for line in part.split("\n"))


def _head(report: dict[str, Any]) -> str:
    took = f" in {span(report['seconds'])}" if report["seconds"] is not None else ""
    hosts, totals = report["hosts"], report["totals"]
    done = sum(host["phase"] == "done" for host in hosts)
    lines = [
        f"Run {report['run']} on cluster {report['cluster']}: {report['state']}{took} "
        f"(predicted {span(report['predicted_seconds'])}).",
        f"{done} of {len(hosts)} hosts done; {_moves(totals)}.",
    ]
    if report["reason"]:
        lines.append(f"Why: {report['reason']}")
    lines.append(f"Approved by {report['approved_by']}; plan {report['plan_digest'][:12]}.")
    return "\n".join(lines)


def _moves(totals: dict[str, Any]) -> str:
    if not totals["moves"] and not totals["moves_failed"]:
        return "no VM was moved"
    vms, moves = _count(totals["vms_moved"], "VM"), _count(totals["moves"], "move")
    text = f"{vms} moved in {moves}, {size(totals['wire_bytes'])} sent"
    if totals["longest_blackout_seconds"] is not None:
        text += f", longest black-out {span(totals['longest_blackout_seconds'])}"
    if totals["moves_failed"]:
        text += f", {_count(totals['moves_failed'], 'attempt')} failed"
    return text


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _host(host: dict[str, Any]) -> str:
    lines = [f"  {host['name']}: {host['phase']}; {_boot(host)}; {_updates(host)}"]
    if host["reason"]:
        lines.append(f"    {host['reason']}")
    if host["phases"]:
        spans = ", ".join(f"{each['phase']} {span(each['seconds'])}" for each in host["phases"])
        lines.append(f"    time: {spans}")
    lines += [
        f"    {each['package']}: {each['before'] or 'new'} -> {each['after'] or 'removed'}"
        for each in host["versions"]
    ]
    return "\n".join(lines)


def _boot(host: dict[str, Any]) -> str:
    if host["rebooted"]:
        return f"rebooted, boot {host['boot_id_before'][:8]} -> {host['boot_id_after'][:8]}"
    return "not rebooted"


def _updates(host: dict[str, Any]) -> str:
    before, after = host["pending_before"], host["pending_after"]
    if before is None:
        return "updates not looked at"
    return f"updates pending {before} -> {'not looked at' if after is None else after}"


def _move(move: dict[str, Any]) -> str:
    again = f", attempt {move['attempt']}" if move["attempt"] > 1 else ""
    figures = [
        f"brown-out {span(move['brownout_seconds'])}" if move["brownout_seconds"] is not None else "",
        f"black-out {span(move['blackout_seconds'])}" if move["blackout_seconds"] is not None else "",
        f"sent {size(move['wire_bytes'])}" if move["wire_bytes"] is not None else "",
    ]
    told = ", ".join(figure for figure in figures if figure) or "no figures from the platform"
    if move["state"] == "failed":
        told = move["reason"] or "failed"
    elif move["state"] == "started":
        told = "on its way"
    return f"  {move['vm']}: {move['source']} -> {move['target']} ({move['purpose']}{again}): {told}"


def _given_back(report: dict[str, Any]) -> list[str]:
    """What was borrowed: a count when all is back, each thing by name when it is not."""
    changed = _count(len(report["given_back"]), "change")
    lines = [f"  {changed} made for the run: all as before."]
    lines += [
        f"  STILL CHANGED: {each['kind']} {each['name']} on {each['host']} (before: {each['before']})"
        for each in report["still_changed"]
    ]
    return lines


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
