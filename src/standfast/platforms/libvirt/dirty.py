"""How fast VMs dirty their memory, as QEMU measures it on request.

Source: `virDomainStartDirtyRateCalc` with page sampling, which needs nothing of the guest's CPU; results
come in `getAllDomainStats(VIR_DOMAIN_STATS_DIRTYRATE)` as `dirtyrate.megabytes_per_second` (MiB).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from standfast.model.errors import StandfastError
from standfast.model.ids import VmId
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.line import Line

KEEP_SECONDS = 600.0
_MEASURED = 2
_CALL_SECONDS = 10.0


class DirtyRates:
    """The last figures, kept for a while."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[VmId, tuple[float, float]] = {}

    def known(self) -> Mapping[VmId, float]:
        """Bytes per second of VMs that were measured lately."""
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            return {vm: rate for vm, (rate, at) in self._known.items() if at >= oldest}

    def measure(self, lines: Sequence[Line], seconds: int) -> Mapping[VmId, float]:
        """Measure on all hosts at once, for `seconds` (1 to 60). A host that can't is left out."""
        for started in [line.submit(lambda connection: _start(connection, seconds)) for line in lines]:
            _wait(started)
        time.sleep(seconds + 0.3)
        now = time.monotonic()
        for answer in [line.submit(_collect) for line in lines]:
            rates = _wait(answer) or {}
            with self._lock:
                self._known.update({vm: (rate, now) for vm, rate in rates.items()})
        return self.known()


def _wait(future: Any) -> Any:
    try:
        return future.result(_CALL_SECONDS)
    except (TimeoutError, StandfastError):
        return None


def _start(connection: Any, seconds: int) -> None:
    for domain in connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING):
        try:
            domain.startDirtyRateCalc(seconds, 0)
        except libvirt.libvirtError:
            continue  # migrating, or a QEMU older than 5.2


def _collect(connection: Any) -> dict[VmId, float]:
    nowait = (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING
    )
    rows = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_DIRTYRATE, nowait)
    return {
        VmId(domain.UUIDString()): float(stats["dirtyrate.megabytes_per_second"]) * 1024**2
        for domain, stats in rows
        if stats.get("dirtyrate.calc_status") == _MEASURED and "dirtyrate.megabytes_per_second" in stats
    }
