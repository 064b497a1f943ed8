"""Figures out of texts. What can't be is refused with a clause: ValueError, to be told with file and line."""

from __future__ import annotations

import math
import re

LONGEST_SECONDS = 31 * 24 * 3600.0
"""No migration takes longer than a month; a figure above is one of another unit, or damaged."""

_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_UNITS = {"B": 0, "KiB": 1, "MiB": 2, "GiB": 3, "TiB": 4, "PiB": 5}


def number(text: str, what: str) -> float:
    """A finite number of zero or more."""
    text = text.strip()
    if _COMMA.fullmatch(text):
        raise ValueError(
            f"{what} is {text!r}: with a comma it can be read two ways; export with English formats"
        )
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{what} is {text!r}, which is no number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{what} is {text!r}, which is no number")
    if value < 0:
        raise ValueError(f"{what} is {text}, which is below zero")
    return value


def seconds(text: str, what: str, *, milli: bool = False) -> float:
    """A span in seconds, or, with `milli`, in milliseconds."""
    value = number(text, what) / (1000 if milli else 1)
    if value > LONGEST_SECONDS:
        raise ValueError(f"{what} is {text.strip()}, which is longer than a migration can take")
    return value


def whole(text: str, what: str) -> int:
    """A count."""
    value = number(text, what)
    if value != int(value):
        raise ValueError(f"{what} is {text.strip()}, which is no whole number")
    return int(value)


def clock(text: str, what: str) -> float:
    """`HH:MM:SS` in seconds."""
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"{what} is {text!r}, which is no HH:MM:SS")
    hours, minutes, rest = (number(part, what) for part in parts)
    if minutes >= 60 or rest >= 60:
        raise ValueError(f"{what} is {text!r}, which is no HH:MM:SS")
    return seconds(str(hours * 3600 + minutes * 60 + rest), what)


def size(amount: str, unit: str, what: str) -> int:
    """Bytes from `4.0` and `GiB`."""
    if unit not in _UNITS:
        raise ValueError(f"{what} is in {unit!r}, which is no unit of size")
    return round(number(amount, what) * float(1024 ** _UNITS[unit]))


def parts_fit(total: float | None, *parts: float | None) -> None:
    """The parts of a migration are not longer than the whole (a tenth of a second is rounding)."""
    known = [part for part in parts if part is not None]
    if total is not None and sum(known) > total + 0.1 + 0.001 * total:
        raise ValueError(f"its parts take {sum(known):g} s, longer than the whole of {total:g} s")
