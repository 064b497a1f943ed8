"""What a stream of heartbeats says about one VM: gaps, restarts, errors. Pure; times are handed in."""

from __future__ import annotations

import re
from dataclasses import dataclass

_BEAT = re.compile(r"beat (\S+) ([0-9a-f]{16}) (\d+)((?: \w+=\d+)*)")


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat; the error counts are totals since the guest's boot."""

    vm: str
    nonce: str
    counter: int
    disk_errors: int = 0
    memory_errors: int = 0


def parse_beat(line: str) -> Beat | None:
    """``beat <vm> <nonce> <counter> [diskerr=N] [memerr=N]``; None for anything else (kernel messages,
    half lines)."""
    match = _BEAT.fullmatch(line.strip())
    if match is None:
        return None
    extra = dict(pair.split("=") for pair in match[4].split())
    errors = (int(extra.get("diskerr", 0)), int(extra.get("memerr", 0)))
    return Beat(match[1], match[2], int(match[3]), *errors)


class Pulse:
    """The heartbeats of one VM on one way (network or serial line).

    A gap is the time between two beats, or from the last beat until now; it counts from the first beat on. A
    restart is a new nonce or a counter that went back (an older state, or a second copy, spoke).
    """

    def __init__(self) -> None:
        self.beats = 0
        self.restarts = 0
        self._longest = 0.0
        self._last_at: float | None = None
        self._last: Beat | None = None
        self._earlier_disk = 0
        self._earlier_memory = 0

    def feel(self, beat: Beat, at: float) -> None:
        """Take in a beat that arrived at ``at`` seconds of a monotonic clock."""
        if self._last_at is not None:
            self._longest = max(self._longest, at - self._last_at)
        last = self._last
        if last is not None and (beat.nonce != last.nonce or beat.counter < last.counter):
            self.restarts += 1
        if last is not None and beat.nonce != last.nonce:  # the guest's totals began anew
            self._earlier_disk += last.disk_errors
            self._earlier_memory += last.memory_errors
        self.beats += 1
        self._last_at, self._last = at, beat

    def longest_gap(self, now: float) -> float | None:
        """The longest silence in seconds, one that still lasts included; None if no beat was ever heard."""
        return None if self._last_at is None else max(self._longest, now - self._last_at)

    @property
    def disk_errors(self) -> int:
        """Failed or wrong disk accesses that the guest told of, over all its boots."""
        return self._earlier_disk + (self._last.disk_errors if self._last else 0)

    @property
    def memory_errors(self) -> int:
        """Corrupted pages that the guest told of, over all its boots."""
        return self._earlier_memory + (self._last.memory_errors if self._last else 0)
