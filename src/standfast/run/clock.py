"""Real time, with a sleep that ends early when something has happened."""

from __future__ import annotations

import threading
import time


class WallClock:
    """Unix time and an interruptible sleep (`ports.Clock`)."""

    def __init__(self) -> None:
        self._awake = threading.Event()

    def now(self) -> float:
        return time.time()

    def elapsed(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        self._awake.wait(seconds)
        self._awake.clear()

    def wake(self) -> None:
        """End a sleep that is under way, or the next one at once."""
        self._awake.set()
