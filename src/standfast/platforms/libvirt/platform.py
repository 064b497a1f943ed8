"""`ports.Platform` on libvirt: every host asked at once, none able to hold up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standfast.model.cluster import Leftover, Snapshot, VmState
from standfast.model.errors import StandfastError, UnreachableError, UsageError
from standfast.model.ids import HostId, VmId
from standfast.model.memory import MemoryUse
from standfast.model.moves import MoveOrder, MoveOutcome
from standfast.model.reasons import Code, Reason
from standfast.platforms.libvirt import checks, dirty, moves, power
from standfast.platforms.libvirt.assemble import HostSeen, assemble
from standfast.platforms.libvirt.dirty import MemoryUses
from standfast.platforms.libvirt.events import EventLog, Interruption
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.jobs import JobReading
from standfast.platforms.libvirt.jobwatch import JobWatch
from standfast.platforms.libvirt.line import Line, wait_for
from standfast.platforms.libvirt.moves import End, JournalOf, Moves
from standfast.platforms.libvirt.reading import HostReading, LookAround, Reader
from standfast.platforms.libvirt.surroundings import Surroundings
from standfast.platforms.libvirt.uri import connection_uri, peer_uri

ANSWER_SECONDS = 10.0
"""How long a host that answered last time, or was never asked, is waited for. Well below the time for which
a controller's lease lasts: it looks in its round, and would lose the lease."""
PATIENT_SECONDS = 30.0
"""`first_seconds` for who holds no lease: libvirt starts with the first who asks, and looks then at what its
QEMU can do. A host that is down costs less: its connection fails sooner."""
RETRY_SECONDS = 1.0
"""How long one that did not is waited for: it must not slow every tick down."""
POLL_SECONDS = 0.05
"""How soon it is seen, while one is waited for, that another one need not be."""
STUCK_SECONDS = 20.0
"""After this a call that has not come back is left to itself. Longer than it takes to find no connection."""
CHECK_SECONDS = 10.0


def _nothing_around(_name: str) -> Surroundings | None:
    return None


def _no_journal(_name: str, _seconds: float) -> Sequence[str]:
    return ()


@dataclass
class _Station:
    """One host with its two lines: one for looking at everything, one for jobs and short questions."""

    host: LibvirtHost
    line: Line
    side: Line
    reader: Reader
    jobs: JobWatch
    id: HostId
    known: bool
    answered: bool = True
    asked_at: float = 0.0
    pending: Future[HostReading] | None = None
    reading: HostReading | None = field(default=None)
    why: str = ""
    code: str = ""


def _patience(station: _Station, first: float | None) -> float:
    if not station.answered:
        return RETRY_SECONDS
    if first is not None:
        return first
    return RETRY_SECONDS if station.line.lost else ANSWER_SECONDS


