"""How fast this machine's time-stamp counter runs, which is what a guest under software emulation reads.

A guest that boots while others have the machine measures that counter against an emulated timer, and may
find a small part of its rate: its clock then runs many times too fast for as long as it lives, with as many
beats and as many pages dirtied. So it is told (`tsc_early_khz`, the kernel's kernel-parameters.txt).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import time
from collections.abc import Callable

_RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
"""rdtsc; shl rdx, 32; or rax, rdx; ret. Intel SDM volume 2, RDTSC; the x86-64 calling convention."""

_SECONDS = 0.2
_TRIES = 20


def khz() -> int | None:
    """Ticks per millisecond; None on a machine that has no such counter, or does not let us read it."""
    if platform.machine() != "x86_64":
        return None
    try:
        with mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) as code:
            code.write(_RDTSC)
            place = ctypes.c_char.from_buffer(code)
            found = _rate(ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(place)))
            del place
    except OSError:
        return None
    return found


def _rate(read: Callable[[], int]) -> int:
    began, first = _both(read)
    time.sleep(_SECONDS)
    ended, last = _both(read)
    return round((last - first) * 1e6 / (ended - began))


def _both(read: Callable[[], int]) -> tuple[int, int]:
    """Nanoseconds and ticks of one moment: of several readings the one with the least time around it."""
    found: list[tuple[int, int, int]] = []
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        ticks = read()
        after = time.monotonic_ns()
        found.append((after - before, (before + after) // 2, ticks))
    _, at, ticks = min(found)
    return at, ticks
