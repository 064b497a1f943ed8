"""A run as tables for a spreadsheet or a program: CSV after RFC 4180, UTF-8, a header in each.

Times are Unix seconds, numbers are bare, and what nobody measured is empty. A text that a spreadsheet would
take for a formula (a VM may be called `=cmd|…`) gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standfast.model.run import EventRow, Run
from standfast.report.facts import host_names, report_dict
from standfast.report.plain import cell

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Told:
    report: dict[str, Any]
    events: Sequence[EventRow]
    names: Mapping[str, str]


def table_names() -> tuple[str, ...]:
    """The tables that there are."""
    return tuple(_TABLES)


def csv_tables(run: Run, events: Sequence[EventRow]) -> dict[str, str]:
    """Every table by name as CSV text."""
    told = _Told(report_dict(run, events), events, host_names(run))
    return {name: _csv(columns, rows(told)) for name, (columns, rows) in _TABLES.items()}


def _csv(columns: Sequence[str], rows: Sequence[Row]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_field(row[column]) for column in columns] for row in rows)
    return out.getvalue()


def _field(value: Any) -> Any:
    """Numbers as they are, text made harmless, None as nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, (int, float)):
        return value
    text = cell(str(value))
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _hosts(told: _Told) -> list[Row]:
    return [
        host | {"position": number} | {"held_in": host["held_phase"]}
        for number, host in enumerate(told.report["hosts"], start=1)
    ]


def _phases(told: _Told) -> list[Row]:
    return [
        {"host": host["name"]} | each | {"seconds": round(each["ended_at"] - each["began_at"], 3)}
        for host in told.report["hosts"]
        for each in host["timeline"]
    ]


def _versions(told: _Told) -> list[Row]:
    return [{"host": host["name"]} | each for host in told.report["hosts"] for each in host["versions"]]


def _borrowed(told: _Told) -> list[Row]:
    entries = told.report["given_back"] + told.report["still_changed"]
    return sorted(entries, key=lambda entry: (entry["taken_at"], entry["host"], entry["kind"], entry["name"]))


def _events(told: _Told) -> list[Row]:
    return [
        {
            "id": event.id,
            "at": event.at,
            "kind": event.kind,
            "host": told.names.get(str(event.host), str(event.host)) if event.host else None,
            "vm_id": event.vm,
            "actor": event.actor,
            "text": event.text,
            "data": json.dumps(event.data, ensure_ascii=False, sort_keys=True) if event.data else None,
        }
        for event in told.events
    ]


_MOVES = (
    *("vm", "vm_id", "source", "target", "purpose", "attempt", "state", "reason", "started_at", "ended_at"),
    *("seconds", "brownout_seconds", "predicted_brownout_seconds", "predicted_brownout_p95_seconds"),
    *("blackout_seconds", "predicted_blackout_seconds", "predicted_blackout_p95_seconds"),
    *("blackout_budget_seconds", "within_budget", "wire_bytes", "predicted_wire_bytes", "memory_bytes"),
    *("rounds", "evidence"),
)
_OFF = (
    *("vm", "host", "asked_at", "off_at", "ended_how", "back_at", "seconds", "consent_by", "consent_where"),
)
_HOSTS = (
    *("position", "name", "id", "phase", "held_in", "reason", "attempts", "seconds", "rebooted"),
    *("boot_id_before", "boot_id_after", "pending_before", "pending_after"),
)
_TABLES: dict[str, tuple[Sequence[str], Callable[[_Told], Sequence[Row]]]] = {
    "hosts": (_HOSTS, _hosts),
    "phases": (("host", "phase", "began_at", "ended_at", "seconds"), _phases),
    "versions": (("host", "package", "before", "after"), _versions),
    "moves": (_MOVES, lambda told: told.report["moves"]),
    "off": (_OFF, lambda told: told.report["off"]),
    "borrowed": (("host", "kind", "name", "what", "was", "taken_at", "given_back_at"), _borrowed),
    "events": (("id", "at", "kind", "host", "vm_id", "actor", "text", "data"), _events),
}
