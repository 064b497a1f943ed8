"""Migrations: peer-to-peer, so that the source's libvirt carries one on when this process dies.

Each has a thread and a connection of its own while `migrateToURI3` blocks, because a call that blocks for
minutes must not stand in the way of looking and of aborting. What a thread knows is only a convenience: an
order whose thread is gone (this process was restarted) is judged by where the VM is now.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standfast.model.errors import OutsideError, StandfastError
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, MoveRecord, OutcomeKind
from standfast.platforms.libvirt import jobs
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.jobs import JobReading, job_of, record_of
from standfast.platforms.libvirt.line import Line, open_connection
from standfast.platforms.libvirt.uri import bracketed

QEMU_DOWNTIME_SECONDS = 0.3
"""QEMU's own limit of the black-out that it aims at (migration parameter downtime-limit)."""
SWITCHOVER_SECONDS = 0.05
"""Of a budget, what stopping and starting takes; as `predict.precopy` has it, which foretells it so."""
ASK_SECONDS = 5.0
_NO_STATISTICS = (libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_UNSUPPORTED)
_VAGUE = "End of file while reading data"
_OUR_HOOK = re.compile(r"hooks/qemu\.d/standfast .*exit status \d+: standfast: (.*)", re.DOTALL)
ABORT_SECONDS = 3.0

JournalOf = Callable[[str, float], Sequence[str]]
"""By the host's name and seconds back from now; empty where it can't be read."""


@dataclass(frozen=True, slots=True)
class End:
    """One end of a migration. `uri` for us, `peer_uri` for the other end's libvirt."""

    id: HostId
    name: str
    uri: str
    peer_uri: str
    migration_address: str
    line: Line
    """For short questions (job statistics, abort)."""


def migration_flags(*, persistent: bool, auto_converge: bool) -> int:
    """UNSAFE is never among them; a definition left on the source would be a second copy after its reboot."""
    flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    if persistent:
        flags |= libvirt.VIR_MIGRATE_PERSIST_DEST | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
    if auto_converge:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
    return int(flags)


