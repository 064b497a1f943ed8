"""What is read of runs: one query per table whatever a run's size, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import BindParameter, bindparam, func, select

from standfast.model.errors import RefusedError, StandfastError, UsageError
from standfast.model.ids import RunId
from standfast.model.plan import Plan
from standfast.model.run import (
    CommandRow,
    EventRow,
    HostRow,
    JournalRow,
    MoveRow,
    MoveState,
    Phase,
    Run,
    RunState,
    Verb,
)
from standfast.store import rows, schema
from standfast.store.prepared import Prepared, Transaction

_ID: BindParameter[str] = bindparam("id")
_r, _h, _m, _j, _c, _e = (
    table.c for table in (schema.run, schema.host, schema.move, schema.journal, schema.command, schema.event)
)

# What every tick asks.
_RUN = Prepared(select(schema.run).where(_r.id == _ID))
_DIGEST = Prepared(select(_r.plan_digest).where(_r.id == _ID))
_CLUSTER = Prepared(select(_r.cluster).where(_r.id == _ID))
_HOSTS = Prepared(select(*rows.HOST_COLUMNS).where(_h.run == _ID))
_MOVES = Prepared(select(*rows.MOVE_COLUMNS).where(_m.run == _ID).order_by(_m.started_at, _m.id))
_JOURNAL = Prepared(select(*rows.JOURNAL_COLUMNS).where(_j.run == _ID).order_by(_j.id))
_COMMANDS = Prepared(select(schema.command).where(_c.run == _ID, _c.handled_at.is_(None)).order_by(_c.id))
_ACTIVE = select(_r.id).where(_r.ended_at.is_(None)).order_by(_r.created_at, _r.id)
_ALL_ACTIVE = Prepared(_ACTIVE)
_TO_RETURN = Prepared(
    select(_r.id)
    .where(
        _r.ended_at.is_not(None),
        _r.id.in_(
            select(_c.run)
            .where(_c.handled_at.is_(None), _c.verb == Verb.RETURN.value)
            .union(select(_h.run).where(_h.asked == "return", _h.cordon_taken == 1))
        ),
    )
    .order_by(_r.created_at, _r.id)
)
_EVENTS = Prepared(select(schema.event).where(_e.run == _ID, _e.id > bindparam("after")).order_by(_e.id))


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line of a list of runs. Times are Unix seconds; `hosts_done` counts the phase `done` only."""

    id: RunId
    cluster: str
    state: RunState
    created_at: float
    ended_at: float | None
    hosts_total: int
    hosts_done: int
    approved_by: str


def run(transaction: Transaction, id: RunId, plan: Plan) -> Run:
    """The run with all of its rows. Raises UsageError("run_unknown"), FileFormatError("row_unreadable")."""
    return replace(
        run_row(transaction, id, plan),
        hosts=_hosts(transaction, id),
        moves=_moves(transaction, id),
        journal=journal(transaction, id),
    )


def run_row(transaction: Transaction, id: RunId, plan: Plan) -> Run:
    """The run by itself and what operators said to it, without hosts, moves and journal. Raises the same."""
    row = transaction.one(_RUN, id=id)
    if row is None:
        raise run_unknown(id)
    why = rows.why_held(row.state, plan)
    return Run(
        id=id,
        cluster=row.cluster,
        state=RunState(row.state) if why is None else RunState.HELD,
        plan=plan,
        plan_digest=row.plan_digest,
        approved_by=row.approved_by,
        created_at=row.created_at,
        hosts=(),
        commands=_commands(transaction, id),
        reason=why or rows.reason_of(row.reason, f"run {id}"),
        ended_at=row.ended_at,
    )


def plan(transaction: Transaction, run: RunId) -> Plan:
    """The run's plan. Raises UsageError("run_unknown"), FileFormatError("row_unreadable")."""
    table = schema.plan.c
    body = transaction.value(Prepared(select(table.body).where(table.run == run)))
    if body is None:
        raise run_unknown(run)
    return rows.plan_of(body, f"plan of run {run}")


def plan_digest(transaction: Transaction, run: RunId) -> str:
    """The digest of the run's plan. Raises UsageError("run_unknown")."""
    digest = transaction.value(_DIGEST, id=run)
    if digest is None:
        raise run_unknown(run)
    return str(digest)


def cluster_of(transaction: Transaction, run: RunId) -> str:
    """The cluster of the run. Raises UsageError("run_unknown")."""
    cluster = transaction.value(_CLUSTER, id=run)
    if cluster is None:
        raise run_unknown(run)
    return str(cluster)


def active(transaction: Transaction, cluster: str | None = None) -> tuple[RunId, ...]:
    """Runs that have not ended, oldest first."""
    query = _ALL_ACTIVE if cluster is None else Prepared(_ACTIVE.where(_r.cluster == cluster))
    return tuple(RunId(id) for (id,) in transaction.all(query))


def to_return(transaction: Transaction) -> tuple[RunId, ...]:
    """Runs that have ended, with a word not taken up or a host whose cordon is to be taken back."""
    return tuple(RunId(id) for (id,) in transaction.all(_TO_RETURN))


