"""The live jobs of one host's domains, by its side line, with whatever is there when time is up."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from standfast.model.errors import StandfastError
from standfast.model.ids import VmId
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.jobs import JobReading
from standfast.platforms.libvirt.line import Line
from standfast.platforms.libvirt.moves import read_job

WAIT_SECONDS = 1.0
STUCK_SECONDS = 20.0


class JobWatch:
    """Asks each domain for its job. libvirt may make one of them wait (in a switch-over, by a held lock), so
    those that were slow come last and what isn't there in time is said to be unanswered."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lock = threading.Lock()
        self._found: dict[VmId, JobReading] = {}
        self._slow: set[VmId] = set()
        self._pending: Future[None] | None = None
        self._asked_at = 0.0

    def read(self, vms: Sequence[VmId]) -> Mapping[VmId, JobReading]:
        """One reading for each of the active domains `vms`; waits `WAIT_SECONDS` at most."""
        if not vms:
            return {}
        if self._pending is not None and not self._pending.done():
            if time.monotonic() - self._asked_at > STUCK_SECONDS:
                self._line.renew()
                self._pending = None
        else:
            self._pending = None
        if self._pending is None:
            with self._lock:
                self._found = {}
            order = sorted(vms, key=lambda vm: vm in self._slow)
            self._asked_at = time.monotonic()
            self._pending = self._line.submit(lambda connection: self._ask(connection, order))
        with contextlib.suppress(TimeoutError, StandfastError):
            self._pending.result(WAIT_SECONDS)
        with self._lock:
            return {vm: self._found.get(vm, JobReading(answered=False)) for vm in vms}

    def _ask(self, connection: Any, vms: Sequence[VmId]) -> None:
        for vm in vms:
            began = time.monotonic()
            try:
                found = read_job(connection.lookupByUUIDString(vm))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    continue  # unanswered
                found = JobReading()
            with self._lock:
                self._found[vm] = found
                (self._slow.add if time.monotonic() - began > 0.1 else self._slow.discard)(vm)
