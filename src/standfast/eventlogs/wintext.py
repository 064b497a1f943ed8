"""Event texts copied out of Event Viewer or a report: one to a line, with or without the id before it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from standfast.eventlogs.hyperv import SIGNS
from standfast.eventlogs.reading import Log
from standfast.eventlogs.winevent import MIGRATION_IDS, WinEvent

_NUMBERED = re.compile(r"\s*(?:Event ?ID:?\s*)?(\d{5})[\s:;,-]+(.*)", re.IGNORECASE)


def looks_like(log: Log) -> bool:
    """Whether a line is a text of these events, or begins with one of their numbers."""
    return any(_event(log, number, line) is not None for number, line in enumerate(log.text.splitlines(), 1))


def read(log: Log) -> Iterator[WinEvent]:
    """An event for each line that is one; other lines are passed over."""
    for number, line in enumerate(log.text.splitlines(), 1):
        event = _event(log, number, line)
        if event is not None:
            yield event


def _event(log: Log, number: int, line: str) -> WinEvent | None:
    by_words = next((event for words, event in SIGNS.items() if words in line), None)
    numbered = _NUMBERED.fullmatch(line)
    by_number = int(numbered.group(1)) if numbered and int(numbered.group(1)) in MIGRATION_IDS else None
    event = by_words or by_number
    return None if event is None else WinEvent(id=event, where=log.line(number), message=line)
