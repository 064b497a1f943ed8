"""The round model as published: X = D(T), rounds that end with nothing left.

Gudkov (qemu-devel, February 2023, "Migration time prediction using calc-dirty-rate") measured D(t) once and
simulated rounds on straight lines between the points. Kept beside `predict.rounds` because it reproduces his
table to the cell, and as the model that ours has to beat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from standfast.model.memory import DirtyPoint

MOST_ROUNDS = 500
HEADER_BYTES, PAGE_BYTES = 8, 4096


@dataclass(frozen=True, slots=True)
class Plain:
    """`seconds` in total, of which `blackout_seconds` dark, and how many rounds it took."""

    seconds: float
    blackout_seconds: float
    rounds: int


def plain(
    points: Sequence[DirtyPoint],
    full_bytes: float,
    zero_bytes: float,
    bytes_per_second: float,
    downtime_limit_seconds: float | None,
) -> Plain | None:
    """The migration of `full_bytes` of memory with content and `zero_bytes` without; None: it never ends.

    A limit of None asks for one pass over all memory and no more. ValueError without a bandwidth.
    """
    if not bytes_per_second > 0:
        raise ValueError("a path needs a bandwidth above zero")
    per_byte = (PAGE_BYTES + HEADER_BYTES) / PAGE_BYTES
    wire = full_bytes * per_byte + zero_bytes * HEADER_BYTES / PAGE_BYTES
    if downtime_limit_seconds is None:
        return Plain(wire / bytes_per_second, wire / bytes_per_second, 1)
    total = 0.0
    for rounds in range(1, MOST_ROUNDS + 1):
        seconds = wire / bytes_per_second
        total += seconds
        if seconds <= downtime_limit_seconds:
            return Plain(total, seconds, rounds)
        left = bytes_at(points, seconds) * per_byte
        if left >= 0.9999 * wire:
            return None
        wire = left
    return None


def bytes_at(points: Sequence[DirtyPoint], seconds: float) -> float:
    """D(t) on straight lines between the points, from 0 at 0, level after the last; in the order of time."""
    before = DirtyPoint(0.0, 0.0)
    for point in points:
        if seconds <= point.seconds:
            share = (seconds - before.seconds) / (point.seconds - before.seconds)
            return before.bytes + share * (point.bytes - before.bytes)
        before = point
    return before.bytes
