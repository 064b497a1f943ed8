"""Events as those who are told of them read them: over all runs, each receiver from where it stopped."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import bindparam, func, insert, or_, select, update

from standfast.model.ids import RunId
from standfast.model.run import EventRow
from standfast.store import rows, schema
from standfast.store.prepared import Prepared, Transaction

_event, _run, _told = schema.event.c, schema.run.c, schema.told.c
_TOLD = Prepared(select(_told.event).where(_told.receiver == bindparam("key_receiver")))
_FIRST_OF_ACTIVE = Prepared(
    select(func.min(_event.id).label("id")).where(
        _event.run.in_(select(_run.id).where(_run.ended_at.is_(None)))
    )
)
_LAST = Prepared(select(func.coalesce(func.max(_event.id), 0).label("id")))
_PUT = Prepared(
    update(schema.told).where(_told.receiver == bindparam("key_receiver")).values(event=bindparam("event"))
)
_ADD = Prepared(insert(schema.told), ("receiver", "event"))


@lru_cache(maxsize=64)
def _of_kinds(kinds: tuple[str, ...]) -> Prepared:
    wanted = or_(*(_event.kind == kind for kind in kinds))
    query = select(schema.event).where(_event.id > bindparam("after"), wanted).order_by(_event.id)
    return Prepared(query.limit(bindparam("most")))


def events(transaction: Transaction, after: int, kinds: Collection[str], limit: int) -> tuple[EventRow, ...]:
    """The next events of those kinds, of any run, in order of their ids."""
    if not kinds:
        return ()
    found = transaction.named(_of_kinds(tuple(sorted(kinds))), after=after, most=limit)
    return tuple(rows.event_row(RunId(row.run), row) for row in found)


def told(transaction: Transaction, receiver: str) -> int | None:
    """Id of the last event that the receiver was told, or that was not for it; None if it is new."""
    found = transaction.value(_TOLD, key_receiver=receiver)
    return None if found is None else int(found)


def begin_at(transaction: Transaction) -> int:
    """Where a new receiver begins: before the runs that have not ended; older ones are history."""
    first = transaction.value(_FIRST_OF_ACTIVE)
    return int(transaction.value(_LAST)) if first is None else int(first) - 1


def put(transaction: Transaction, receiver: str, event: int) -> None:
    """The receiver was told up to that event."""
    if transaction.do(_PUT, key_receiver=receiver, event=event) == 0:
        transaction.do(_ADD, receiver=receiver, event=event)
