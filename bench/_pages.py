"""QEMU's migration loop, page by page: the second opinion of `bench/page_simulation.py`.

Written from QEMU's sources (migration/migration.c, migration/ram.c, accel/kvm/kvm-all.c) and from nothing of
ours. A guest writes pages; the dirty log notes them; the loop sends what its bitmap says and looks every 50
ms whether what is left would fit into the downtime limit at the rate of the last 100 ms. Rates, rounds and
verdicts are nobody's formula here: they come out of pages.

    migration_iteration_run    pending below the threshold? synchronise, look again, then switch over
    migration_update_counters  every 100 ms: bandwidth, threshold = bandwidth x downtime limit
    ram_save_iterate           sends for at most 50 ms (MAX_WAIT), from where it stopped, round and round
    kvm_log_clear              a chunk of 1 GiB is protected anew when its first page is about to be sent, and
                               only where the last synchronisation had seen it dirty
    mig_throttle_guest_down    auto-converge: dirtied > 50 % of sent, twice: 20 %, then 10 % more, at most 99
    %

What is left out, because it changes no round: devices but for the size of their state, multifd's packets,
and XBZRLE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PAGE = 4096
HEADER, ZERO_WIRE = 8, 9
ITERATION_SECONDS = 0.05
COUNTERS_SECONDS = 0.1
SLICES = 5
SHORT_QUEUE = 20
"""Rounds of fewer iterations than this are cut into slices, between which guest and sender take turns."""

Pages = NDArray[np.int64]
Bits = NDArray[np.bool_]


class Writer(Protocol):
    """Part of a guest's work: which pages it writes in a span of time, repeats included."""

    def write(self, rng: np.random.Generator, seconds: float) -> Pages: ...


@dataclass
class Uniform:
    """Any page of a range, as likely as any other: a hash table, a heap."""

    first: int
    pages: int
    per_second: float

    def write(self, rng: np.random.Generator, seconds: float) -> Pages:
        return self.first + rng.integers(self.pages, size=rng.poisson(self.per_second * seconds))


@dataclass
class Zipf:
    """Some pages far oftener than others, scattered over a range: a key-value store."""

    first: int
    pages: int
    per_second: float
    exponent: float

    def write(self, rng: np.random.Generator, seconds: float) -> Pages:
        drawn = rng.random(rng.poisson(self.per_second * seconds))
        power = 1.0 - self.exponent
        ranks = ((self.pages**power - 1.0) * drawn + 1.0) ** (1.0 / power) - 1.0
        scattered: Pages = self.first + (ranks.astype(np.int64) * 2_654_435_761) % self.pages
        return scattered


@dataclass
class Sweep:
    """One page after the other, over and over: a scan, a garbage collector, a ring buffer."""

    first: int
    pages: int
    per_second: float
    at: float = 0.0

    def write(self, rng: np.random.Generator, seconds: float) -> Pages:
        begin, self.at = self.at, self.at + self.per_second * seconds
        count = min(int(self.at) - int(begin), self.pages)
        return self.first + np.arange(int(self.at) - count, int(self.at), dtype=np.int64) % self.pages


@dataclass
class Bursts:
    """Work that comes and goes: `share` of each period it writes, at a rate that keeps its mean."""

    inner: Writer
    period: float
    share: float
    at: float = 0.0

    def write(self, rng: np.random.Generator, seconds: float) -> Pages:
        before, self.at = self._working(self.at), self.at + seconds
        return self.inner.write(rng, (self._working(self.at) - before) / self.share)

    def _working(self, until: float) -> float:
        """Seconds of work from the beginning of time."""
        whole, phase = divmod(until, self.period)
        return self.share * self.period * whole + min(phase, self.share * self.period)


@dataclass
class Guest:
    """Its memory in pages, which of them are zero (nobody writes those), and its work."""

    pages: int
    zero: Bits
    writers: list[Writer]
    state_bytes: int = 2_000_000
    slowed: float = 0.0
    """Share of its time that auto-converge takes away."""

    def run(self, rng: np.random.Generator, seconds: float, marked: Bits) -> None:
        """Let it work that long and mark what it writes."""
        for writer in self.writers:
            marked[writer.write(rng, seconds * (1.0 - self.slowed))] = True


@dataclass(frozen=True)
class Link:
    """Bytes per second on the wire, and how unsteady: relative standard deviation over 50 ms."""

    bytes_per_second: float
    unsteady: float = 0.02


@dataclass(frozen=True)
class Settings:
    downtime_limit: float = 0.3
    chunk_pages: int | None = 1 << 18
    """Protected anew by chunk as it is sent (KVM since 5.x, 1 << clear-bitmap-shift pages); None: everything
    at each synchronisation."""
    auto_converge: bool = False
    deadline: float = 600.0
    scan_pages_per_second: float = 1.5e6
    setup: float = 0.05
    switchover: float = 0.02


@dataclass(frozen=True)
class Outcome:
    """What came of it. Seconds of a migration that did not end by the deadline are those until then."""

    converged: bool
    total: float
    blackout: float
    sent_bytes: float
    rounds: int
    throttle: float


