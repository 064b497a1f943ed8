"""The store as the rest of the product sees it: runs in, runs out, one writer at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, select

from standfast.model.errors import RefusedError
from standfast.model.ids import HostId, RunId
from standfast.model.plan import Plan
from standfast.model.run import EventRow, MoveRow, Run, Verb
from standfast.store import again, apply, audit, queries, rows, schema, telling
from standfast.store import lease as leases
from standfast.store.again import Outdated
from standfast.store.audit import Chain
from standfast.store.changes import Change, NewEvent
from standfast.store.engine import Database, open_database
from standfast.store.lease import Lease
from standfast.store.prepared import Prepared, Transaction
from standfast.store.queries import RunSummary

LEASE_SECONDS = 20.0
_PLANS_KEPT = 16
_live = schema.live.c
_PUBLISHED = Prepared(select(_live.data, _live.at).where(_live.run == bindparam("id")))


class Store:
    """One store. Synchronous; safe to use from several threads and beside other processes.

    Every method may raise StandfastError where the file can't be read or written. Times are Unix seconds.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._plans: dict[tuple[str, str], Plan] = {}

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Store:
        """The store in that file, made if it isn't there, migrated (after a backup beside it) if it is older.

        Raises FileFormatError for a newer, damaged or foreign file, which is left as it was, and OutsideError
        where the directory or the disk does not let us. `read_only` neither makes nor migrates.
        """
        return cls(open_database(path, read_only=read_only))

    def close(self) -> None:
        self._database.close()

    def run(self, run: RunId) -> Run:
        """The run with all of its rows, as of one instant. The same value again while nobody has changed any.

        A state or plan version that this release doesn't know reads as HELD with the reason `unknown_phase`;
        a host's phase is passed on as it is.

        Raises UsageError("run_unknown"), FileFormatError("row_unreadable").
        """
        with self._database.reading() as transaction:
            known = transaction.known()
            found: Run | Outdated | None = known.get(run)
            if isinstance(found, Run):
                return found
            plan = self._plan(transaction, run)
            if found is None:
                known[run] = fresh = queries.run(transaction, run, plan)
            else:
                known[run] = fresh = again.read(transaction, found, plan)
            return fresh

    def runs(self, cluster: str | None = None) -> tuple[RunSummary, ...]:
        """All runs, of one cluster or of all, newest first."""
        with self._database.reading() as transaction:
            return queries.summaries(transaction, cluster)

    def find_run(self, prefix: str) -> RunId:
        """The one run whose id begins so, in either case; `last` is the newest.

        Raises UsageError("run_unknown", "run_ambiguous"), RefusedError("no_runs").
        """
        with self._database.reading() as transaction:
            return queries.find(transaction, prefix)

    def active_runs(self) -> tuple[RunId, ...]:
        """Runs that have not ended, oldest first."""
        with self._database.reading() as transaction:
            return queries.active(transaction)

    def past_moves(self, cluster: str | None = None, most: int = 1000) -> tuple[MoveRow, ...]:
        """The last finished moves that were measured, of one cluster or of all, oldest first."""
        with self._database.reading() as transaction:
            return queries.past_moves(transaction, cluster, most)

    def events(self, run: RunId, after: int = 0) -> tuple[EventRow, ...]:
        """The run's events with an id above `after`, in order; none if there is no such run."""
        with self._database.reading() as transaction:
            return queries.events(transaction, run, after)

    def events_of_kinds(self, after: int, kinds: Collection[str], limit: int = 100) -> tuple[EventRow, ...]:
        """The next events of those kinds with an id above `after`, of any run, in order."""
        with self._database.reading() as transaction:
            return telling.events(transaction, after, kinds, limit)

    def told(self, receiver: str) -> int:
        """Id of the last event that the receiver has been told; for a new one, of the last before the runs
        that have not ended."""
        with self._database.reading() as transaction:
            told = telling.told(transaction, receiver)
            return telling.begin_at(transaction) if told is None else told

    def put_told(self, epoch: int, receiver: str, event: int) -> None:
        """The receiver has been told up to that event. Raises LeaseLostError."""
        with self._database.writing(beside=True) as transaction:
            leases.guard(transaction, epoch)
            telling.put(transaction, receiver, event)

    def audit(self) -> Chain:
        """Follow the audit trail and say how far it is whole."""
        with self._database.reading() as transaction:
            return audit.verify(transaction)

    def trail(self) -> Iterator[dict[str, Any]]:
        """The whole audit trail, oldest event first, with each one's id and digest (`chain`)."""
        with self._database.reading() as transaction:
            for number, event, chain in audit.walk(transaction):
                yield {"id": number, **event, "data": json.loads(event["data"]), "chain": chain}

    def create_run(self, run: RunId, plan: Plan, plan_digest: str, approved_by: str, now: float) -> Run:
        """A new run of the plan: its rows, all hosts planned, and the event `run_created`, or nothing.

        Raises RefusedError("run_active") if the cluster has a run that has not ended, also where two come at
        once.
        """
        try:
            with self._database.writing() as transaction:
                apply.create_run(transaction, run, plan, plan_digest, approved_by, now)
        except sqlite3.IntegrityError:
            self._refuse_second(plan.cluster)
            raise
        return self.run(run)

    def runs_to_drive(self) -> tuple[RunId, ...]:
        """Runs that have not ended, oldest first; then ended ones that are to give a host back."""
        with self._database.reading() as transaction:
            return queries.active(transaction) + queries.to_return(transaction)

    def runs_of(self, cluster: str, host_name: str) -> tuple[RunId, ...]:
        """Runs of the cluster that have a host of that name, the newest first."""
        with self._database.reading() as transaction:
            return queries.with_host(transaction, cluster, host_name)

    def outcome(self, command: int) -> tuple[str, bool] | None:
        """What became of an operator's word, and whether it was done; None if it was not taken up yet."""
        with self._database.reading() as transaction:
            return queries.outcome(transaction, command)

    def command(self, run: RunId, verb: Verb, actor: str, now: float, host: HostId | None = None) -> int:
        """Leave an operator's word for the next tick; returns its id. An ended run hears `return` only.

        Raises UsageError("run_unknown"), RefusedError("run_ended").
        """
        table = schema.run
        with self._database.writing() as transaction:
            row = transaction.one(Prepared(select(table).where(table.c.id == run).with_for_update()))
            if row is None:
                raise queries.run_unknown(run)
            if row.ended_at is not None and verb is not Verb.RETURN:
                raise apply.run_ended(run, row.state)
            word = {"verb": str(verb), "actor": actor, "at": now, "outcome": "", "host": host}
            statement = insert(schema.command).values(run=run, cluster=row.cluster, **word)
            return int(transaction.value(Prepared(statement.returning(schema.command.c.id))))

    def take_lease(self, holder: str, now: float, ttl_seconds: float = LEASE_SECONDS) -> Lease | None:
        """The right to write, with an epoch above every one before; None while another holder's is valid."""
        with self._database.writing(beside=True) as transaction:
            return leases.take(transaction, holder, now, ttl_seconds)

    def renew_lease(self, lease: Lease, now: float) -> Lease:
        """As long again as it was taken for, from now on. Raises LeaseLostError."""
        with self._database.writing(beside=True) as transaction:
            return leases.renew(transaction, lease, now)

    def release_lease(self, lease: Lease) -> None:
        """Let it go; nothing happens if it is no longer ours."""
        with self._database.writing(beside=True) as transaction:
            leases.release(transaction, lease)

    def lease(self) -> Lease | None:
        """The lease as last taken, expired or not; None if it was never taken, or was released."""
        with self._database.reading() as transaction:
            return leases.current(transaction)

    def write(
        self, epoch: int, run: RunId, changes: Sequence[Change], events: Sequence[NewEvent], now: float
    ) -> None:
        """All changes in order and their events, in one transaction, or nothing.

        A state that this release doesn't know stays, whatever is put but ABANDONED, and the event
        `run_state_kept` says so.

        Raises LeaseLostError if the epoch isn't the lease's, UsageError("run_unknown"), and
        RefusedError("run_ended") for a new state of a run that has ended.
        """
        with self._database.writing() as transaction:
            writing = self._writing(transaction, epoch, run, now)
            for change in changes:
                writing.apply(change)
            writing.record(events)
            known = transaction.before.get(run)
            outdated = Outdated.by(known, changes) if known is not None else None
            if outdated is not None:
                transaction.remember(run, outdated)

    def publish(self, epoch: int, run: RunId, data: dict[str, Any], now: float) -> None:
        """What the live page shows between events; overwrites what was there.

        Raises LeaseLostError, UsageError("run_unknown").
        """
        with self._database.writing(beside=True) as transaction:
            values = {"data": rows.text_of(data), "at": now}
            self._writing(transaction, epoch, run, now).put(schema.live, {}, values)

    def published(self, run: RunId) -> tuple[dict[str, Any], float] | None:
        """What was published last, and when; None if nothing was."""
        with self._database.reading() as transaction:
            row = transaction.one(_PUBLISHED, id=run)
        return None if row is None else (json.loads(row.data), row.at)

    def _writing(self, transaction: Transaction, epoch: int, run: RunId, now: float) -> apply.Writing:
        leases.guard(transaction, epoch)
        return apply.Writing(transaction, run, queries.cluster_of(transaction, run), now)

    def _plan(self, transaction: Transaction, run: RunId) -> Plan:
        """Kept by their digest: reading one of 5,000 moves takes longer than all the rest."""
        key = (run, queries.plan_digest(transaction, run))
        plan = self._plans.get(key)
        if plan is None:
            plan = queries.plan(transaction, run)
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _refuse_second(self, cluster: str) -> None:
        with self._database.reading() as transaction:
            active = queries.active(transaction, cluster)
        if active:
            raise RefusedError(
                "run_active",
                f"cluster {cluster} has a run that has not ended",
                why=f"run {active[0]} is still active",
                do="Wait for its end, or cancel or abandon it.",
            )
