"""A run's rows as they were last read, so that a tick reads only what was written since.

Only the holder of the lease writes rows of a run, and only with its epoch. So what a store has read stays
true for as long as the lease is of the epoch that was taken through that same store, but for what was written
through it. The run's own row and operators' words are read every time: others write those.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, select

from standfast.model.ids import HostId, MoveId, RunId
from standfast.model.run import HostRow, JournalRow, MoveRow, Run
from standfast.store import lease as leases
from standfast.store import rows, schema
from standfast.store.changes import Change, GiveJournal, PutHost, PutMove, TakeJournal

MOST_AT_ONCE = 200
"""Rows that are read by their keys; more are read with all others."""

MOST_RUNS = 16


@dataclass
class _Known:
    """Rows as read under that epoch, and which of them were written since."""

    epoch: int
    hosts: tuple[HostRow, ...]
    moves: tuple[MoveRow, ...]
    journal: tuple[JournalRow, ...]
    hosts_written: set[HostId] = field(default_factory=set)
    moves_written: set[MoveId] = field(default_factory=set)
    journal_written: bool = False


class Remembered:
    """What one store knows of the runs that it writes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch: int | None = None
        self._known: dict[RunId, _Known] = {}
        self._writes = 0

    def lease_taken(self, epoch: int) -> None:
        """The lease is ours now, through this store."""
        with self._lock:
            self._epoch = epoch
            self._known.clear()

    def mark(self) -> int:
        """To be asked for before rows are read: what is read while something is written is not kept."""
        with self._lock:
            return self._writes

    def writing(self, run: RunId, changes: Sequence[Change]) -> None:
        """These are about to be written, or were; whether they are kept or not, they are read anew."""
        with self._lock:
            self._writes += 1
            known = self._known.get(run)
            if known is None:
                return
            for change in changes:
                match change:
                    case PutHost(row):
                        known.hosts_written.add(row.host)
                    case PutMove(row):
                        known.moves_written.add(row.id)
                    case TakeJournal() | GiveJournal():
                        known.journal_written = True

    def rows(self, connection: Connection, run: RunId, mark: int) -> _Known | None:
        """The rows as they are now, if they are known but for a few; else None."""
        with self._lock:
            known = self._known.get(run)
            if known is None or known.epoch != self._epoch or self._writes != mark:
                return None
            hosts, moves = set(known.hosts_written), set(known.moves_written)
            known = replace(known, hosts_written=set(), moves_written=set())
        lease = leases.current(connection)
        if lease is None or lease.epoch != known.epoch or max(len(hosts), len(moves)) > MOST_AT_ONCE:
            return None
        if hosts:
            table = schema.host.c
            query = select(*rows.HOST_COLUMNS).where(table.run == run, table.host.in_(sorted(hosts)))
            fresh = {row.host: row for row in (rows.host_row(*found) for found in connection.execute(query))}
            merged = {row.host: row for row in known.hosts} | fresh
            known.hosts = tuple(sorted(merged.values(), key=lambda row: (row.position, row.host)))
        if moves:
            columns = schema.move.c
            wanted = select(*rows.MOVE_COLUMNS).where(columns.run == run, columns.id.in_(sorted(moves)))
            new = {row.id: row for row in (rows.move_row(*found) for found in connection.execute(wanted))}
            every = {row.id: row for row in known.moves} | new
            known.moves = tuple(sorted(every.values(), key=lambda row: (row.started_at, row.id)))
        if known.journal_written:
            entries = select(schema.journal).where(schema.journal.c.run == run).order_by(schema.journal.c.id)
            known.journal = tuple(rows.journal_row(run, found) for found in connection.execute(entries))
            known.journal_written = False
        return known

    def keep(self, connection: Connection, run: Run, mark: int) -> None:
        """What was read is remembered, if nobody else may write it and nothing was written meanwhile."""
        lease = leases.current(connection)
        with self._lock:
            if lease is not None and lease.epoch == self._epoch and self._writes == mark:
                if len(self._known) >= MOST_RUNS:
                    self._known.clear()
                self._known[run.id] = _Known(lease.epoch, run.hosts, run.moves, run.journal)
