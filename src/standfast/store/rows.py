"""Table rows to model values and back.

Reading a run must be cheap enough for every tick, and most of its rows are as they were a moment ago. Values
are frozen, so a row whose columns are all the same gives the value built for it before; nothing can be stale,
because the whole content is the key.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from functools import lru_cache
from typing import Any, TypeVar, cast

from standfast import codec
from standfast.model.errors import FileFormatError
from standfast.model.hostwork import Health, UpdateState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.plan import SCHEMA_VERSION, Plan
from standfast.model.reasons import Code, Reason
from standfast.model.run import (
    CommandRow,
    EventRow,
    HostRow,
    JournalRow,
    MoveRow,
    MoveState,
    RunState,
    Verb,
)
from standfast.store import schema
from standfast.store.schema import storable

T = TypeVar("T")

_CODES = frozenset(code.value for code in Code)
_STATES = frozenset(state.value for state in RunState)
_VERBS = frozenset(verb.value for verb in Verb)
_NEWER = "Use the release that wrote it."
_TEXTS_KEPT = 8192

_h, _m, _j = schema.host.c, schema.move.c, schema.journal.c
HOST_COLUMNS = (
    *(_h.host, _h.name, _h.position, _h.phase, _h.since, _h.attempt, _h.held_phase, _h.reason),
    *(_h.boot_id_before, _h.boot_id_after, _h.scan_before, _h.scan_after, _h.health_before, _h.healthy_since),
    *(_h.cordon_taken, _h.call_failures, _h.next_call_at, _h.versions_before, _h.versions_after),
    *(_h.asked, _h.kernel_before, _h.unreachable_since),
)
MOVE_COLUMNS = (
    *(_m.id, _m.vm, _m.vm_name, _m.source, _m.target, _m.purpose, _m.step, _m.attempt, _m.state),
    *(_m.started_at, _m.deadline_at, _m.predicted, _m.cancel_asked, _m.ended_at, _m.record, _m.reason),
)
JOURNAL_COLUMNS = (_j.id, _j.host, _j.kind, _j.name, _j.before, _j.taken_at, _j.given_back_at)


def text_of(value: Any) -> str:
    """Canonical JSON that any database can hold and that reads back."""
    return storable(codec.dumps(value))


_texts: dict[int, tuple[Any, str]] = {}
"""By the identity of a frozen value that is kept beside it, so that no other can have taken its place."""


def _text_or_none(value: Any) -> str | None:
    """The same for a part of a row, which stays the same value from write to write. It must be frozen."""
    if value is None:
        return None
    known = _texts.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    text = text_of(value)
    if len(_texts) >= _TEXTS_KEPT:
        _texts.clear()
    _texts[id(value)] = value, text
    return text


@lru_cache(maxsize=8192)
def _loaded(kind: type[Any], text: str) -> Any:
    return codec.loads(kind, text)


def nested(kind: type[T], text: str, where: str) -> T:
    """The value in a JSON column. Raises FileFormatError: what a release can't read it may not act upon."""
    try:
        value: T = _loaded(cast("Hashable", kind), text)
    except ValueError as error:  # pydantic's ValidationError is one
        raise _unreadable(where) from error
    return value


def plan_of(text: str, where: str) -> Plan:
    """A plan; megabytes, so kept by who reads it and not here. Raises FileFormatError."""
    try:
        return codec.loads(Plan, text)
    except ValueError as error:
        raise _unreadable(where) from error


