"""A controller's clock that was set, over a simulated world whose own time goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from standfast.ports import Clock


class SetClock:
    """The world's clock as a controller sees it whose own is off."""

    def __init__(self, inner: Clock) -> None:
        self._inner = inner
        self.off_by = 0.0

    def now(self) -> float:
        return self._inner.now() + self.off_by

    def elapsed(self) -> float:
        return self._inner.elapsed()

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)


class Stamped:
    """Host work and examiner whose answers bear the time of a controller's own clock, as real ones do."""

    def __init__(self, inner: Any, clock: SetClock) -> None:
        self._inner, self._clock = inner, clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def scan(self, *args: Any, **named: Any) -> Any:
        answer = self._inner.scan(*args, **named)
        return replace(answer, taken_at=answer.taken_at + self._clock.off_by)

    def examine(self, *args: Any) -> Any:
        answers = self._inner.examine(*args)
        return tuple(replace(each, taken_at=each.taken_at + self._clock.off_by) for each in answers)
