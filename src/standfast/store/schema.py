"""The tables: a column for what is queried, canonical JSON text for what is only read whole.

Times are Unix seconds. Migrations are the authority on what a file holds; a test keeps the two the same.
`sqlite_*` arguments are SQLAlchemy's own, and other databases ignore them; their twins for PostgreSQL are in
the migrations only, because naming them here would load that dialect at every start.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every schema this release can read or migrate, oldest first. Here so that opening a store that is up to
date need not load Alembic."""

HEAD = REVISIONS[-1]

SECONDS: TypeEngine[float] = Double().with_variant(REAL(), "sqlite")
SERIAL: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")


class Words(TypeDecorator[str]):
    """Text from anywhere: what no database can hold (half a surrogate pair, NUL) becomes a question mark."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


def storable(text: str) -> str:
    """The text, with `?` for each character that UTF-8 in a database can't carry."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "?")


metadata = MetaData()


def _table(name: str, *items: Any) -> Table:
    return Table(name, metadata, *items, sqlite_strict=True)


def _serial_table(name: str, *items: Any) -> Table:
    """Ids are never used twice, so that `after=` and audit can rely on them."""
    return Table(name, metadata, *items, sqlite_strict=True, sqlite_autoincrement=True)


def _text(name: str, *, null: bool = False, default: str | None = None) -> Column[str]:
    return Column(name, Words, nullable=null, server_default=default)


def _seconds(name: str, *, null: bool = False) -> Column[float]:
    return Column(name, SECONDS, nullable=null)


def _whole(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False)


def _run(**options: Any) -> Column[str]:
    return Column("run", Words, ForeignKey("run.id"), nullable=False, **options)


run = _table(
    "run",
    Column("id", Words, primary_key=True, nullable=False),
    _text("cluster"),
    _text("state"),
    _text("plan_digest"),
    _text("approved_by"),
    _seconds("created_at"),
    _seconds("ended_at", null=True),
    _text("reason", null=True),
)
Index(
    "run_active",
    run.c.cluster,
    unique=True,
    sqlite_where=run.c.ended_at.is_(None),
)

# A table of its own: a plan is megabytes and never changes, a run row is short and does.
plan = _table("plan", _run(primary_key=True), _text("cluster"), _text("body"))

host = _table(
    "host",
    _run(primary_key=True),
    Column("host", Words, primary_key=True, nullable=False),
    _text("cluster"),
    _text("name"),
    _whole("position"),
    _text("phase"),
    _seconds("since"),
    _whole("attempt"),
    _text("held_phase"),
    _text("reason", null=True),
    _text("boot_id_before"),
    _text("boot_id_after"),
    _text("scan_before", null=True),
    _text("scan_after", null=True),
    _text("health_before", null=True),
    _seconds("healthy_since", null=True),
    _whole("cordon_taken"),
    _whole("call_failures"),
    _seconds("next_call_at"),
    _text("versions_before"),
    _text("versions_after"),
    _text("asked", default=""),
    _text("kernel_before", default=""),
    _seconds("unreachable_since", null=True),
)

move = _table(
    "move",
    _run(primary_key=True),
    Column("id", Words, primary_key=True, nullable=False),
    _text("cluster"),
    _text("vm"),
    _text("vm_name"),
    _text("source"),
    _text("target"),
    _text("purpose"),
    _text("step", null=True),
    _whole("attempt"),
    _text("state"),
    _seconds("started_at"),
    _seconds("deadline_at"),
    _text("predicted"),
    _whole("cancel_asked"),
    _seconds("ended_at", null=True),
    _text("record", null=True),
    _text("reason", null=True),
)
Index("move_in_order", move.c.run, move.c.started_at, move.c.id)

journal = _serial_table(
    "journal",
    Column("id", SERIAL, primary_key=True, nullable=False),
    _run(),
    _text("cluster"),
    _text("host"),
    _text("kind"),
    _text("name"),
    _text("before"),
    _seconds("taken_at"),
    _seconds("given_back_at", null=True),
)
Index("journal_of_run", journal.c.run, journal.c.id)
Index(
    "journal_open",
    journal.c.run,
    journal.c.host,
    journal.c.kind,
    journal.c.name,
    unique=True,
    sqlite_where=journal.c.given_back_at.is_(None),
)

command = _serial_table(
    "command",
    Column("id", SERIAL, primary_key=True, nullable=False),
    _run(),
    _text("cluster"),
    _text("verb"),
    _text("actor"),
    _seconds("at"),
    _seconds("handled_at", null=True),
    _text("outcome"),
    _text("host", null=True),
)
Index("command_of_run", command.c.run, command.c.handled_at)

event = _serial_table(
    "event",
    Column("id", SERIAL, primary_key=True, nullable=False),
    _run(),
    _text("cluster"),
    _seconds("at"),
    _text("kind"),
    _text("host", null=True),
    _text("vm", null=True),
    _text("text"),
    _text("data"),
    _text("actor"),
    _text("chain", default=""),
)
Index("event_of_run", event.c.run, event.c.id)

# What the live page shows between events; overwritten by each tick.
live = _table("live", _run(primary_key=True), _text("cluster"), _text("data"), _seconds("at"))

# How far each receiver of notices has been told: the id of an event.
told = _table(
    "told",
    Column("receiver", Words, primary_key=True, nullable=False),
    Column("event", SERIAL, nullable=False),
)

lease = _table(
    "lease",
    Column("id", Integer, primary_key=True, nullable=False, autoincrement=False),
    _text("holder"),
    _whole("epoch"),
    _seconds("expires_at"),
    _seconds("ttl_seconds"),
    CheckConstraint("id = 1", name="lease_one_row"),
)
