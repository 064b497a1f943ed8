"""Schema migrations, run by `standfast.store.migrate`. Each is frozen once released."""
