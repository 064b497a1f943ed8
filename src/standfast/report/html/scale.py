"""From seconds to places in a picture: percent of its width, so that it fits any screen undistorted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

TICKS = 6
"""How many ticks an axis has at most."""
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
"""Seconds between two ticks of an axis of time, the shortest first."""
_DAY = 86_400.0
_EDGE_PERCENT = 6.0
"""Nearer to an edge than this, a label stands beside its tick instead of under it."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis. `anchor` is SVG's text-anchor."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Bar:
    """Something on a lane that takes a while; `x` and `width` in percent."""

    phase: str
    x: float
    width: float
    told: str
    fit: str
    """The class of its label; empty where it has none."""

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class TimeScale:
    """A stretch of time, Unix seconds, over the width of a picture."""

    began_at: float
    until: float

    def x(self, at: float) -> float:
        """Percent from the left."""
        return _percent(at - self.began_at, max(self.until - self.began_at, 1.0))

    def ticks(self) -> list[Tick]:
        """At round times of the reader's clock."""
        seconds = max(self.until - self.began_at, 1.0)
        step = next((step for step in STEPS if seconds / step <= TICKS), 0.0)
        step = step or math.ceil(seconds / TICKS / _DAY) * _DAY
        return [tick(self.x(at), _clock(at, step, seconds)) for at in self._round_times(step)]

    def _round_times(self, step: float) -> Iterator[float]:
        offset = datetime.fromtimestamp(self.began_at).astimezone().utcoffset()
        shift = offset.total_seconds() if offset is not None else 0.0
        number = math.ceil((self.began_at + shift) / step)
        while number * step - shift <= self.until:
            yield number * step - shift
            number += 1


def _clock(at: float, step: float, seconds: float) -> str:
    form = "%H:%M:%S" if step < 60 else "%H:%M"
    if seconds > _DAY:
        form = "%d %b" if step >= _DAY else "%d %b %H:%M"
    return datetime.fromtimestamp(at).astimezone().strftime(form)


@dataclass(frozen=True, slots=True)
class LengthScale:
    """Lengths from 0 to `most` over the width of a picture."""

    most: float

    @classmethod
    def up_to(cls, longest: float) -> LengthScale:
        """With a little air behind the longest."""
        return cls(longest * 1.04 if longest > 0 else 1.0)

    def x(self, length: float) -> float:
        return _percent(length, self.most)

    def ticks(self) -> list[Tick]:
        """At round seconds."""
        rough = self.most / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in (1, 2, 5, 10) if each * power >= rough)
        found = [number * step for number in range(int(self.most / step) + 1)]
        return [tick(self.x(value), f"{value:g} s" if value else "0") for value in map(_tidy, found)]


def _tidy(value: float) -> float:
    return float(f"{value:.9g}")


def _percent(part: float, whole: float) -> float:
    return round(min(100.0, max(0.0, 100.0 * part / whole)), 3)


def tick(x: float, label: str) -> Tick:
    """A mark at `x` percent, whose label stays inside the picture."""
    anchor = "start" if x < _EDGE_PERCENT else "end" if x > 100 - _EDGE_PERCENT else "middle"
    return Tick(x, label, anchor)


def fits(percent: float, label: str) -> str:
    """The class of a label inside a bar: the narrowest of three pages on which it has room, or nothing."""
    needed = 7.2 * len(label) + 10
    for name, width in (("fit-s", 330.0), ("fit-m", 640.0), ("fit-l", 1000.0)):
        if width * percent / 100.0 >= needed:
            return name
    return ""


def short(name: str, longest: int = 32) -> str:
    """A name cut to what a picture has room for."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
