"""Changes to statements, inside the writer's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Table, and_, bindparam, case, insert, or_, select, update

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
from standfast.store.prepared import Prepared, Transaction


@cache
def _update(table: Table, key: tuple[str, ...], values: tuple[str, ...]) -> Prepared:
    found = and_(*(table.c[name] == bindparam(f"key_{name}") for name in key))
    return Prepared(update(table).where(found).values({name: bindparam(name) for name in values}))


@cache
def _insert(table: Table, columns: tuple[str, ...]) -> Prepared:
    return Prepared(insert(table), columns)


_h, _m, _j, _c = schema.host.c, schema.move.c, schema.journal.c, schema.command.c
_RUN: BindParameter[str] = bindparam("key_run")
_NOW: BindParameter[float] = bindparam("now")
_BACK: BindParameter[float] = bindparam("seconds")

_STATE = Prepared(select(schema.run.c.state).where(schema.run.c.id == bindparam("key_id")).with_for_update())

_BORROWED = and_(
    *(_j[name] == bindparam(f"key_{name}") for name in ("run", "host", "kind", "name")),
    _j.given_back_at.is_(None),
)
_IS_BORROWED = Prepared(select(_j.id).where(_BORROWED))
_GIVE = Prepared(update(schema.journal).where(_BORROWED).values(given_back_at=bindparam("given_back_at")))

_WAITING = and_(_c.id == bindparam("key_id"), _c.run == _RUN, _c.handled_at.is_(None))
_HANDLE = Prepared(
    update(schema.command)
    .where(_WAITING)
    .values(handled_at=bindparam("handled_at"), outcome=bindparam("outcome"))
)

# Times that go back with a clock: those of hosts, of moves under way or ended later than it is now, and of
# what was borrowed later than it is now.
_HOSTS_BACK = Prepared(
    update(schema.host)
    .where(_h.run == _RUN)
    .values(
        {
            **{each: each - _BACK for each in (_h.since, _h.healthy_since, _h.unreachable_since)},
            _h.next_call_at: case((_h.next_call_at > _BACK, _h.next_call_at - _BACK), else_=0.0),
        }
    )
)
_MOVES_BACK = Prepared(
    update(schema.move)
    .where(_m.run == _RUN, or_(_m.state == MoveState.STARTED.value, _m.ended_at > _NOW))
    .values({each: each - _BACK for each in (_m.started_at, _m.deadline_at, _m.ended_at)})
)
_TAKEN_LATER = Prepared(
    select(schema.journal).where(
        _j.run == _RUN,
        _j.given_back_at.is_(None),
        _j.taken_at > _NOW,
        or_(*(_j.kind == kind for kind in TIMED)),
    )
)


@dataclass(frozen=True, slots=True)
class Writing:
    """One transaction's writes to one run. `now` is Unix seconds."""

    transaction: Transaction
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
            audit.append(self.transaction, [self._event(event) for event in events])

    def put(self, table: Table, key: dict[str, str], values: dict[str, Any]) -> None:
        """Update the run's row of that key, or add it."""
        key = {"run": self.run, **key}
        found = {f"key_{name}": value for name, value in key.items()}
        if self.transaction.do(_update(table, tuple(key), tuple(values)), **found, **values) == 0:
            self._add(table, {**key, "cluster": self.cluster, **values})

    def _add(self, table: Table, values: dict[str, Any]) -> None:
        self.transaction.do(_insert(table, tuple(values)), **values)

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
        state = self.transaction.value(_STATE, key_id=self.run)
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
        self._change_run(values)

    def _change_run(self, values: dict[str, Any]) -> None:
        self.transaction.do(_update(schema.run, ("id",), tuple(values)), key_id=self.run, **values)

    def _put_plan(self, plan: Plan) -> None:
        body = rows.text_of(plan)
        self.put(schema.plan, {}, {"body": body})
        self._change_run({"plan_digest": hashlib.sha256(body.encode()).hexdigest()})

    def _keep_state(self, state: str, wanted: RunState) -> None:
        """A newer release's word stays. Not an error: a controller that dies of it would help nobody."""
        if wanted is not RunState.HELD:  # which it is taken for already
            text = f"The run was not set to {wanted}: a newer release left it in {state!r}."
            self.record([NewEvent("run_state_kept", text, data={"state": state, "wanted": str(wanted)})])

    def _key(self, change: TakeJournal | GiveJournal) -> dict[str, Any]:
        named = {"key_host": change.host, "key_kind": change.kind, "key_name": change.name}
        return {"key_run": self.run, **named}

    def _take(self, change: TakeJournal) -> None:
        if self.transaction.value(_IS_BORROWED, **self._key(change)) is None:
            values = {
                "run": self.run,
                "cluster": self.cluster,
                "host": change.host,
                "kind": change.kind,
                "name": change.name,
                "before": rows.text_of(change.before),
                "taken_at": self.now,
            }
            self._add(schema.journal, values)

    def _give(self, change: GiveJournal) -> None:
        self.transaction.do(_GIVE, **self._key(change), given_back_at=self.now)

    def _handle(self, change: HandleCommand) -> None:
        done = {"handled_at": self.now, "outcome": change.outcome}
        self.transaction.do(_HANDLE, key_id=change.id, key_run=self.run, **done)

    def _set_back(self, seconds: float) -> None:
        """All hosts' times, and those of moves that are under way or ended later than it is now. The journal
        only grows: what is timed there is given back and taken anew, as of now."""
        self.transaction.do(_HOSTS_BACK, key_run=self.run, seconds=seconds)
        self.transaction.do(_MOVES_BACK, key_run=self.run, seconds=seconds, now=self.now)
        for row in list(self.transaction.named(_TAKEN_LATER, key_run=self.run, now=self.now)):
            before = json.loads(row.before)
            self._give(GiveJournal(row.host, row.kind, row.name))
            self._take(TakeJournal(row.host, row.kind, row.name, before))


def create_run(
    transaction: Transaction, run: RunId, plan: Plan, plan_digest: str, approved_by: str, now: float
) -> None:
    """Add a run, its plan, its hosts and the event `run_created`. Raises IntegrityError for a second active
    run of the cluster."""
    writing = Writing(transaction, run, plan.cluster, now)
    first = {
        "id": run,
        "cluster": plan.cluster,
        "state": RunState.RUNNING.value,
        "plan_digest": plan_digest,
        "approved_by": approved_by,
        "created_at": now,
    }
    transaction.do(_insert(schema.run, tuple(first)), **first)
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
