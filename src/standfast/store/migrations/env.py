"""Alembic's entry. The connection is handed in, already inside the transaction that all of it shares."""

from alembic import context

from standfast.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
