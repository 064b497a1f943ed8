"""How a VM uses its memory, as its platform measured it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DirtyPoint:
    """`bytes` of distinct pages that were written in `seconds` after a clean start."""

    seconds: float
    bytes: float


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Beyond one dirty rate: D(t) at several windows, zero pages, and how large the devices' state is.

    `sampled_share`: of all pages, how many were looked at for `dirty` (QEMU samples 512 of 262,144 in each
    GiB by default); it says how far a point can be off.
    """

    dirty: tuple[DirtyPoint, ...] = ()
    zero_bytes: int = 0
    state_bytes: int = 0
    sampled_share: float = 1.0
