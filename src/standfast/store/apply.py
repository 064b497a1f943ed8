"""Changes to statements, inside the writer's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Table, Update, and_, bindparam, case, insert, or_, select, update

from standfast.model.errors import RefusedError
from standfast.model.ids import RunId
from standfast.model.plan import Plan, PlanKind
from standfast.model.run import ENDED_STATES, TIMED, HostRow, MoveState, Phase, RunState
from standfast.model.units import count
from standfast.model.unmovable import Handling
from standfast.store import audit, rows, schema
from standfast.store.changes import (
    Change,
    GiveJournal,
    HandleCommand,
    NewEvent,
    PutHost,
    PutMove,
    PutPlan,
    PutRun,
    SetBack,
    TakeJournal,
)


@cache
def _update(table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> Update:
    """Put together once for each table: that takes as long as to carry it out."""
    found = and_(*(table.c[name] == bindparam(f"key_{name}") for name in key))
    return update(table).where(found).values({name: bindparam(name) for name in values})


@dataclass(frozen=True, slots=True)
class Writing:
    """One transaction's writes to one run. `now` is Unix seconds."""

    connection: Connection
    run: RunId
    cluster: str
    now: float

    def apply(self, change: Change) -> None:
        """Raises RefusedError("run_ended") for a new state of a run that has ended."""
        match change:
            case PutHost(row):
                self.put(schema.host, {"host": row.host}, rows.host_values(row))
            case PutMove(row):
                self.put(schema.move, {"id": row.id}, rows.move_values(row))
            case PutRun():
                self._put_run(change)
            case PutPlan(plan):
                self._put_plan(plan)
            case TakeJournal():
                self._take(change)
            case GiveJournal():
                self._give(change)
            case HandleCommand():
                self._handle(change)
            case SetBack(seconds):
                self._set_back(seconds)

    def record(self, events: Sequence[NewEvent]) -> None:
        """Append the events, in order, as of now."""
        if events:
            audit.append(self.connection, [self._event(event) for event in events])

    def put(self, table: Table, key: dict[str, str], values: dict[str, Any]) -> None:
        """Update the run's row of that key, or add it."""
        key = {"run": self.run, **key}
        found = {f"key_{name}": value for name, value in key.items()}
        statement = _update(table, tuple(key), tuple(values))
        if self.connection.execute(statement, {**found, **values}).rowcount == 0:
            self.connection.execute(insert(table), {**key, "cluster": self.cluster, **values})

    def _event(self, event: NewEvent) -> dict[str, Any]:
        return {
            "run": self.run,
            "cluster": self.cluster,
            "at": self.now,
            "kind": event.kind,
            "host": event.host,
            "vm": event.vm,
            "text": event.text,
            "data": rows.text_of(event.data),
            "actor": event.actor,
        }

    def _put_run(self, change: PutRun) -> None:
        table = schema.run
        state = self.connection.execute(
            select(table.c.state).where(table.c.id == self.run).with_for_update()
        ).scalar_one()
        if not rows.knows_state(state) and change.state is not RunState.ABANDONED:
            self._keep_state(state, change.state)
            return
        if state in ENDED_STATES and state != change.state:
            raise run_ended(self.run, state)
        ended_at = None
        if change.state in ENDED_STATES:
            ended_at = self.now if change.ended_at is None else change.ended_at
        reason = None if change.reason is None else rows.text_of(change.reason)
        values = {"state": str(change.state), "reason": reason, "ended_at": ended_at}
        self.connection.execute(update(table).where(table.c.id == self.run).values(values))

    def _put_plan(self, plan: Plan) -> None:
        body, table = rows.text_of(plan), schema.run
        self.put(schema.plan, {}, {"body": body})
        digest = hashlib.sha256(body.encode()).hexdigest()
        self.connection.execute(update(table).where(table.c.id == self.run).values(plan_digest=digest))

    def _keep_state(self, state: str, wanted: RunState) -> None:
        """A newer release's word stays. Not an error: a controller that dies of it would help nobody."""
        if wanted is not RunState.HELD:  # which it is taken for already
            text = f"The run was not set to {wanted}: a newer release left it in {state!r}."
            self.record([NewEvent("run_state_kept", text, data={"state": state, "wanted": str(wanted)})])

    def _borrowed(self, change: TakeJournal | GiveJournal) -> Any:
        table = schema.journal
        return and_(
            table.c.run == self.run,
            table.c.host == change.host,
            table.c.kind == change.kind,
            table.c.name == change.name,
            table.c.given_back_at.is_(None),
        )

    def _take(self, change: TakeJournal) -> None:
        table = schema.journal
        if self.connection.execute(select(table.c.id).where(self._borrowed(change))).first() is None:
            values = {
                "run": self.run,
                "cluster": self.cluster,
                "host": change.host,
                "kind": change.kind,
                "name": change.name,
                "before": rows.text_of(change.before),
                "taken_at": self.now,
            }
            self.connection.execute(insert(table).values(values))

    def _give(self, change: GiveJournal) -> None:
        statement = update(schema.journal).where(self._borrowed(change))
        self.connection.execute(statement.values(given_back_at=self.now))

    def _handle(self, change: HandleCommand) -> None:
        table = schema.command
        waiting = and_(table.c.id == change.id, table.c.run == self.run, table.c.handled_at.is_(None))
        statement = update(table).where(waiting)
        self.connection.execute(statement.values(handled_at=self.now, outcome=change.outcome))

    def _set_back(self, seconds: float) -> None:
        """All hosts' times, and those of moves that are under way or ended later than it is now. The journal
        only grows: what is timed there is given back and taken anew, as of now."""
        host, move, journal = schema.host, schema.move, schema.journal
        times = (host.c.since, host.c.healthy_since, host.c.unreachable_since)
        values: dict[Any, Any] = {column: column - seconds for column in times}
        values[host.c.next_call_at] = case(
            (host.c.next_call_at > seconds, host.c.next_call_at - seconds), else_=0.0
        )
        self.connection.execute(update(host).where(host.c.run == self.run).values(values))
        columns = (move.c.started_at, move.c.deadline_at, move.c.ended_at)
        late = or_(move.c.state == MoveState.STARTED.value, move.c.ended_at > self.now)
        self.connection.execute(
            update(move)
            .where(move.c.run == self.run, late)
            .values({column: column - seconds for column in columns})
        )
        late = and_(
            journal.c.run == self.run, journal.c.given_back_at.is_(None), journal.c.taken_at > self.now
        )
        for row in self.connection.execute(select(journal).where(late, journal.c.kind.in_(TIMED))).all():
            before = json.loads(row.before)
            self._give(GiveJournal(row.host, row.kind, row.name))
            self._take(TakeJournal(row.host, row.kind, row.name, before))