def _plain(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _unreadable(where) from error


def _unreadable(where: str) -> FileFormatError:
    return FileFormatError(
        "row_unreadable", "the store holds a row that this release can't read", where=where, do=_NEWER
    )


def _nested_or_none(kind: type[T], text: str | None, where: str) -> T | None:
    return None if text is None else nested(kind, text, where)


def reason_of(text: str | None, where: str) -> Reason | None:
    """A reason. One with a code of a newer release keeps its words and says `unknown_phase`."""
    if text is None:
        return None
    plain = _plain(text, where)
    if isinstance(plain, dict) and plain.get("code") not in _CODES:
        text = json.dumps(plain | {"code": Code.UNKNOWN_PHASE.value})
    return nested(Reason, text, where)


def state_of(text: str) -> RunState:
    """The run's state; HELD where this release doesn't know the word."""
    return RunState(text) if knows_state(text) else RunState.HELD


def knows_state(text: str) -> bool:
    return text in _STATES


def why_held(state: str, plan: Plan) -> Reason | None:
    """Why the run is to be taken for held whatever its row says; None if this release knows all of it."""
    if not knows_state(state):
        sentence = f"The run is in a state that this release doesn't know: {state!r}."
    elif plan.schema_version > SCHEMA_VERSION:
        sentence = f"The run's plan has version {plan.schema_version}, this release knows {SCHEMA_VERSION}."
    else:
        return None
    return Reason(Code.UNKNOWN_PHASE, sentence, f"{_NEWER} Or abandon the run.")


@lru_cache(maxsize=4096)
def host_row(*columns: Any) -> HostRow:
    """`HOST_COLUMNS` as a row. The phase is passed on as it is. Raises FileFormatError."""
    (host, name, position, phase, since, attempt, held_phase, reason, boot_before, boot_after) = columns[:10]
    (scan_before, scan_after, health, healthy_since, cordon, failures, next_call) = columns[10:17]
    (before, after, asked, kernel_before, unreachable_since) = columns[17:]
    where = f"host {name}"
    return HostRow(
        host=HostId(host),
        name=name,
        position=position,
        phase=phase,
        since=since,
        attempt=attempt,
        held_phase=held_phase,
        reason=reason_of(reason, where),
        boot_id_before=boot_before,
        boot_id_after=boot_after,
        scan_before=_nested_or_none(UpdateState, scan_before, where),
        scan_after=_nested_or_none(UpdateState, scan_after, where),
        health_before=_nested_or_none(Health, health, where),
        healthy_since=healthy_since,
        cordon_taken=bool(cordon),
        call_failures=failures,
        next_call_at=next_call,
        versions_before=_versions(before, where),
        versions_after=_versions(after, where),
        asked=asked,
        kernel_before=kernel_before,
        unreachable_since=unreachable_since,
    )


def _versions(text: str, where: str) -> tuple[tuple[str, str], ...]:
    return tuple((package, version) for package, version in _plain(text, where))


def host_values(row: HostRow) -> dict[str, Any]:
    """A host's row as columns, without its run, cluster and host."""
    return {
        "name": row.name,
        "position": row.position,
        "phase": str(row.phase),
        "since": row.since,
        "attempt": row.attempt,
        "held_phase": str(row.held_phase),
        "reason": _text_or_none(row.reason),
        "boot_id_before": row.boot_id_before,
        "boot_id_after": row.boot_id_after,
        "scan_before": _text_or_none(row.scan_before),
        "scan_after": _text_or_none(row.scan_after),
        "health_before": _text_or_none(row.health_before),
        "healthy_since": row.healthy_since,
        "cordon_taken": int(row.cordon_taken),
        "call_failures": row.call_failures,
        "next_call_at": row.next_call_at,
        "versions_before": _text_or_none(row.versions_before),
        "versions_after": _text_or_none(row.versions_after),
        "asked": row.asked,
        "kernel_before": row.kernel_before,
        "unreachable_since": row.unreachable_since,
    }


@lru_cache(maxsize=32768)
def move_row(*columns: Any) -> MoveRow:
    """`MOVE_COLUMNS` as a row. Raises FileFormatError."""
    (id, vm, vm_name, source, target, purpose, step, attempt, state) = columns[:9]
    (started_at, deadline_at, predicted, cancel_asked, ended_at, record, reason) = columns[9:]
    where = f"move of {vm_name}"
    return MoveRow(
        id=MoveId(id),
        vm=VmId(vm),
        vm_name=vm_name,
        source=HostId(source),
        target=HostId(target),
        purpose=nested(Purpose, json.dumps(purpose), where),
        step=None if step is None else HostId(step),
        attempt=attempt,
        state=nested(MoveState, json.dumps(state), where),
        started_at=started_at,
        deadline_at=deadline_at,
        predicted=nested(Prediction, predicted, where),
        cancel_asked=bool(cancel_asked),
        ended_at=ended_at,
        record=_nested_or_none(MoveRecord, record, where),
        reason=reason_of(reason, where),
    )


def move_values(row: MoveRow) -> dict[str, Any]:
    """A move's row as columns, without its run, cluster and id."""
    return {
        "vm": row.vm,
        "vm_name": row.vm_name,
        "source": row.source,
        "target": row.target,
        "purpose": str(row.purpose),
        "step": row.step,
        "attempt": row.attempt,
        "state": str(row.state),
        "started_at": row.started_at,
        "deadline_at": row.deadline_at,
        "predicted": _text_or_none(row.predicted),
        "cancel_asked": int(row.cancel_asked),
        "ended_at": row.ended_at,
        "record": _text_or_none(row.record),
        "reason": _text_or_none(row.reason),
    }


@lru_cache(maxsize=4096)
def journal_row(run: RunId, *columns: Any) -> JournalRow:
    """`JOURNAL_COLUMNS` as a row. Raises FileFormatError."""
    (id, host, kind, name, before, taken_at, given_back_at) = columns
    return JournalRow(
        id=id,
        run=run,
        host=HostId(host),
        kind=kind,
        name=name,
        before=_plain(before, f"journal {id}"),
        taken_at=taken_at,
        given_back_at=given_back_at,
    )


def command_row(run: RunId, row: Any) -> CommandRow | None:
    """None for a verb of a newer release: it is left for one that knows it."""
    if row.verb not in _VERBS:
        return None
    return CommandRow(
        id=row.id,
        run=run,
        verb=Verb(row.verb),
        actor=row.actor,
        at=row.at,
        handled_at=row.handled_at,
        outcome=row.outcome,
        host=None if row.host is None else HostId(row.host),
    )


def event_row(run: RunId, row: Any) -> EventRow:
    return EventRow(
        id=row.id,
        run=run,
        at=row.at,
        kind=row.kind,
        host=None if row.host is None else HostId(row.host),
        vm=None if row.vm is None else VmId(row.vm),
        text=row.text,
        data=_plain(row.data, f"event {row.id}"),
        actor=row.actor,
    )
