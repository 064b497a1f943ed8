"""Events in a binary .evtx file, by the optional reader (`standfast[evtx]`, written in Rust)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from standfast.eventlogs.seen import Trouble
from standfast.eventlogs.winevent import WinEvent

HEADER_BYTES, CHUNK_BYTES, CHUNKS = 4096, 65536, slice(42, 44)
"""The file's header, a chunk of records, and where the header tells how many chunks there are."""


def read(name: str, data: bytes) -> Iterator[WinEvent | Trouble]:
    """The events in the file; `where` is file:record."""
    try:
        import evtx
    except ImportError:
        yield Trouble(
            name, "is a binary event log, and its reader is not installed: pip install 'standfast[evtx]'."
        )
        return
    import io

    body = len(data) - HEADER_BYTES
    if body % CHUNK_BYTES or body < CHUNK_BYTES * int.from_bytes(data[CHUNKS], "little"):
        yield Trouble(name, "is cut off: it does not end with a whole chunk; export it again.")
    try:
        for record in evtx.PyEvtxParser(io.BytesIO(data)).records_json():
            yield _event(name, record)
    except (RuntimeError, OSError, ValueError) as error:
        yield Trouble(name, f"is a damaged event log ({error}); export it again.")


def _event(name: str, record: Any) -> WinEvent | Trouble:
    where = f"{name}:{record.get('event_record_id', '?')}"
    try:
        event = json.loads(record["data"])["Event"]
        system = event["System"]
        number = system["EventID"]
        number = int(number["#text"] if isinstance(number, dict) else number)
    except (KeyError, TypeError, ValueError):
        return Trouble(where, "holds a record that is no event.")
    named: dict[str, str] = {}
    _leaves({key: event.get(key) for key in ("UserData", "EventData")}, named)
    time = system.get("TimeCreated") or {}
    provider = system.get("Provider") or {}
    return WinEvent(
        id=number,
        where=where,
        provider=str((provider.get("#attributes") or {}).get("Name", "")),
        at=str((time.get("#attributes") or {}).get("SystemTime", "")),
        computer=str(system.get("Computer") or ""),
        parameters=tuple(named.values()),
        named=named,
    )


def _leaves(value: Any, into: dict[str, str], name: str = "") -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "#attributes":
                _leaves(inner, into, key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _leaves(inner, into, f"{name}{index}")
    elif value is not None:
        into[name] = str(value)
