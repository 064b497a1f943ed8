"""Times as an operator types them."""

from __future__ import annotations

from datetime import datetime, timedelta
from datetime import time as clock

from standfast.model.errors import UsageError


def parse_time(text: str, now: float, *, option: str) -> float:
    """`22:30` (the next one), or `2026-03-01T02:00` with or without an offset, as Unix seconds.

    Without an offset it is this machine's own time. Raises UsageError for anything else and for the past.
    """
    here = datetime.fromtimestamp(now).astimezone()
    try:
        found = _clock(text, here) if len(text) <= len("23:59") else datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            "time_unreadable",
            f"{option} {text!r} is no time",
            do="Write it as 22:30 or as 2026-03-01T02:00.",
        ) from error
    if found.timestamp() <= now:
        raise UsageError("time_past", f"{option} {text!r} is past already", do="Name a time to come.")
    return found.timestamp()


def check_time(text: str, *, option: str) -> None:
    """Whether it is a time at all, asked before any host is. Raises UsageError."""
    parse_time(text, 0.0, option=option)


def _clock(text: str, here: datetime) -> datetime:
    """The next time at which a clock shows it. Raises ValueError."""
    at = clock.fromisoformat(text)
    found = datetime.combine(here.date(), at).astimezone()
    return found if found > here else datetime.combine(here.date() + timedelta(days=1), at).astimezone()