class Moves:
    """Starts migrations of one cluster and knows their outcomes.

    `journal_of` hands out what a host's libvirt has written since then; see `migration_words`.
    """

    def __init__(
        self,
        end_of: Callable[[HostId], End],
        journal_of: JournalOf,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._end_of = end_of
        self._journal_of = journal_of
        self._tell_ended = ended
        self._lock = threading.Lock()
        self._under_way: dict[MoveId, MoveOrder] = {}
        self._ended: dict[MoveId, MoveOutcome] = {}
        self._cancelled: set[MoveId] = set()

    def orders(self) -> Mapping[VmId, MoveOrder]:
        """What this process has under way, by VM."""
        with self._lock:
            return {order.vm: order for order in self._under_way.values()}

    def start(self, order: MoveOrder) -> None:
        """Begin and return. An order that was given before is not given again. Raises StandfastError."""
        source, target = self._end_of(order.source), self._end_of(order.target)
        with self._lock:
            if order.id in self._under_way or order.id in self._ended:
                return
            self._under_way[order.id] = order
        threading.Thread(
            target=self._supervise, args=(order, source, target), name=f"move-{order.vm}", daemon=True
        ).start()

    def _supervise(self, order: MoveOrder, source: End, target: End) -> None:
        """Supervision boundary: however the attempt ends, it is no longer under way, and why is kept."""
        outcome: MoveOutcome | None = None
        try:
            outcome = self._migrate(order, source, target)
        except StandfastError as error:
            outcome = MoveOutcome(OutcomeKind.FAILED, error=str(error))
        except Exception as error:  # noqa: BLE001 - see above
            outcome = MoveOutcome(OutcomeKind.FAILED, error=f"Internal error: {error!r}.")
        finally:
            with self._lock:
                self._under_way.pop(order.id, None)
                if outcome is not None:
                    self._ended[order.id] = outcome
            self._tell_ended()

    def _migrate(self, order: MoveOrder, source: End, target: End) -> MoveOutcome | None:
        """None where our connection broke: the migration goes on, and is judged by what is seen."""
        connection = open_connection(source.name, source.uri)
        begun = time.monotonic()
        try:
            domain = connection.lookupByUUIDString(order.vm)
            persistent, autostart = bool(domain.isPersistent()), bool(domain.autostart())
            budget = order.blackout_budget_seconds
            if budget is not None and budget - SWITCHOVER_SECONDS < QEMU_DOWNTIME_SECONDS:
                domain.migrateSetMaxDowntime(max(1, int((budget - SWITCHOVER_SECONDS) * 1000)), 0)
            parameters = {}
            if target.migration_address:
                parameters[libvirt.VIR_MIGRATE_PARAM_URI] = f"tcp://{bracketed(target.migration_address)}"
            flags = migration_flags(persistent=persistent, auto_converge=order.auto_converge)
            domain.migrateToURI3(target.peer_uri, parameters, flags)
        except libvirt.libvirtError as error:
            if not _alive(connection):
                return None
            raise self._failure(order, source, str(error.get_error_message()), begun) from error
        finally:
            with contextlib.suppress(libvirt.libvirtError):
                connection.close()
        if persistent and autostart:
            # Also owed by the run's journal, should this process not live to do it.
            with contextlib.suppress(StandfastError):
                set_autostart(target.line, order.vm, on=True)
        return MoveOutcome(OutcomeKind.SUCCEEDED, _record_or_none(target, order.vm))

    def _failure(self, order: MoveOrder, source: End, message: str, begun: float) -> OutsideError:
        with self._lock:
            cancelled = order.id in self._cancelled
        if cancelled:
            why = "it was told to"
        else:
            journal = (
                self._journal_of(source.name, time.monotonic() - begun + 1.0) if is_vague(message) else ()
            )
            why = migration_words(message, journal)
        return OutsideError("migration_failed", "libvirt ended the migration", where=source.name, why=why)

    def outcome(self, order: MoveOrder) -> MoveOutcome:
        """RUNNING, SUCCEEDED, FAILED, or UNKNOWN where nothing tells. Never raises StandfastError."""
        with self._lock:
            if order.id in self._under_way:
                return MoveOutcome(OutcomeKind.RUNNING)
            if order.id in self._ended:
                return self._ended[order.id]
        try:
            found = self._look(order)
        except StandfastError as error:
            return MoveOutcome(OutcomeKind.UNKNOWN, error=str(error))
        if found.kind is OutcomeKind.SUCCEEDED:
            with self._lock:
                self._ended[order.id] = found
        return found

    def _look(self, order: MoveOrder) -> MoveOutcome:
        """The order of a dead process, by where the VM is now and what libvirt remembers of its last job."""
        source, target = self._end_of(order.source), self._end_of(order.target)
        here = source.line.call(lambda connection: _seen_on(connection, order.vm), ASK_SECONDS)
        if here is not None and here.job.outgoing:
            return MoveOutcome(OutcomeKind.RUNNING)
        there = target.line.call(lambda connection: _seen_on(connection, order.vm), ASK_SECONDS)
        if there is not None and there.running and here is None:
            return MoveOutcome(OutcomeKind.SUCCEEDED, _record_or_none(target, order.vm))
        if there is not None and there.job.incoming:
            return MoveOutcome(OutcomeKind.RUNNING)
        # libvirt keeps no statistics of a migration that failed: whether it was ever begun can't be told.
        return MoveOutcome(OutcomeKind.UNKNOWN)

    def cancel(self, order: MoveOrder) -> None:
        """Abort the migration on its source; an attempt of ours that has not got so far yet is waited for."""
        source = self._end_of(order.source)
        with self._lock:
            self._cancelled.add(order.id)
        deadline = time.monotonic() + ABORT_SECONDS
        while not source.line.call(lambda connection: _abort(connection, order.vm), ASK_SECONDS):
            with self._lock:
                ours = order.id in self._under_way
            if not ours or time.monotonic() > deadline:
                return
            time.sleep(0.1)

    def allow_blackout(self, order: MoveOrder, seconds: float) -> None:
        """Raise QEMU's limit of the black-out that it aims at. Raises StandfastError."""
        source = self._end_of(order.source)
        source.line.call(lambda connection: _set_downtime(connection, order.vm, seconds), ASK_SECONDS)


def _set_downtime(connection: Any, vm: VmId, seconds: float) -> None:
    """Of a migration out that is under way; nothing where there is none."""
    try:
        domain = connection.lookupByUUIDString(vm)
        if domain.isActive() and read_job(domain).outgoing:
            domain.migrateSetMaxDowntime(max(1, int(seconds * 1000)), 0)
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            raise


@dataclass(frozen=True, slots=True)
class _SeenOn:
    running: bool
    job: JobReading


def read_job(domain: Any) -> JobReading:
    """The live job of an active domain. Raises libvirtError.

    libvirt answers on the target that statistics are only available on the source: that is how the waiting
    half of a migration is told.
    """
    try:
        return job_of(domain.jobStats(0))
    except libvirt.libvirtError as error:
        if error.get_error_code() not in _NO_STATISTICS:
            raise
        return JobReading(incoming="source host" in str(error.get_error_message()))


def _seen_on(connection: Any, vm: VmId) -> _SeenOn | None:
    """The active domain there; None if there is none (a shut-off definition counts as none)."""
    try:
        domain = connection.lookupByUUIDString(vm)
        if not domain.isActive():
            return None
        job = read_job(domain)
        running = domain.state()[0] in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED)
        return _SeenOn(running and not job.incoming, job)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return None
        raise


