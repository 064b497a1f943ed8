"""A run as one HTML file. Everything that is written into it is escaped, and its control characters shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from standfast.model.run import EventRow, Run
from standfast.model.units import size, span
from standfast.report import story, words
from standfast.report.facts import host_names, report_dict
from standfast.report.html.blackouts import blackouts
from standfast.report.html.places import places
from standfast.report.html.scale import TimeScale
from standfast.report.html.tiles import tiles
from standfast.report.html.timeline import result, timeline
from standfast.report.plain import cell
from standfast.report.updates import updates, where


def report_html(run: Run, events: Sequence[EventRow]) -> str:
    """The whole page as text, to be written as UTF-8."""
    report = report_dict(run, events)
    scale = TimeScale(report["created_at"], report["recorded_until"])
    names = host_names(run)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            tiles=tiles(report),
            timeline=timeline(report, scale),
            blackouts=blackouts(report),
            places=places(report, scale),
            phases=_phases(report["hosts"]),
            updates=updates(report["hosts"]),
            evidence=_evidence(report["moves"]),
            events=[_event(event, names) for event in events],
        )
    )


def environment() -> Environment:
    """Where templates are found, with everything that is written into them escaped."""
    environment = Environment(
        loader=PackageLoader("standfast.report.html"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        finalize=lambda value: cell(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "span": lambda seconds: "–" if seconds is None else span(seconds),
        "size": lambda number: "–" if number is None else size(number),
        "clock": words.clock,
        "day": _day,
        "pending": lambda host: words.pending(host).replace("->", "→"),
        "result": result,
        "where": where,
        "count": story.count,
    }
    return environment


def _day(at: float) -> str:
    """`Tuesday 24 November 2026, 10:52 UTC`"""
    moment = datetime.fromtimestamp(at).astimezone()
    return f"{moment:%A} {moment.day} {moment:%B %Y, %H:%M %Z}"


def _phases(hosts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A table of seconds: a row for each host, a column for each phase, and what a host took on average."""
    columns = list(dict.fromkeys(each["phase"] for host in hosts for each in host["phases"]))
    rows = []
    for host in hosts:
        spans = {each["phase"]: each["seconds"] for each in host["phases"]}
        rows.append((host["name"], [spans.get(name) for name in columns], host["seconds"]))
    longest = max((value for _, spans, _ in rows for value in spans if value is not None), default=0.0)
    return {
        "columns": columns,
        "rows": rows,
        "mean": [_mean([spans[place] for _, spans, _ in rows]) for place in range(len(columns))],
        "mean_all": _mean([whole for _, _, whole in rows]),
        "longest": longest or 1.0,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _evidence(moves: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    """(where figures came from, of how many moves)"""
    sources = [move["evidence"] for move in moves if move["state"] == "done"]
    return [(source, sources.count(source)) for source in sorted(set(sources))]


def _event(event: EventRow, names: dict[str, str]) -> dict[str, Any]:
    return {
        "at": event.at,
        "host": names.get(str(event.host), str(event.host)) if event.host else "",
        "actor": event.actor,
        "text": event.text,
    }
