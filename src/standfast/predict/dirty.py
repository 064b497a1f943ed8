"""How much of a guest's memory is written anew in a span of time.

`D(t)`, the bytes of distinct pages written in t seconds after a clean start, is 0 at 0, concave and
saturating. It is held as a mixture of page classes: so many bytes, each page of which is written so often. A
mixture carries what the rounds of a migration need and D(t) alone can't say: the pages found dirty at the end
of a round are mostly the busy ones, and what was clean is mostly quiet.

Two kinds of class cover what guests do. Pages of a *random* class are written independently of each other (a
heap, a cache): after t seconds 1 - exp(-t/period) of them are dirty. Pages of a *regular* class are written
one after the other, over and over (a scan, a ring buffer, a garbage collector): min(1, t/period).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class PageClass:
    """`size_bytes` of memory whose pages are written once in `period_seconds` on average."""

    size_bytes: float
    period_seconds: float
    regular: bool = False

    def share(self, seconds: float) -> float:
        """The share of the class that is dirty so many seconds after all of it was clean; 0 to 1."""
        turns = seconds / self.period_seconds
        return min(1.0, turns) if self.regular else -math.expm1(-turns)


@dataclass(frozen=True, slots=True)
class DirtyCurve:
    """D(t) of one guest as a mixture of page classes. No class: a guest that writes nothing.

    `unsteady`: relative standard deviation of what is written within a short span, for a guest that works in
    bursts; 0 for one whose every second is like the next.
    """

    classes: tuple[PageClass, ...] = ()
    unsteady: float = 0.0

    def bytes_after(self, seconds: float) -> float:
        """Distinct bytes written within so many seconds after a clean start."""
        return sum(each.size_bytes * each.share(seconds) for each in self.classes)

    @property
    def size_bytes(self) -> float:
        """All that is ever written."""
        return sum(each.size_bytes for each in self.classes)

    @property
    def bytes_per_second(self) -> float:
        """The rate at t = 0, where no page has been written twice yet."""
        return sum(each.size_bytes / each.period_seconds for each in self.classes)

    def slowed(self, share: float) -> DirtyCurve:
        """Of the same guest when `share` of its time is taken away (auto-converge): D((1 - share) · t)."""
        return self.faster(max(1e-9, 1.0 - share))

    def faster(self, factor: float) -> DirtyCurve:
        """Of the same guest writing `factor` times as often."""
        quicker = (replace(each, period_seconds=each.period_seconds / factor) for each in self.classes)
        return DirtyCurve(tuple(quicker), self.unsteady)

    def limited(self, bytes_per_second: float) -> DirtyCurve:
        """Under QEMU's dirty limit, which lets vCPUs write that much and no more: vcpus ·
        vcpu-dirty-limit."""
        rate = self.bytes_per_second
        return self if rate <= bytes_per_second else self.faster(max(bytes_per_second, 1.0) / rate)

    def within(self, size_bytes: float) -> DirtyCurve:
        """The same, with no more memory than there is."""
        size = self.size_bytes
        if size <= size_bytes:
            return self
        share = size_bytes / size
        smaller = _curve(replace(each, size_bytes=each.size_bytes * share) for each in self.classes)
        return replace(smaller, unsteady=self.unsteady)


NOTHING = DirtyCurve()


def steady(bytes_per_second: float, size_bytes: float, window_seconds: float = 0.0) -> DirtyCurve:
    """From one dirty rate and the memory that is written at all, every page as likely as any other.

    `window_seconds`: over which the rate was measured. A page written twice within it counts once, so the
    longer the window, the more was really written: bytes_per_second · window = D(window).
    """
    if bytes_per_second <= 0 or size_bytes <= 0:
        return NOTHING
    share = bytes_per_second * window_seconds / size_bytes
    if share >= 1:
        # All of it was written within the window; how much sooner can't be told. Take a third of it.
        return _curve([PageClass(size_bytes, window_seconds / 3)])
    period = size_bytes / bytes_per_second
    if share > 1e-9:
        period = window_seconds / -math.log1p(-share)
    return _curve([PageClass(size_bytes, period)])


def hot_cold(
    hot_bytes: float, hot_seconds: float, cold_bytes_per_second: float, size_bytes: float
) -> DirtyCurve:
    """mVM's two segments (Kherbache, TCC'17): a hot set written once in so many seconds, then a slow
    growth."""
    classes = []
    if hot_bytes > 0:
        classes.append(PageClass(min(hot_bytes, size_bytes), max(hot_seconds, 1e-6), regular=True))
    rest = size_bytes - min(hot_bytes, size_bytes)
    if cold_bytes_per_second > 0 and rest > 0:
        classes.append(PageClass(rest, rest / cold_bytes_per_second))
    return _curve(classes)


def _curve(classes: Iterable[PageClass] | Sequence[PageClass]) -> DirtyCurve:
    return DirtyCurve(tuple(each for each in classes if each.size_bytes > 0))
