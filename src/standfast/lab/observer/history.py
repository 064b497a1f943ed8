"""What happened to one VM, out of all that was seen: where it went, and what interrupted it. Pure.

Sightings come from several hosts on ways of different speed, so they are put into the order of their own
times first (all hosts of a lab have one clock). What counts is what happened on the host where the VM was at
that time: a destination that gives up an incoming copy has interrupted nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from standfast.lab.observer.sightings import Event, LogEnd, Running, Sighting

# Lifecycle events that are steps of a migration: neither a stop nor a pause of the guest by anybody's wish.
_MIGRATION = {
    "Suspended Migrated",
    "Suspended Post-copy",
    "Stopped Migrated",
    "Started Migrated",
    "Resumed Migrated",
    "Resumed Post-copy",
}
_ARRIVED = {"Resumed Migrated", "Resumed Post-copy"}
_KINDS = {
    "Suspended": "paused",
    "PMSuspended": "paused",
    "Crashed": "crashed",
    "Started": "started",
    "Stopped Saved": "saved",
    "Stopped Shutdown": "shutdown",
    "Stopped Crashed": "crashed",
    "Stopped": "stopped",
}
_OTHER_EVENTS = {
    "reboot": "reset",
    "io-error": "io-error",
    "io-error-reason": "io-error",
    "watchdog": "watchdog",
}
_LOG_KINDS = {"saved": "saved", "shutdown": "shutdown", "crashed": "crashed"}
_SAME_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Interruption:
    """Something that interrupted a VM: ``kind`` is one word, ``at`` seconds since 1970, ``detail`` what
    was seen."""

    kind: str
    host: str
    at: float
    detail: str


@dataclass(slots=True)
class History:
    """Where a VM was, in order without repetition, and what interrupted it there."""

    path: list[str] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)

    @property
    def moves(self) -> int:
        """How often the VM's host changed."""
        return max(0, len(self.path) - 1)

    def _arrive(self, host: str) -> None:
        if not self.path or self.path[-1] != host:
            self.path.append(host)

    def _interrupt(self, kind: str, sighting: Event | LogEnd, detail: str) -> None:
        # A reset is told twice, and an end both by an event and by a log: one fact, one entry.
        for other in self.interruptions:
            near = abs(other.at - sighting.at) <= _SAME_SECONDS and other.host == sighting.host
            if near and (other.kind == kind or isinstance(sighting, LogEnd)):
                return
        self.interruptions.append(Interruption(kind, sighting.host, sighting.at, detail))


def tell(sightings: Iterable[Sighting], *, since: float) -> History:
    """The history of one VM from all sightings of it; what is older than ``since`` (in logs) does not
    count."""
    history = History()
    for seen in sorted(sightings, key=lambda each: each.at):
        if seen.at < since:
            continue
        if isinstance(seen, Running):
            history._arrive(seen.host)
        elif isinstance(seen, LogEnd):
            _take_log_end(history, seen)
        else:
            _take_event(history, seen)
    return history


def _is_elsewhere(history: History, host: str) -> bool:
    return bool(history.path) and history.path[-1] != host


def _take_event(history: History, event: Event) -> None:
    if event.kind == "lifecycle" and event.detail in _ARRIVED:
        history._arrive(event.host)
    if event.kind == "lifecycle" and event.detail in _MIGRATION:
        return
    word = event.detail.split(" ")[0]
    if event.kind == "lifecycle":
        kind = _KINDS.get(event.detail) or _KINDS.get(word)
    else:
        kind = _OTHER_EVENTS.get(event.kind)
    if kind == "started":
        # The very first start that is seen is a beginning; any later one is the end of an interruption.
        if history.path:
            history._interrupt(kind, event, event.detail)
        history._arrive(event.host)
    elif kind is not None and not _is_elsewhere(history, event.host):
        history._interrupt(kind, event, event.detail or event.kind)


def _take_log_end(history: History, end: LogEnd) -> None:
    if end.reason != "migrated" and not _is_elsewhere(history, end.host):
        history._interrupt(_LOG_KINDS.get(end.reason, "stopped"), end, f"QEMU's log: reason={end.reason}")
