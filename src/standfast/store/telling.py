"""Events as those who are told of them read them: over all runs, each receiver from where it stopped."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, func, insert, select, update

from standfast.model.ids import RunId
from standfast.model.run import EventRow
from standfast.store import rows, schema


def events(connection: Connection, after: int, kinds: Collection[str], limit: int) -> tuple[EventRow, ...]:
    """The next events of those kinds, of any run, in order of their ids."""
    table = schema.event
    query = (
        select(table)
        .where(table.c.id > after, table.c.kind.in_(sorted(kinds)))
        .order_by(table.c.id)
        .limit(limit)
    )
    return tuple(rows.event_row(RunId(row.run), row) for row in connection.execute(query))


def told(connection: Connection, receiver: str) -> int | None:
    """Id of the last event that the receiver was told, or that was not for it; None if it is new."""
    table = schema.told.c
    found = connection.execute(select(table.event).where(table.receiver == receiver)).scalar_one_or_none()
    return None if found is None else int(found)


def begin_at(connection: Connection) -> int:
    """Where a new receiver begins: before the runs that have not ended; older ones are history."""
    event, run = schema.event.c, schema.run.c
    active = select(run.id).where(run.ended_at.is_(None))
    first = connection.execute(select(func.min(event.id)).where(event.run.in_(active))).scalar_one()
    if first is not None:
        return int(first) - 1
    return int(connection.execute(select(func.coalesce(func.max(event.id), 0))).scalar_one())


def put(connection: Connection, receiver: str, event: int) -> None:
    """The receiver was told up to that event."""
    table = schema.told
    statement = update(table).where(table.c.receiver == receiver).values(event=event)
    if connection.execute(statement).rowcount == 0:
        connection.execute(insert(table).values(receiver=receiver, event=event))
