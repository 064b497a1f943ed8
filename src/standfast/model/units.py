"""Sizes, rates and spans as people write them; inside, plain bytes, bits per second and seconds."""

from __future__ import annotations

import re

KIB = 1024
MIB = 1024**2
GIB = 1024**3

_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)(i?)B?\s*$", re.IGNORECASE)
_RATE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:bit(?:/s)?|bps)?\s*$", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def parse_size(text: str) -> int:
    """`"4 GiB"`, `"512M"`, `"1000"` to bytes. `K M G T P` and `KiB …` are powers of 1024, `KB …` of 1000.

    Raises ValueError with a sentence.
    """
    match = _SIZE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no size; write it as 4GiB, 512MiB or a number of bytes")
    number, prefix, binary = match.groups()
    decimal = not binary and text.strip().upper().endswith("B") and prefix
    base = 1000 if decimal else 1024
    return _whole(number, base ** _POWERS[prefix.upper()], text)


def _whole(number: str, unit: int, text: str) -> int:
    """`number` times `unit`, if it is a number that a 64-bit counter can hold."""
    value = float(number) * unit
    if value >= 2**63:
        raise ValueError(f"{text!r} is more than anything has")
    return int(value)


def parse_rate(text: str) -> int:
    """`"10G"`, `"100Mbit/s"` to bits per second; prefixes are powers of 1000, as on a network card.

    Raises ValueError with a sentence.
    """
    match = _RATE.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no speed; write it as 1G, 100M or a number of bits per second")
    number, prefix = match.groups()
    return _whole(number, 1000 ** _POWERS[prefix.upper()], text)


def size(number_bytes: float) -> str:
    """Bytes for a reader, IEC: `1.5 GiB`."""
    value = float(number_bytes)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024 or unit == "TiB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def rate(bits_per_second: float) -> str:
    """A network's speed for a reader, decimal as networks are sold: `940 Mbit/s`, `10 Gbit/s`."""
    for unit, word in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")):
        if bits_per_second >= unit:
            return f"{bits_per_second / unit:.3g} {word}"
    return f"{bits_per_second:.0f} bit/s"


def span(seconds: float) -> str:
    """Seconds for a reader: `0.26 s`, `41 s`, `3 min 10 s`, `2 h 05 min`."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count(number: int, word: str, many: str = "") -> str:
    """`1 host`, `3 hosts`."""
    return f"{number} {word if number == 1 else many or word + 's'}"