def create_run(
    connection: Connection, run: RunId, plan: Plan, plan_digest: str, approved_by: str, now: float
) -> None:
    """Add a run, its plan, its hosts and the event `run_created`. Raises IntegrityError for a second active
    run of the cluster."""
    writing = Writing(connection, run, plan.cluster, now)
    first = {
        "id": run,
        "cluster": plan.cluster,
        "state": RunState.RUNNING.value,
        "plan_digest": plan_digest,
        "approved_by": approved_by,
        "created_at": now,
    }
    connection.execute(insert(schema.run).values(first))
    writing.put(schema.plan, {}, {"body": rows.text_of(plan)})
    for position, step in enumerate(plan.steps):
        writing.apply(PutHost(HostRow(step.host, step.name, position, Phase.PLANNED, since=now)))
    data = {"plan_digest": plan_digest, "hosts": len(plan.steps), "moves": len(plan.moves)}
    size = f"{count(len(plan.steps), 'host')} and {count(len(plan.moves), 'move')}"
    if plan.kind is PlanKind.BALANCE:
        size = f"{count(len(plan.moves), 'move')} to balance hosts"
    text = f"Run of {size} created, approved by {approved_by}."
    created = NewEvent("run_created", text, data=data, actor=approved_by)
    writing.record([created, *consents(plan, approved_by)])


def consents(plan: Plan, approved_by: str) -> Iterator[NewEvent]:
    """One event for each VM that the plan shuts down: who consented, when, where, and who approved it."""
    for step in plan.steps:
        for stop in step.stops:
            said = stop.said
            if not said.handling.consents:
                continue
            forced = ", and to cutting its power if need be" if said.handling is Handling.FORCE else ""
            text = (
                f"{stop.vm_name}: {said.by} consented ({said.where}) to a clean shutdown and a cold start "
                f"around the reboot of {step.name}{forced}; approved with the plan by {approved_by}"
            )
            data = {"by": said.by, "at": said.at, "where": said.where, "handling": str(said.handling)}
            yield NewEvent("consent", text, host=step.host, vm=stop.vm, data=data, actor=approved_by)


def run_ended(run: str, state: str) -> RefusedError:
    return RefusedError(
        "run_ended",
        "the run has ended",
        where=f"run {run}",
        why=f"it is {state}",
        do="Plan and apply a new run.",
    )
