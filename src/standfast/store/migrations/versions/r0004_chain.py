"""A digest over each event and the one before it. Events of before get theirs now."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

FIELDS = ("run", "cluster", "at", "kind", "host", "vm", "text", "data", "actor")
NO_UPDATE = "event_no_update"


def upgrade() -> None:
    connection = op.get_bind()
    op.add_column("event", sa.Column("chain", sa.Text, nullable=False, server_default=""))
    trigger = None
    if connection.dialect.name == "sqlite":
        found = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
        trigger = connection.execute(found, {"name": NO_UPDATE}).scalar_one()
        op.execute(f"DROP TRIGGER {NO_UPDATE}")
    before = ""
    events = sa.text(f"SELECT id, {', '.join(FIELDS)} FROM event ORDER BY id")
    for number, *said in connection.execute(events).all():
        words = json.dumps([before, *said], separators=(",", ":"))
        before = hashlib.sha256(words.encode()).hexdigest()
        update = sa.text("UPDATE event SET chain = :chain WHERE id = :id")
        connection.execute(update, {"chain": before, "id": number})
    if trigger is not None:
        op.execute(trigger)
