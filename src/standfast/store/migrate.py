"""Bringing a schema up to date: one transaction, so that a death in the middle leaves the store as it was."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from standfast.store.schema import HEAD


def upgrade(connection: Connection, to: str = HEAD) -> None:
    """Run the migrations that are missing, inside the caller's transaction."""
    from alembic import command  # only who migrates pays for loading Alembic
    from alembic.config import Config

    config = Config()
    scripts = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, to)
