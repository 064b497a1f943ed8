"""Proof that nothing was interrupted: what libvirt's events say of VMs that stopped, paused or were reset.

Events missed while a host was not connected are said so, as records of their own: silence proves nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from standfast.model.ids import VmId
from standfast.platforms.libvirt.binding import libvirt


class InterruptionKind(StrEnum):
    """What happened to a VM. A stop or pause that belongs to a migration is none of these."""

    SHUT_DOWN = "shut_down"  # by its own guest or politely from outside
    DESTROYED = "destroyed"
    CRASHED = "crashed"
    SAVED = "saved"
    PAUSED = "paused"
    RESET = "reset"
    UNSEEN = "unseen"  # nothing is known of the host's VMs for a while


@dataclass(frozen=True, slots=True)
class Interruption:
    """One record. `at` is Unix time by the controller's clock; `host` is a name; UNSEEN has no `vm`."""

    kind: InterruptionKind
    host: str
    at: float
    vm: VmId | None = None
    vm_name: str = ""
    detail: str = ""


_STOPPED = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN: InterruptionKind.SHUT_DOWN,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED: InterruptionKind.DESTROYED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: InterruptionKind.CRASHED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: InterruptionKind.SAVED,
    # "Host emulator/mgmt failed": what a QEMU that died without a word is reported as.
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FAILED: InterruptionKind.CRASHED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT: InterruptionKind.RESET,
}
_HARMLESS_PAUSES = frozenset(
    {
        libvirt.VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED,
        libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY,
        libvirt.VIR_DOMAIN_EVENT_SUSPENDED_POSTCOPY_FAILED,
    }
)
_CHANGES = ("DEVICE_ADDED", "DEVICE_REMOVED", "BLOCK_JOB", "DISK_CHANGE", "TRAY_CHANGE")
"""Events after which a domain's XML is another one."""


class EventLog:
    """Collects records of all hosts. Called from libvirt's event thread, read from any."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._records: list[Interruption] = []
        self._incoming: set[tuple[str, VmId]] = set()
        self._blind_since: dict[str, float] = {}

    def records(self) -> tuple[Interruption, ...]:
        """All so far, oldest first; a host that isn't connected now ends the list with an UNSEEN."""
        with self._lock:
            open_gaps = [
                Interruption(InterruptionKind.UNSEEN, host, since, detail="not connected since then")
                for host, since in sorted(self._blind_since.items())
            ]
            return (*self._records, *open_gaps)

    def watch(self, host: str, connection: Any, changed: Callable[[VmId], None]) -> None:
        """Register for a new connection's events; `changed` is told whose XML has to be read again."""

        def lifecycle(_connection: Any, domain: Any, event: int, detail: int, _opaque: Any) -> None:
            vm = VmId(domain.UUIDString())
            changed(vm)
            self.lifecycle(host, vm, domain.name(), event, detail)

        def rebooted(_connection: Any, domain: Any, _opaque: Any) -> None:
            self._add(
                InterruptionKind.RESET, host, VmId(domain.UUIDString()), domain.name(), "the guest rebooted"
            )

        def other(_connection: Any, domain: Any, *_rest: Any) -> None:
            changed(VmId(domain.UUIDString()))

        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
        connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, rebooted, None)
        for name in _CHANGES:
            number = getattr(libvirt, f"VIR_DOMAIN_EVENT_ID_{name}")
            connection.domainEventRegisterAny(None, number, other, None)
        connection.registerCloseCallback(lambda _connection, _reason, _opaque: self.lost(host), None)
        self.seen(host)

    def lost(self, host: str) -> None:
        """From now on nothing is heard of the host."""
        with self._lock:
            self._blind_since.setdefault(host, self._clock())

    def seen(self, host: str) -> None:
        """From now on it is heard of again: the gap goes on record."""
        with self._lock:
            since = self._blind_since.pop(host, None)
            self._incoming = {half for half in self._incoming if half[0] != host}
            if since is not None:
                words = f"not connected for {self._clock() - since:.1f} s; events of that time are lost"
                self._records.append(Interruption(InterruptionKind.UNSEEN, host, since, detail=words))

    def lifecycle(self, host: str, vm: VmId, name: str, event: int, detail: int) -> None:
        """One lifecycle event (virDomainEventType and its detail)."""
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED and detail == libvirt.VIR_DOMAIN_EVENT_STARTED_MIGRATED:
            with self._lock:
                self._incoming.add((host, vm))
            return
        if event == libvirt.VIR_DOMAIN_EVENT_RESUMED:
            with self._lock:
                self._incoming.discard((host, vm))
            return
        kind, words = _judge(event, detail)
        with self._lock:
            half = (host, vm) in self._incoming
            if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
                self._incoming.discard((host, vm))
        # What stops while it waits for its memory never ran: the VM is on its source, unharmed.
        if kind is not None and not half:
            self._add(kind, host, vm, name, words)

    def _add(self, kind: InterruptionKind, host: str, vm: VmId, name: str, detail: str) -> None:
        with self._lock:
            self._records.append(Interruption(kind, host, self._clock(), vm, name, detail))


def _judge(event: int, detail: int) -> tuple[InterruptionKind | None, str]:
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        return _STOPPED.get(detail), f"stopped (detail {detail})"
    if event == libvirt.VIR_DOMAIN_EVENT_SUSPENDED and detail not in _HARMLESS_PAUSES:
        return InterruptionKind.PAUSED, f"paused (detail {detail})"
    if event == libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED:
        return InterruptionKind.PAUSED, "the guest went to sleep"
    if event == libvirt.VIR_DOMAIN_EVENT_CRASHED:
        return InterruptionKind.CRASHED, "the guest panicked"
    return None, ""