class LibvirtPlatform:
    """One cluster of libvirt hosts.

    `clock` gives Unix time in seconds. `ssh_config` is used for `qemu+ssh://` URIs that name no `command`.
    `known_ids` maps host names to the UUIDs they had, so that a host which does not answer is still itself,
    and another machine under its name is refused. `shared_paths` are folders whose files all hosts see as the
    same bytes; `mounts_of(host name)` tells mounts, bridges and network devices (`LibvirtFence.mounts` does).
    A disk that neither says to be shared counts as local, a bridge that is not told of as missing.
    `journal_of(host name, seconds back)` (`LibvirtFence.journal`) helps to say why a migration failed.
    `ended` is called, from any thread, when a migration of this process has ended. `first_seconds`: how long
    the first look waits for each host; None: as long as any other.
    """

    def __init__(
        self,
        cluster: str,
        hosts: Sequence[LibvirtHost],
        *,
        clock: Callable[[], float],
        ssh_config: Path | None,
        known_ids: Mapping[str, HostId],
        shared_paths: Sequence[str] = (),
        mounts_of: LookAround = _nothing_around,
        journal_of: JournalOf = _no_journal,
        ended: Callable[[], None] = lambda: None,
        first_seconds: float | None = None,
    ) -> None:
        self.cluster = cluster
        self._first_seconds = first_seconds
        self._clock = clock
        self._shared_paths = tuple(shared_paths)
        self._events = EventLog(clock)
        self._moves = Moves(self._end, journal_of, ended)
        self._uses = MemoryUses()
        self._lock = threading.Lock()
        self._last: dict[VmId, HostId] = {}
        self._leftovers: tuple[Leftover, ...] = ()
        self._stations = [self._station(host, ssh_config, known_ids, mounts_of) for host in hosts]

    def _station(
        self,
        host: LibvirtHost,
        ssh_config: Path | None,
        known_ids: Mapping[str, HostId],
        mounts_of: LookAround,
    ) -> _Station:
        uri = connection_uri(host.uri, ssh_config)
        reader = Reader(host.name, mounts_of)

        def opened(connection: Any) -> None:
            reader.forget()
            self._events.watch(host.name, connection, reader.forget)

        side = Line(host.name, uri)
        known = known_ids.get(host.name)
        return _Station(
            host,
            Line(host.name, uri, opened),
            side,
            reader,
            JobWatch(side),
            # A host that was never seen has no UUID yet; this can't be mistaken for one.
            id=known or HostId(f"unknown:{host.name}"),
            known=known is not None,
        )

    def observe(self) -> Snapshot:
        """See `ports.Platform`. Takes as long as the slowest host that answers, at most `ANSWER_SECONDS`,
        or `first_seconds` the first time."""
        with self._lock:
            self._ask_all()
            jobs = {station.host.name: self._jobs(station) for station in self._stations}
            seen = [
                HostSeen(
                    station.host,
                    station.id,
                    station.reading,
                    station.why,
                    station.code,
                    jobs[station.host.name],
                )
                for station in self._stations
            ]
            found = assemble(
                self.cluster,
                self._clock(),
                seen,
                orders=self._moves.orders(),
                last=self._last,
                shared_paths=self._shared_paths,
                measured=self._uses.known(),
            )
            self._leftovers = found.leftovers
            self._last.update(
                (vm.id, vm.host)
                for vm in found.snapshot.vms
                if vm.state not in (VmState.SHUT_OFF, VmState.INCOMING)
            )
            return found.snapshot

    def _ask_all(self) -> None:
        now = time.monotonic()
        first, self._first_seconds = self._first_seconds, None
        for station in self._stations:
            if (
                station.pending is not None
                and not station.pending.done()
                and now - station.asked_at > STUCK_SECONDS
            ):
                station.line.renew()
                station.pending = None
                self._events.lost(station.host.name)
            if station.pending is None or station.pending.done():
                station.pending = station.line.submit(station.reader.read)
                station.asked_at = now
        while waited_for := self._waited_for(time.monotonic() - now, first):
            wait_for(waited_for[:1], POLL_SECONDS)
        for station in self._stations:
            self._take_answer(station)

    def _waited_for(self, seconds: float, first: float | None) -> list[Future[HostReading]]:
        """What is waited for still, after so many seconds; one that lost its connection, as a host does that
        goes down, no longer than one that did not answer last time."""
        return [
            station.pending
            for station in self._stations
            if station.pending is not None
            and not station.pending.done()
            and seconds < _patience(station, first)
        ]

    def _take_answer(self, station: _Station) -> None:
        assert station.pending is not None
        station.reading, station.why, station.code = None, "", ""
        if not station.pending.done():
            waited = time.monotonic() - station.asked_at
            station.why = f"libvirt on {station.host.name} has not answered for {waited:.0f} s."
        elif (error := station.pending.exception()) is not None:
            if not isinstance(error, StandfastError):
                raise error
            station.why, station.code = str(error), error.code
            if isinstance(error, UnreachableError):
                self._events.lost(station.host.name)
        else:
            self._accept(station, station.pending.result())
        station.answered = station.reading is not None

    def _accept(self, station: _Station, reading: HostReading) -> None:
        """A reading, unless it is another machine's than the one known by this name."""
        if station.known and reading.id != station.id:
            station.why = (
                f"{station.host.name} answers as host {reading.id}, but is known as {station.id}: "
                "it was reinstalled, or another machine has its address."
            )
            return
        station.id, station.known, station.reading = reading.id, True, reading

    def _jobs(self, station: _Station) -> Mapping[VmId, JobReading]:
        if station.reading is None:
            return {}
        return station.jobs.read([vm.definition.id for vm in station.reading.domains if vm.active])

    def check_move(self, vm: VmId, target: HostId) -> tuple[Reason, ...]:
        """See `ports.Platform`. Rests on the last observation for where the VM is and what the hosts have."""
        with self._lock:
            place = self._last.get(vm)
            there = next((station for station in self._stations if station.id == target), None)
            here = next((station for station in self._stations if station.id == place), None)
        if here is None or here.reading is None:
            return (
                Reason(Code.VM_NOT_RUNNING, "This VM is seen on no host that answers.", host=target, vm=vm),
            )
        if there is None or there.reading is None:
            words = there.why if there is not None else "The target is no host of this cluster."
            old = "older than" in words and there is not None
            return (Reason(Code.HOST_TOO_OLD if old else Code.TARGET_UNREACHABLE, words, host=target, vm=vm),)
        pair = checks.Pair(vm, here.host.name, there.host.name, target, here.reading, there.reading)
        try:
            definition, reasons = here.side.call(
                lambda connection: checks.ask_source(connection, pair, self._shared_paths), CHECK_SECONDS
            )
            if definition is not None:
                found = definition
                reasons += there.side.call(
                    lambda connection: checks.ask_target(connection, pair, found, found.kind), CHECK_SECONDS
                )
        except StandfastError as error:
            return (Reason(Code.TARGET_UNREACHABLE, str(error), host=target, vm=vm),)
        return tuple(reasons)

    def start_move(self, order: MoveOrder) -> None:
        """See `ports.Platform`. What goes wrong later is told by `move_outcome`."""
        self._moves.start(order)

    def move_outcome(self, order: MoveOrder) -> MoveOutcome:
        """See `ports.Platform`. The record's parts are defined in `jobs`."""
        return self._moves.outcome(order)

    def cancel_move(self, order: MoveOrder) -> None:
        """See `ports.Platform`."""
        self._moves.cancel(order)

    def allow_blackout(self, order: MoveOrder, seconds: float) -> None:
        """See `ports.Platform`."""
        self._moves.allow_blackout(order, seconds)

    def shutdown(self, vm: VmId, host: HostId, *, force: bool = False) -> None:
        """See `ports.Platform`. With the guest's agent where it has one, else by ACPI."""
        self._power(host, lambda connection, name: power.shutdown(connection, name, vm, force=force))

    def start(self, vm: VmId, host: HostId) -> None:
        """See `ports.Platform`."""
        self._power(host, lambda connection, name: power.start(connection, name, vm))

    def _power(self, host: HostId, act: Callable[[Any, str], None]) -> None:
        """On a line of its own: an agent that does not answer holds up nobody's looking."""
        end = self._end(host)
        line = Line(end.name, end.uri)
        try:
            line.call(lambda connection: act(connection, end.name), power.CALL_SECONDS)
        finally:
            line.close()

    def set_autostart(self, vm: VmId, host: HostId, *, on: bool) -> None:
        """Set the flag of a VM on that host. Raises StandfastError."""
        moves.set_autostart(self._end(host).line, vm, on=on)

    def measure_memory(self, seconds: int) -> int:
        """See `ports.Measuring`. Costs the guests next to nothing: QEMU samples pages."""
        self.observe()
        with self._lock:
            sides = [station.side for station in self._stations if station.reading is not None]
        return len(self._uses.measure(sides, seconds))

    def untouched(self) -> Mapping[VmId, MemoryUse]:
        """See `ports.Measuring`. Guests on huge pages are left out: these count towards no resident set."""
        with self._lock:
            answering = [station for station in self._stations if station.reading is not None]
            huge = {
                domain.definition.id
                for station in answering
                for domain in (station.reading.domains if station.reading is not None else ())
                if domain.definition.huge_pages
            }
        found = dirty.untouched([station.side for station in answering])
        return {vm: use for vm, use in found.items() if vm not in huge}

    def interruptions(self) -> tuple[Interruption, ...]:
        """What libvirt's events say was interrupted since this platform was opened, oldest first."""
        return self._events.records()

    def leftovers(self) -> tuple[Leftover, ...]:
        """Shut-off definitions, as of the last observation, of VMs that are elsewhere."""
        return self._leftovers

    def close(self) -> None:
        """See `ports.Platform`."""
        for station in self._stations:
            station.line.close()
            station.side.close()

    def _end(self, host: HostId) -> End:
        station = next((station for station in self._stations if station.id == host), None)
        if station is None:
            raise UsageError("host_unknown", f"{host} is no host of this cluster", where=self.cluster)
        declared = station.host
        return End(
            station.id,
            declared.name,
            station.line.uri,
            peer_uri(declared.peer_uri, declared.uri, declared.migration_address),
            declared.migration_address,
            station.side,
        )
