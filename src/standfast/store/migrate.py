"""Bringing a schema up to date: one transaction, so that a death in the middle leaves the store as it was."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection

SCRIPTS = Path(__file__).parent / "migrations"
HEAD_SCHEMA = Path(__file__).parent / "head.sql"
"""What all migrations come to, for a new store: written by `./dev docs`; a test keeps the two the same."""

_one_at_a_time = threading.Lock()  # Alembic keeps what it is doing in its modules


def upgrade(connection: Connection, to: str) -> None:
    """Run the migrations that are missing, inside the caller's transaction."""
    from alembic import command  # only who migrates pays for loading Alembic
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    with _one_at_a_time:
        command.upgrade(config, to)
