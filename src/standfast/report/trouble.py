"""What did not go by itself: failures, holds, and the time that was spent waiting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from standfast.model.run import EventRow, HostRow, Phase

TROUBLES = frozenset(
    {
        *("move_failed", "move_cancelled", "call_failed", "silence_failing", "vm_ran_on"),
        *("host_held", "run_held", "host_silent", "unwell", "rebooted_again", "run_state_kept"),
        *("host_slow", "console", "host_not_returned"),
    }
)
"""Kinds of events that tell of a failure, a retry or a hold."""


def trouble(events: Sequence[EventRow], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """`[{"at", "kind", "host", "text"}]` in order; `host` is a name, or None for the run as a whole."""
    return [
        {
            "at": event.at,
            "kind": event.kind,
            "host": None if event.host is None else names.get(str(event.host), str(event.host)),
            "text": event.text,
        }
        for event in events
        if event.kind in TROUBLES
    ]


def waits(
    rows: Sequence[HostRow],
    turns: Mapping[str, Sequence[dict[str, Any]]],
    moves: Sequence[dict[str, Any]],
) -> list[dict[str, Any]]:
    """`[{"for", "what", "began_at", "seconds"}]` by time: holds, and pauses before a move's next try."""
    found = [*_held(rows, turns), *_between_tries(moves)]
    return sorted(found, key=lambda wait: (wait["began_at"], wait["for"]))


def _held(rows: Sequence[HostRow], turns: Mapping[str, Sequence[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        for each in turns[str(row.host)]:
            if each["phase"] == Phase.HELD:
                yield _wait(row.name, "held, for an operator", each["began_at"], each["ended_at"])


def _between_tries(moves: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A retry follows the failed attempt of the same VM off the same host."""
    failed: dict[tuple[str, str], float] = {}
    for move in moves:
        key = (move["vm_id"], move["source"])
        since = failed.pop(key, None)
        if since is not None and move["attempt"] > 1:
            yield _wait(move["vm"], f"before attempt {move['attempt']}", since, move["started_at"])
        if move["state"] == "failed" and move["ended_at"] is not None:
            failed[key] = move["ended_at"]


def _wait(whom: str, what: str, began_at: float, ended_at: float) -> dict[str, Any]:
    return {"for": whom, "what": what, "began_at": began_at, "seconds": round(ended_at - began_at, 3)}
