"""What a run borrowed, in words: the thing, how it was before, and what it means that it isn't given back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from standfast.model.run import JournalRow


def borrowed(entry: JournalRow, names: Mapping[str, str]) -> dict[str, Any]:
    """One thing as a plain dict; `what`, `was` and `still` are for readers. Every kind is told."""
    host = names.get(str(entry.host), str(entry.host))
    what, still = _words(entry, host)
    return {
        "host": host,
        "kind": entry.kind,
        "name": entry.name,
        "what": what,
        "was": was(entry.before),
        "still": still,
        "before": entry.before,
        "taken_at": entry.taken_at,
        "given_back_at": entry.given_back_at,
    }


def _words(entry: JournalRow, host: str) -> tuple[str, str]:
    """(what was borrowed, how it stands while it is not given back)"""
    if entry.kind == "cordon":
        return f"cordon of {host}", f"{host} is cordoned: it takes no VM"
    if entry.kind == "autostart":
        vm = entry.before.get("vm", entry.name)
        return f"autostart of {vm}", f"{vm} does not start by itself when its host boots"
    if entry.kind == "silence":
        return f"silence of {host} in {entry.name}", f"{entry.name} may still be silent about {host}"
    if entry.kind in ("shutdown", "off"):
        vm = entry.before.get("vm", entry.name)
        still = "was asked to shut down" if entry.kind == "shutdown" else "is off, and was not started again"
        return f"{'shutdown' if entry.kind == 'shutdown' else 'time off'} of {vm}", f"{vm} {still}"
    return f"{entry.kind} {entry.name} of {host}", f"{entry.kind} {entry.name} of {host} is not as it was"


_NO_SETTINGS = frozenset(
    {"vm", "lease_seconds", "consent_by", "consent_at", "consent_where", "asked_at", "ended_how"}
)
"""Kept with what was borrowed, and nothing that anybody would put back."""


def was(before: Mapping[str, Any]) -> str:
    """`cordoned: no`, `autostart: yes`: the settings as they were, nothing where none is on record."""
    told = {key: value for key, value in before.items() if key not in _NO_SETTINGS}
    return ", ".join(f"{key.replace('_', ' ')}: {_value(value)}" for key, value in told.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "not set"
    if isinstance(value, (list, tuple)):
        return " ".join(_value(each) for each in value) or "none"
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {_value(inner)}" for key, inner in value.items())
    return str(value)


def times_off(journal: Sequence[JournalRow], names: Mapping[str, str], until: float) -> list[dict[str, Any]]:
    """VMs that were shut down with consent, in order: when, for how long, and who consented where.

    `back_at` is None for one that is still off, whose seconds are up to `until`; `ended_how` is the
    platform's word for how it went off, None where it doesn't say.
    """
    return [
        {
            "vm": str(entry.before.get("vm", entry.name)),
            "host": names.get(str(entry.host), str(entry.host)),
            "off_at": entry.taken_at,
            "back_at": entry.given_back_at,
            "seconds": round((entry.given_back_at or until) - entry.taken_at, 3),
            "asked_at": entry.before.get("asked_at"),
            "ended_how": entry.before.get("ended_how") or None,
            "consent_by": entry.before.get("consent_by"),
            "consent_where": entry.before.get("consent_where"),
        }
        for entry in journal
        if entry.kind == "off"
    ]
