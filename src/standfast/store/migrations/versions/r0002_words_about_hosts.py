"""Operators' words about one host, what they asked for there, and the kernel before a reboot."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name in ("asked", "kernel_before"):
        op.add_column("host", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("command", sa.Column("host", sa.Text, nullable=True))
