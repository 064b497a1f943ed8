"""What a run borrowed, in words: the thing, how it was before, and what it means that it isn't given back."""

from __future__ import annotations

from collections.abc import Mapping
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
        return f"silence {entry.name} for {host}", f"alerts of {host} may be silenced by {entry.name}"
    return f"{entry.kind} {entry.name} of {host}", f"{entry.kind} {entry.name} of {host} is not as it was"


def was(before: Mapping[str, Any]) -> str:
    """`cordoned: no`, `autostart: yes`: the settings as they were, nothing where none is on record."""
    told = {key: value for key, value in before.items() if key != "vm"}
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
