"""The first schema: runs with their hosts, moves, journal, commands and events; one lease."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from standfast.store import sqlite

revision = "0001"
down_revision = None

_SECONDS: sa.types.TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
_SERIAL: sa.types.TypeEngine[int] = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_run_tables()
    _create_append_only_tables()
    _create_live_tables()
    if op.get_bind().dialect.name == "sqlite":
        fixed = ("id", "run", "cluster", "host", "kind", "name", "before", "taken_at")
        for statement in sqlite.append_only("event") + sqlite.set_once("journal", "given_back_at", fixed):
            op.execute(statement)


def _create_run_tables() -> None:
    _table("run", _key("id"), *_texts("cluster state plan_digest approved_by"), _seconds("created_at"),
           _seconds("ended_at", null=True), _text("reason", null=True))  # fmt: skip
    active = sa.text("ended_at IS NULL")
    op.create_index(
        "run_active", "run", ["cluster"], unique=True, sqlite_where=active, postgresql_where=active
    )
    _table("plan", _run(primary_key=True), *_texts("cluster body"))
    _table(
        "host",
        _run(primary_key=True),
        _key("host"),
        *_texts("cluster name"),
        _whole("position"),
        _text("phase"),
        _seconds("since"),
        _whole("attempt"),
        _text("held_phase"),
        _text("reason", null=True),
        *_texts("boot_id_before boot_id_after"),
        *(_text(name, null=True) for name in ("scan_before", "scan_after", "health_before")),
        _seconds("healthy_since", null=True),
        _whole("cordon_taken"),
        _whole("call_failures"),
        _seconds("next_call_at"),
        *_texts("versions_before versions_after"),
    )
    _table(
        "move",
        _run(primary_key=True),
        _key("id"),
        *_texts("cluster vm vm_name source target purpose"),
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
    op.create_index("move_in_order", "move", ["run", "started_at", "id"])


def _create_append_only_tables() -> None:
    _table(
        "journal",
        _serial(),
        _run(),
        *_texts("cluster host kind name before"),
        _seconds("taken_at"),
        _seconds("given_back_at", null=True),
        sqlite_autoincrement=True,
    )
    borrowed = sa.text("given_back_at IS NULL")
    same = ["run", "host", "kind", "name"]
    op.create_index("journal_of_run", "journal", ["run", "id"])
    op.create_index(
        "journal_open", "journal", same, unique=True, sqlite_where=borrowed, postgresql_where=borrowed
    )
    _table(
        "event",
        _serial(),
        _run(),
        _text("cluster"),
        _seconds("at"),
        _text("kind"),
        _text("host", null=True),
        _text("vm", null=True),
        *_texts("text data actor"),
        sqlite_autoincrement=True,
    )
    op.create_index("event_of_run", "event", ["run", "id"])


def _create_live_tables() -> None:
    _table(
        "command",
        _serial(),
        _run(),
        *_texts("cluster verb actor"),
        _seconds("at"),
        _seconds("handled_at", null=True),
        _text("outcome"),
        sqlite_autoincrement=True,
    )
    op.create_index("command_of_run", "command", ["run", "handled_at"])
    _table("live", _run(primary_key=True), *_texts("cluster data"), _seconds("at"))
    _table(
        "lease",
        sa.Column("id", sa.Integer, primary_key=True, nullable=False, autoincrement=False),
        _text("holder"),
        _whole("epoch"),
        _seconds("expires_at"),
        _seconds("ttl_seconds"),
        sa.CheckConstraint("id = 1", name="lease_one_row"),
    )


def _table(name: str, *items: Any, **options: Any) -> None:
    op.create_table(name, *items, sqlite_strict=True, **options)


def _key(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=True, nullable=False)


def _serial() -> sa.Column[int]:
    return sa.Column("id", _SERIAL, primary_key=True, nullable=False)


def _run(**options: Any) -> sa.Column[str]:
    return sa.Column("run", sa.Text, sa.ForeignKey("run.id"), nullable=False, **options)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _texts(names: str) -> tuple[sa.Column[str], ...]:
    return tuple(_text(name) for name in names.split())


def _seconds(name: str, *, null: bool = False) -> sa.Column[float]:
    return sa.Column(name, _SECONDS, nullable=null)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False)
