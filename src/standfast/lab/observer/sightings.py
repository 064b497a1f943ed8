"""What hosts say about VMs, line by line: events of libvirt, lists of running VMs, and the ends in QEMU's
logs. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

_STAMP = r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d{4})"
_EVENT = re.compile(_STAMP + r": event '([\w-]+)' for domain '([^']+)'(?:: (.*))?")
_LOG_END = re.compile(r"(\S+)\.log:" + _STAMP + r": shutting down, reason=([\w-]+)")
_SLOWEST_LIST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event of libvirt: ``kind`` as virsh names it, ``detail`` the rest (``Suspended Paused``)."""

    at: float
    host: str
    vm: str
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Running:
    """A VM was seen running on a host."""

    at: float
    host: str
    vm: str


@dataclass(frozen=True, slots=True)
class LogEnd:
    """QEMU's log of a VM on a host ends with a reason (migrated, saved, destroyed, shutdown, crashed,
    failed)."""

    at: float
    host: str
    vm: str
    reason: str


Sighting = Event | Running | LogEnd


def _seconds(stamp: str) -> float:
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S.%f%z").timestamp()


def parse_event(host: str, line: str) -> Event | None:
    """A line of ``virsh event --all --loop --timestamp``; None for the indented rest of an event, and for
    noise."""
    match = _EVENT.match(line)
    return Event(_seconds(match[1]), host, match[3], match[2], (match[4] or "").strip()) if match else None


def parse_running(host: str, line: str) -> list[Running]:
    """``running <before> <after> [vm ...]`` (seconds since 1970 around the listing).

    A listing that took longer than a second proves nothing about any one moment, and says nothing here.
    """
    words = line.split()
    if len(words) < 3 or words[0] != "running":
        return []
    before, after = float(words[1]), float(words[2])
    return [Running(before, host, vm) for vm in words[3:]] if after - before <= _SLOWEST_LIST_SECONDS else []


def parse_log_end(host: str, line: str) -> LogEnd | None:
    """A line that ``grep -H 'shutting down, reason='`` found in /var/log/libvirt/qemu/*.log."""
    match = _LOG_END.match(line)
    return LogEnd(_seconds(match[2]), host, match[1], match[3]) if match else None