def with_host(transaction: Transaction, cluster: str, host_name: str) -> tuple[RunId, ...]:
    """Runs of the cluster that have a host of that name, the newest first."""
    table, host = schema.run.c, schema.host.c
    query = (
        select(table.id)
        .join(schema.host, host.run == table.id)
        .where(table.cluster == cluster, host.name == host_name)
        .order_by(table.created_at.desc(), table.id.desc())
    )
    return tuple(RunId(id) for (id,) in transaction.all(Prepared(query)))


def outcome(transaction: Transaction, command: int) -> tuple[str, bool] | None:
    """What became of a word and whether it was done; None if it was not taken up yet."""
    table = schema.command.c
    row = transaction.one(Prepared(select(table.outcome, table.handled_at).where(table.id == command)))
    if row is None or row.handled_at is None:
        return None
    return row.outcome, " changes nothing: " not in row.outcome


def summaries(transaction: Transaction, cluster: str | None) -> tuple[RunSummary, ...]:
    """All runs, of one cluster or of all, newest first."""
    table, host = schema.run.c, schema.host.c
    total = select(func.count()).where(host.run == table.id)
    done = total.where(host.phase == Phase.DONE.value)
    query = select(
        *(table.id, table.cluster, table.state, table.created_at, table.ended_at, table.approved_by),
        total.scalar_subquery().label("total"),
        done.scalar_subquery().label("done"),
    ).order_by(table.created_at.desc(), table.id.desc())
    if cluster is not None:
        query = query.where(table.cluster == cluster)
    return tuple(
        RunSummary(
            id=RunId(row.id),
            cluster=row.cluster,
            state=rows.state_of(row.state),
            created_at=row.created_at,
            ended_at=row.ended_at,
            hosts_total=row.total,
            hosts_done=row.done,
            approved_by=row.approved_by,
        )
        for row in transaction.named(Prepared(query))
    )


def find(transaction: Transaction, prefix: str) -> RunId:
    """The one run whose id begins so, in either case; `last` is the newest.

    Raises UsageError("run_unknown", "run_unnamed", "run_ambiguous"), RefusedError("no_runs").
    """
    if not prefix.strip():  # as from a variable that is not set: the only run there is is not meant by that
        raise UsageError(
            "run_unnamed", "no run is named", do="Write its id, the beginning of one, or `last`."
        )
    table = schema.run.c
    if prefix == "last":
        query = select(table.id).order_by(table.created_at.desc(), table.id.desc()).limit(1)
    else:
        alike = func.lower(table.id).startswith(prefix.lower(), autoescape=True)
        query = select(table.id).where(alike).order_by(func.length(table.id), table.id).limit(2)
    found = [id for (id,) in transaction.all(Prepared(query))]
    if not found:
        raise run_unknown(prefix)
    if len(found) > 1 and found[0].lower() != prefix.lower():
        raise UsageError(
            "run_ambiguous",
            f"several runs begin with {prefix!r}",
            why=f"{found[0]} and {found[1]} do",
            do="Write more of the id, or `last`.",
        )
    return RunId(found[0])


def events(transaction: Transaction, run: RunId, after: int) -> tuple[EventRow, ...]:
    """The run's events with an id above `after`, in order."""
    return tuple(rows.event_row(run, row) for row in transaction.named(_EVENTS, id=run, after=after))


def _hosts(transaction: Transaction, run: RunId) -> tuple[HostRow, ...]:
    return hosts_in_order(rows.host_row(*row) for row in transaction.all(_HOSTS, id=run))


def hosts_in_order(found: Iterable[HostRow]) -> tuple[HostRow, ...]:
    """As a run has them."""
    return tuple(sorted(found, key=lambda row: (row.position, row.host)))


def _moves(transaction: Transaction, run: RunId) -> tuple[MoveRow, ...]:
    return tuple(rows.move_row(*row) for row in transaction.all(_MOVES, id=run))


def journal(transaction: Transaction, run: RunId) -> tuple[JournalRow, ...]:
    """All that the run has borrowed, given back or not, in order."""
    return tuple(rows.journal_row(run, *row) for row in transaction.all(_JOURNAL, id=run))


def _commands(transaction: Transaction, run: RunId) -> tuple[CommandRow, ...]:
    found = (rows.command_row(run, row) for row in transaction.named(_COMMANDS, id=run))
    return tuple(row for row in found if row is not None)


def past_moves(transaction: Transaction, cluster: str | None, most: int) -> tuple[MoveRow, ...]:
    """The last finished moves that were measured, of one cluster or of all, oldest first."""
    table = schema.move.c
    query = select(*rows.MOVE_COLUMNS).where(table.state == MoveState.DONE.value, table.record.is_not(None))
    if cluster is not None:
        query = query.where(table.cluster == cluster)
    query = query.order_by(table.started_at.desc(), table.id.desc()).limit(most)
    found = transaction.all(Prepared(query))
    return tuple(rows.move_row(*row) for row in reversed(found))


def run_unknown(run: str) -> StandfastError:
    """UsageError; or RefusedError where it is the last one that there is not."""
    if run == "last":
        return RefusedError("no_runs", "there is no run", where="run last", why="the store holds none yet")
    return UsageError(
        "run_unknown",
        "there is no such run",
        where=f"run {run}",
        why="the store holds none of that id",
        do="See them with `standfast run list`.",
    )
