"""What is read of runs: one query per table whatever a run's size, inside the caller's transaction."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, func, select

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

# Built once: a tick makes them all, and putting one together takes as long as asking it.
_ID: BindParameter[str] = bindparam("id")
_RUN = select(schema.run).where(schema.run.c.id == _ID)
_DIGEST = select(schema.run.c.plan_digest).where(schema.run.c.id == _ID)
_CLUSTER = select(schema.run.c.cluster).where(schema.run.c.id == _ID)
_HOSTS = select(*rows.HOST_COLUMNS).where(schema.host.c.run == _ID)
_MOVES = (
    select(*rows.MOVE_COLUMNS)
    .where(schema.move.c.run == _ID)
    .order_by(schema.move.c.started_at, schema.move.c.id)
)
_JOURNAL = select(schema.journal).where(schema.journal.c.run == _ID).order_by(schema.journal.c.id)
_COMMANDS = (
    select(schema.command)
    .where(schema.command.c.run == _ID, schema.command.c.handled_at.is_(None))
    .order_by(schema.command.c.id)
)


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


def run(connection: Connection, id: RunId, plan: Plan) -> Run:
    """The run with all of its rows. Raises UsageError("run_unknown"), FileFormatError("row_unreadable")."""
    row = connection.execute(_RUN, {"id": id}).one_or_none()
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
        hosts=_hosts(connection, id),
        moves=_moves(connection, id),
        journal=_journal(connection, id),
        commands=_commands(connection, id),
        reason=why or rows.reason_of(row.reason, f"run {id}"),
        ended_at=row.ended_at,
    )


def plan(connection: Connection, run: RunId) -> Plan:
    """The run's plan. Raises UsageError("run_unknown"), FileFormatError("row_unreadable")."""
    table = schema.plan.c
    body = connection.execute(select(table.body).where(table.run == run)).scalar_one_or_none()
    if body is None:
        raise run_unknown(run)
    return rows.plan_of(body, f"plan of run {run}")


def plan_digest(connection: Connection, run: RunId) -> str:
    """The digest of the run's plan. Raises UsageError("run_unknown")."""
    digest = connection.execute(_DIGEST, {"id": run}).scalar_one_or_none()
    if digest is None:
        raise run_unknown(run)
    return str(digest)


def cluster_of(connection: Connection, run: RunId) -> str:
    """The cluster of the run. Raises UsageError("run_unknown")."""
    cluster = connection.execute(_CLUSTER, {"id": run}).scalar_one_or_none()
    if cluster is None:
        raise run_unknown(run)
    return str(cluster)


def active(connection: Connection, cluster: str | None = None) -> tuple[RunId, ...]:
    """Runs that have not ended, oldest first."""
    table = schema.run.c
    query = select(table.id).where(table.ended_at.is_(None)).order_by(table.created_at, table.id)
    if cluster is not None:
        query = query.where(table.cluster == cluster)
    return tuple(RunId(id) for id in connection.execute(query).scalars())


def to_return(connection: Connection) -> tuple[RunId, ...]:
    """Runs that have ended, with a word not taken up or a host whose cordon is to be taken back."""
    table, command, host = schema.run.c, schema.command.c, schema.host.c
    unheard = select(command.run).where(command.handled_at.is_(None), command.verb == Verb.RETURN.value)
    cordoned = select(host.run).where(host.asked == "return", host.cordon_taken == 1)
    query = select(table.id).where(table.ended_at.is_not(None), table.id.in_(unheard.union(cordoned)))
    return tuple(RunId(id) for id in connection.execute(query.order_by(table.created_at, table.id)).scalars())


def with_host(connection: Connection, cluster: str, host_name: str) -> tuple[RunId, ...]:
    """Runs of the cluster that have a host of that name, the newest first."""
    table, host = schema.run.c, schema.host.c
    query = (
        select(table.id)
        .join(schema.host, host.run == table.id)
        .where(table.cluster == cluster, host.name == host_name)
        .order_by(table.created_at.desc(), table.id.desc())
    )
    return tuple(RunId(id) for id in connection.execute(query).scalars())


def outcome(connection: Connection, command: int) -> tuple[str, bool] | None:
    """What became of a word and whether it was done; None if it was not taken up yet."""
    table = schema.command.c
    row = connection.execute(select(table.outcome, table.handled_at).where(table.id == command)).one_or_none()
    if row is None or row.handled_at is None:
        return None
    return row.outcome, " changes nothing: " not in row.outcome


def summaries(connection: Connection, cluster: str | None) -> tuple[RunSummary, ...]:
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
        for row in connection.execute(query)
    )


def find(connection: Connection, prefix: str) -> RunId:
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
    found = connection.execute(query).scalars().all()
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


def events(connection: Connection, run: RunId, after: int) -> tuple[EventRow, ...]:
    """The run's events with an id above `after`, in order."""
    table = schema.event
    query = select(table).where(table.c.run == run, table.c.id > after).order_by(table.c.id)
    return tuple(rows.event_row(run, row) for row in connection.execute(query))


def _hosts(connection: Connection, run: RunId) -> tuple[HostRow, ...]:
    found = connection.execute(_HOSTS, {"id": run}).all()
    return tuple(sorted((rows.host_row(*row) for row in found), key=lambda row: (row.position, row.host)))


def _moves(connection: Connection, run: RunId) -> tuple[MoveRow, ...]:
    return tuple(rows.move_row(*row) for row in connection.execute(_MOVES, {"id": run}).all())


def _journal(connection: Connection, run: RunId) -> tuple[JournalRow, ...]:
    return tuple(rows.journal_row(run, row) for row in connection.execute(_JOURNAL, {"id": run}))


def _commands(connection: Connection, run: RunId) -> tuple[CommandRow, ...]:
    found = (rows.command_row(run, row) for row in connection.execute(_COMMANDS, {"id": run}))
    return tuple(row for row in found if row is not None)


def past_moves(connection: Connection, cluster: str | None, most: int) -> tuple[MoveRow, ...]:
    """The last finished moves that were measured, of one cluster or of all, oldest first."""
    table = schema.move.c
    query = select(*rows.MOVE_COLUMNS).where(table.state == MoveState.DONE.value, table.record.is_not(None))
    if cluster is not None:
        query = query.where(table.cluster == cluster)
    found = connection.execute(query.order_by(table.started_at.desc(), table.id.desc()).limit(most)).all()
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