@dataclass
class Migration:
    """One migration under way."""

    guest: Guest
    link: Link
    settings: Settings
    rng: np.random.Generator
    bitmap: Bits = field(init=False)
    log: Bits = field(init=False)
    seen: Bits = field(init=False)
    """The log as the last synchronisation saw it."""

    def __post_init__(self) -> None:
        self.bitmap = np.ones(self.guest.pages, dtype=bool)
        self.seen = np.ones(self.guest.pages, dtype=bool)
        self.chunk = self.settings.chunk_pages
        self.log = np.full(self.guest.pages, self.chunk is not None)
        self.wire = np.where(self.guest.zero, ZERO_WIRE, PAGE + HEADER)
        self.uncleared = np.ones(-(-self.guest.pages // (self.chunk or self.guest.pages)), dtype=bool)
        self.cursor, self.credit = 0, 0.0
        self.queue: Pages = np.arange(self.guest.pages)
        self.ends = np.cumsum(self.wire)
        self.taken = 0
        self.now, self.sent, self.rounds = 0.0, 0.0, 1
        self.dirtied_since, self.sent_at_sync, self.throttles_due = 0, 0.0, 0

    def run(self) -> Outcome:
        threshold, counted_at, counted = 0.0, 0.0, 0.0
        guest, settings = self.guest, self.settings
        while self.now < settings.deadline:
            if self.now - counted_at >= COUNTERS_SECONDS - 1e-9:
                rate = (self.sent - counted) / (self.now - counted_at)
                threshold, counted_at, counted = rate * settings.downtime_limit, self.now, self.sent
            pending = (self.queue.size - self.taken) * PAGE
            if pending < threshold or pending == 0:
                self._synchronise()
                pending = self.queue.size * PAGE
                if pending < threshold or pending == 0:
                    return self._switch_over()
                self.rounds += 1
            self._iterate()
        return Outcome(False, self.now + settings.setup, 0.0, self.sent, self.rounds, guest.slowed)

    def _iterate(self) -> None:
        """50 ms of sending, in slices between which the guest works."""
        speed = self.link.bytes_per_second * max(0.1, 1.0 + self.rng.normal(0.0, self.link.unsteady))
        left = float(self.ends[-1] - self.ends[self.taken - 1]) if self.taken else float(self.ends[-1])
        slices = SLICES if left < SHORT_QUEUE * speed * ITERATION_SECONDS else 1
        span = ITERATION_SECONDS / slices
        for _ in range(slices):
            begin, done = self.taken, float(self.ends[self.taken - 1]) if self.taken else 0.0
            self.credit = min(self.credit, float(PAGE)) + speed * span
            end = int(np.searchsorted(self.ends, done + self.credit, side="right"))
            end = min(end, begin + int(self.settings.scan_pages_per_second * span), self.queue.size)
            if end > begin:
                sending = self.queue[begin:end]
                if self.chunk is not None:
                    self._clear(sending, self.chunk)
                self.bitmap[sending] = False
                self.sent += float(self.ends[end - 1]) - done
                self.credit -= float(self.ends[end - 1]) - done
                self.cursor = int(sending[-1]) + 1
                self.taken = end
            self.guest.run(self.rng, span, self.log)
            self.now += span

    def _clear(self, sending: Pages, size: int) -> None:
        for chunk in np.unique(sending // size):
            if self.uncleared[chunk]:
                part = slice(chunk * size, (chunk + 1) * size)
                self.log[part] &= ~self.seen[part]
                self.uncleared[chunk] = False

    def _synchronise(self) -> None:
        before = self.queue.size - self.taken
        np.logical_or(self.bitmap, self.log, out=self.bitmap)
        if self.chunk is not None:
            self.seen = self.log.copy()
            self.uncleared[:] = True
        else:
            self.log[:] = False
        found = np.flatnonzero(self.bitmap)
        turn = int(np.searchsorted(found, self.cursor))
        self.queue = np.concatenate((found[turn:], found[:turn]))
        self.ends, self.taken = np.cumsum(self.wire[self.queue]), 0
        self.dirtied_since += self.queue.size - before
        self._throttle()

    def _throttle(self) -> None:
        """Looked at once a second, as migration_bitmap_sync does."""
        if not self.settings.auto_converge or self.now - getattr(self, "looked_at", 0.0) < 1.0:
            return
        self.looked_at = self.now
        if self.dirtied_since * PAGE > 0.5 * (self.sent - self.sent_at_sync):
            self.throttles_due += 1
            if self.throttles_due >= 2:
                self.throttles_due = 0
                slowed = self.guest.slowed
                self.guest.slowed = min(0.99, slowed + 0.10) if slowed else 0.20
        self.dirtied_since, self.sent_at_sync = 0, self.sent

    def _switch_over(self) -> Outcome:
        left = float(self.ends[-1]) if self.queue.size else 0.0
        blackout = self.settings.switchover + (left + self.guest.state_bytes) / self.link.bytes_per_second
        total = self.settings.setup + self.now + blackout
        return Outcome(True, total, blackout, self.sent + left, self.rounds, self.guest.slowed)


@dataclass(frozen=True)
class Measured:
    """`calc-dirty-rate`, called once for each window: seconds, and the share of all pages that changed."""

    points: tuple[tuple[float, float], ...]
    zero_share: float


def calc_dirty_rate(
    guest: Guest, rng: np.random.Generator, windows: Sequence[float], sample_pages_per_gib: int | None
) -> Measured:
    """Mode `page-sampling` with that many pages, or `dirty-bitmap` (all of them) where it is None."""
    count = guest.pages
    if sample_pages_per_gib is not None:
        count = min(count, max(1, sample_pages_per_gib * guest.pages * PAGE // 1024**3))
    points, marked = list[tuple[float, float]](), np.zeros(guest.pages, dtype=bool)
    sample: Pages = np.arange(guest.pages)
    for window in windows:
        if count < guest.pages:
            sample = rng.choice(guest.pages, count, replace=False)
        marked[:] = False
        left = window
        while left > 1e-9:
            step = min(left, ITERATION_SECONDS if window < 1 else 4 * ITERATION_SECONDS)
            guest.run(rng, step, marked)
            left -= step
        points.append((window, float(marked[sample].mean())))
    return Measured(tuple(points), float(guest.zero[sample].mean()))
