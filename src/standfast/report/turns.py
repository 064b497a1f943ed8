"""A host's turn as stretches of time in phases, read from its events and, for the last one, from its row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from standfast.model.run import ENDED_PHASES, EventRow, HostRow, Phase


def timelines(
    hosts: Sequence[HostRow], events: Sequence[EventRow], began_at: float, until: float
) -> dict[str, list[dict[str, Any]]]:
    """By host id: `[{"phase", "began_at", "ended_at"}]` in order of time, Unix seconds.

    The wait for the turn is a stretch of `planned`; a phase in which nothing more is done is none. `until` is
    the run's end, or how far its record goes.
    """
    turns: defaultdict[str, list[EventRow]] = defaultdict(list)
    words: list[EventRow] = []
    for event in events:
        if event.host is not None and "from" in event.data and "to" in event.data:
            turns[str(event.host)].append(event)
        elif _may_move_hosts(event):
            words.append(event)
    return {
        str(row.host): list(_stretches(row, turns[str(row.host)], words, began_at, until)) for row in hosts
    }


def _stretches(
    row: HostRow, turns: Sequence[EventRow], words: Sequence[EventRow], began_at: float, until: float
) -> Iterator[dict[str, Any]]:
    for phase, start, end in _spans(_changes(row, turns, words), began_at, until):
        if phase not in ENDED_PHASES and end > start:
            yield {"phase": phase, "began_at": start, "ended_at": end}


def _changes(
    row: HostRow, turns: Sequence[EventRow], words: Sequence[EventRow]
) -> Iterator[tuple[str, float]]:
    """(phase, since) of each change. One that an operator's word made is told by no event of the host: it
    shows where the next one begins in another phase, or in the row, and happened when the word was taken up.
    """
    phase, since = str(Phase.PLANNED), 0.0
    for event in turns:
        before, after = str(event.data["from"]), str(event.data["to"])
        if before != phase:
            yield before, next((word.at for word in words if since <= word.at <= event.at), event.at)
        yield after, event.at
        phase, since = after, event.at
    if row.phase != phase:
        yield row.phase, row.since


def _may_move_hosts(event: EventRow) -> bool:
    """Whether it is an operator's word after which a held host goes on."""
    said = event.actor != "standfast" and event.kind != "run_created"
    return said and event.data.get("verb") != "pause" and "changes nothing" not in event.text


def _spans(
    changes: Iterator[tuple[str, float]], began_at: float, until: float
) -> Iterator[tuple[str, float, float]]:
    phase, since = str(Phase.PLANNED), began_at
    for after, at in changes:
        yield phase, since, at
        phase, since = after, at
    yield phase, since, until


def seconds_by_phase(timeline: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Seconds in each phase after `planned`, in the order in which they were entered first."""
    spans: defaultdict[str, float] = defaultdict(float)
    for each in timeline:
        if each["phase"] != Phase.PLANNED or spans:
            spans[each["phase"]] += each["ended_at"] - each["began_at"]
    return {phase: round(seconds, 3) for phase, seconds in spans.items()}
