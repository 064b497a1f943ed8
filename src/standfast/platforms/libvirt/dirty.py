"""How VMs use their memory, measured on request: what is written within spans of time, and what never was.

Writes come from `virDomainStartDirtyRateCalc` with page sampling (QEMU 5.2 and later), which hashes 512 pages
of each GiB before and after and costs the guest next to nothing. One window says how fast memory is written,
several how soon the same pages are written again, on which the rounds of a migration depend. Results come in
`getAllDomainStats(VIR_DOMAIN_STATS_DIRTYRATE)`.

Memory that was never touched has no page in QEMU's resident set, and is sent as zero pages.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from standfast.model.errors import StandfastError
from standfast.model.ids import VmId
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.line import Line

KEEP_SECONDS = 600.0
SAMPLED_SHARE = 512 / 262_144
"""QEMU's default; libvirt has no word for another."""

LONGEST_SECONDS = 60
"""QEMU measures no longer at once."""

_PARTS = 16
_MEASURING, _MEASURED = 1, 2
_CALL_SECONDS = 10.0
_LATE_SECONDS = 5.0
"""Hashing comes on top of the window."""
_GLANCE_SECONDS = 3.0

_MIB, _KIB = 1024**2, 1024


@dataclass(frozen=True, slots=True)
class Measured:
    """One VM's figures: its dirty rate over the shortest window, and all of them."""

    bytes_per_second: float
    use: MemoryUse


class MemoryUses:
    """The last figures, kept for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[VmId, tuple[Measured, float]] = {}

    def known(self) -> Mapping[VmId, Measured]:
        """VMs that were measured lately."""
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            return {vm: found for vm, (found, at) in self._known.items() if at >= oldest}

    def measure(self, lines: Sequence[Line], seconds: int) -> Mapping[VmId, Measured]:
        """Measure on all hosts at once, for about `seconds`. A host or VM that can't is left out."""
        points: dict[VmId, list[DirtyPoint]] = {}
        stats: dict[VmId, Mapping[str, Any]] = {}
        for window in windows(seconds):
            for started in [line.submit(partial(_start, seconds=window)) for line in lines]:
                _wait(started)
            time.sleep(window)
            for vm, row in _collect(lines).items():
                stats[vm] = row
                if (point := point_of(row, window)) is not None:
                    points.setdefault(vm, []).append(point)
        now = time.monotonic()
        found = {vm: measured_of(seen, stats[vm]) for vm, seen in points.items()}
        with self._lock:
            self._known.update({vm: (measured, now) for vm, measured in found.items()})
        return found


def windows(seconds: int) -> tuple[int, ...]:
    """1, 2, 4 … seconds, as many as fit, one at least: D(t) bends, and its bend is what is looked for."""
    found = [1]
    while sum(found) + 2 * found[-1] <= seconds and 2 * found[-1] <= LONGEST_SECONDS:
        found.append(2 * found[-1])
    return tuple(found)


def point_of(stats: Mapping[str, Any], window: int) -> DirtyPoint | None:
    """What was written in that window; None where these stats tell of no such measurement.

    libvirt tells whole MiB per second, rounded down: half of one more is right in the mean.
    """
    rate = stats.get("dirtyrate.megabytes_per_second")
    if stats.get("dirtyrate.calc_status") != _MEASURED or stats.get("dirtyrate.calc_period") != window:
        return None
    return None if rate is None or rate < 0 else DirtyPoint(float(window), (rate + 0.5) * _MIB * window)


def measured_of(points: Sequence[DirtyPoint], stats: Mapping[str, Any]) -> Measured:
    """`points` from the shortest window on, at least one; `stats`: libvirt's balloon group too, if told."""
    use = MemoryUse(tuple(points), zero_bytes=untouched_bytes(stats), sampled_share=SAMPLED_SHARE)
    return Measured(points[0].bytes / points[0].seconds, use)


def untouched(lines: Sequence[Line]) -> dict[VmId, MemoryUse]:
    """What each running VM has never touched, asked and not measured: it takes no time. In sixteenths of its
    memory, which is as exact as QEMU's own share of the resident set allows, and lets VMs that are alike
    share their predictions. A host that does not say so at once is left out."""
    ends_at = time.monotonic() + _GLANCE_SECONDS
    rows: dict[VmId, Mapping[str, Any]] = {}
    for answer in [line.submit(_stats) for line in lines]:
        rows.update(_wait(answer, max(0.0, ends_at - time.monotonic())) or {})
    return {vm: MemoryUse(zero_bytes=found) for vm, row in rows.items() if (found := in_parts(row))}


def in_parts(stats: Mapping[str, Any]) -> int:
    """`untouched_bytes` in whole sixteenths of the memory, the rest left away."""
    part = max(1, int(stats.get("balloon.maximum") or 0) * _KIB // _PARTS)
    return untouched_bytes(stats) // part * part


def untouched_bytes(stats: Mapping[str, Any]) -> int:
    """Memory that the guest has not touched since it started, at least; 0 where that is not told.

    QEMU's own memory counts as the guest's, so it is rather more. What the host has swapped out is not
    resident either: what is untouched can't be more than the guest calls free or does not see at all.
    """
    whole, resident = stats.get("balloon.maximum"), stats.get("balloon.rss")
    if whole is None or resident is None:
        return 0
    untouched = whole - resident
    unused, visible = stats.get("balloon.unused"), stats.get("balloon.available")
    if unused is not None and visible is not None:
        untouched = min(untouched, unused + max(0, whole - visible))
    return max(0, int(untouched)) * _KIB


def _wait(future: Any, seconds: float = _CALL_SECONDS) -> Any:
    try:
        return future.result(seconds)
    except (TimeoutError, StandfastError):
        return None


def _start(connection: Any, seconds: int) -> None:
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING):
        try:
            domain.startDirtyRateCalc(seconds, 0)
        except libvirt.libvirtError:
            continue  # migrating, or a QEMU older than 5.2


def _collect(lines: Sequence[Line]) -> dict[VmId, Mapping[str, Any]]:
    """Everybody's stats, once nobody measures any more."""
    ends_at = time.monotonic() + _LATE_SECONDS
    while True:
        found: dict[VmId, Mapping[str, Any]] = {}
        for answer in [line.submit(_stats) for line in lines]:
            found.update(_wait(answer) or {})
        late = any(row.get("dirtyrate.calc_status") == _MEASURING for row in found.values())
        if not late or time.monotonic() > ends_at:
            return found
        time.sleep(0.2)


def _stats(connection: Any) -> dict[VmId, Mapping[str, Any]]:
    flags = (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
    )
    groups = libvirt.VIR_DOMAIN_STATS_DIRTYRATE | libvirt.VIR_DOMAIN_STATS_BALLOON
    return {VmId(domain.UUIDString()): stats for domain, stats in connection.getAllDomainStats(groups, flags)}