def _completed(domain: Any) -> jobs.Stats:
    """Statistics of the last completed job, left there for the next reader; empty if there are none."""
    kept = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    try:
        found: jobs.Stats = domain.jobStats(kept)
    except libvirt.libvirtError:
        return {}  # another job is under way, or this libvirt keeps none
    return found


def _record_or_none(target: End, vm: VmId) -> MoveRecord | None:
    """The figures; a move that went well is not called anything else because they can't be had."""

    def read(connection: Any) -> MoveRecord | None:
        return record_of(_completed(connection.lookupByUUIDString(vm)))

    try:
        return target.line.call(read, ASK_SECONDS)
    except StandfastError:
        return None


def _abort(connection: Any, vm: VmId) -> bool:
    """Whether a migration out was found and told to end. No other job is touched."""
    try:
        domain = connection.lookupByUUIDString(vm)
        if not domain.isActive() or not read_job(domain).outgoing:
            return False
        domain.abortJob()
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_INVALID):
            return False
        raise
    return True


def set_autostart(line: Line, vm: VmId, *, on: bool) -> None:
    """Set the flag where the VM is. Raises StandfastError."""
    line.call(lambda connection: connection.lookupByUUIDString(vm).setAutostart(int(on)), ASK_SECONDS)


def _alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def is_vague(message: str) -> bool:
    """libvirt often hands out the end of its connection to the target in place of what went wrong there."""
    return _VAGUE in message


def migration_words(message: str, journal: Sequence[str] = ()) -> str:
    """Why a migration failed, in one line.

    `message` is libvirt's; where it is vague the last line of the source's journal (oldest line first) that
    says more is taken. The sentence of our own hook is freed of what libvirt puts around it.
    """
    if is_vague(message):
        telling = [line for line in journal if line.strip() and not is_vague(line)]
        message = telling[-1] if telling else message
    ours = _OUR_HOOK.search(message)
    return " ".join((ours[1] if ours else message).split()).rstrip(".")
