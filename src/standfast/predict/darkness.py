"""How much of a measured black-out is fixed, and how much a faster link could save.

A platform that tells the bytes sent while the guest was stopped (Hyper-V's event 22509: dirty pages and saved
state) lets the two be told apart: bytes over goodput is what the link took, the rest is stopping, registering
and resuming, which no bandwidth shortens.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE_BYTES = 4096
KIB = 1024

GOODPUT = 0.936
"""Of a nominal gigabit, as measured: 0.932 on Grid'5000, and 117 MB/s of the 119 to 123 MB/s that Finn
saw."""

GIGABIT_BYTES_PER_SECOND = GOODPUT * 1e9 / 8


@dataclass(frozen=True, slots=True)
class Darkness:
    """One black-out in parts; seconds."""

    blackout_seconds: float
    wire_bytes: int
    wire_seconds: float
    fixed_seconds: float

    @property
    def fixed_share(self) -> float:
        return self.fixed_seconds / self.blackout_seconds if self.blackout_seconds else 0.0

    def saved_by(self, times: float) -> float:
        """Seconds that a link so many times as fast saves, at most."""
        return self.wire_seconds * (1 - 1 / times)


def darkness(
    blackout_seconds: float,
    dirty_pages: int,
    state_bytes: int,
    bytes_per_second: float = GIGABIT_BYTES_PER_SECOND,
) -> Darkness:
    """The parts of a black-out. What the link took is never more than the whole. ValueError for nonsense."""
    if not (blackout_seconds >= 0 and dirty_pages >= 0 and state_bytes >= 0 and bytes_per_second > 0):
        raise ValueError("a black-out has spans and sizes of zero or more, and a link a rate above zero")
    sent = dirty_pages * PAGE_BYTES + state_bytes
    wire = min(blackout_seconds, sent / bytes_per_second)
    return Darkness(blackout_seconds, sent, wire, blackout_seconds - wire)


def fixed_and_copied(slow_seconds: float, fast_seconds: float, times: float) -> tuple[float, float]:
    """From one migration at two speeds, `times` apart: the seconds that stay, and those of copying at the
    slower speed (T = fixed + copied/speed). ValueError where faster took longer, or times is not above 1.
    """
    if times <= 1 or not 0 < fast_seconds <= slow_seconds:
        raise ValueError("the faster link has to be faster, and its migration no longer")
    copied = (slow_seconds - fast_seconds) * times / (times - 1)
    return max(0.0, slow_seconds - copied), copied
