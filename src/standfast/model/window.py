"""Maintenance windows: weekly spans of local time in which hosts may begin, `Fri 22:00-04:00` for one.

A window belongs to the day on which it opens, so that one which wraps midnight reaches into the next day,
whatever weekday that is. Times are a wall clock's: across a change of the clocks a window is an hour longer
or shorter, and opens and closes when the clock on the wall says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORM = re.compile(r"(?:(daily)|([a-z]{3})(?:-([a-z]{3}))?) (\d\d):(\d\d)-(\d\d):(\d\d)", re.IGNORECASE)
HOW = "Write `Fri 22:00-04:00`, `Mon-Thu 01:00-05:00` or `daily 00:30-04:30`, by the day on which it opens."


@dataclass(frozen=True, slots=True)
class Window:
    """Opens on each of `days` (0 is Monday) at `opens` and closes at the next `closes`, by the wall clock."""

    days: frozenset[int]
    opens: time
    closes: time

    def opening(self, day: date, zone: tzinfo) -> tuple[float, float]:
        """When the window of that day opens and closes, in Unix seconds."""
        end = day if self.closes > self.opens else day + timedelta(days=1)
        begins = datetime.combine(day, self.opens, zone)
        return begins.timestamp(), datetime.combine(end, self.closes, zone).timestamp()


@cache
def parse(text: str) -> Window:
    """Raises ValueError with what is wrong."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no maintenance window")
    daily, first, last, *clock = found.groups()
    names = [name.lower() for name in (first, last or first)] if not daily else ["mon", "sun"]
    unknown = [name for name in names if name not in DAYS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} in {text!r} is no day of the week")
    begin, end = (DAYS.index(name) for name in names)
    days = frozenset((begin + step) % 7 for step in range((end - begin) % 7 + 1))
    try:
        return Window(days, time(int(clock[0]), int(clock[1])), time(int(clock[2]), int(clock[3])))
    except ValueError:
        raise ValueError(f"{text!r} has a time that no clock shows") from None


def zone_of(name: str) -> tzinfo:
    """The time zone of that name, UTC also on a machine that knows no other. Raises ValueError."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}") from None


def closes_at(windows: tuple[str, ...], zone_name: str, now: float) -> float | None:
    """When the window that is open now closes, the latest of several; None if none is open."""
    return max((end for begin, end in _near(windows, zone_name, now) if begin <= now < end), default=None)


def opens_at(windows: tuple[str, ...], zone_name: str, now: float) -> float | None:
    """When the next window opens after now; None if there is none."""
    return min((begin for begin, _ in _near(windows, zone_name, now) if begin > now), default=None)


def _near(windows: tuple[str, ...], zone_name: str, now: float) -> list[tuple[float, float]]:
    """Openings from yesterday to this day in a week."""
    zone = zone_of(zone_name)
    today = datetime.fromtimestamp(now, zone).date()
    days = [today + timedelta(days=step) for step in range(-1, 9)]
    parsed = [parse(text) for text in windows]
    return [each.opening(day, zone) for each in parsed for day in days if day.weekday() in each.days]
