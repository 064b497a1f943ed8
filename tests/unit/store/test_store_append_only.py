from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import HOSTS, RUN

from standfast.store import GiveJournal, Lease, Store, TakeJournal


@pytest.fixture
def shell(path: Path, store: Store, lease: Lease) -> Iterator[sqlite3.Connection]:
    """A person with a shell beside a store that has an event, and two things borrowed, one given back."""
    taken = [TakeJournal(HOSTS[0], "cordon", name, {"up": False}) for name in ("given", "borrowed")]
    store.write(lease.epoch, RUN, [*taken, GiveJournal(HOSTS[0], "cordon", "given")], [], 1001.0)
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET text = 'nothing happened'",
        "UPDATE event SET at = at",
        "DELETE FROM event",
        "INSERT OR REPLACE INTO event SELECT * FROM event",
        "INSERT OR REPLACE INTO journal SELECT * FROM journal",
        "DELETE FROM journal",
        "UPDATE journal SET before = '{}'",
        "UPDATE journal SET before = '{}', given_back_at = 1.0 WHERE name = 'borrowed'",
        "UPDATE journal SET given_back_at = NULL WHERE name = 'given'",
        "UPDATE journal SET given_back_at = 5.0 WHERE name = 'given'",
    ],
)
def test_history_can_not_be_changed(shell: sqlite3.Connection, store: Store, statement: str) -> None:
    before = store.run(RUN).journal, store.events(RUN)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        shell.execute(statement)
    shell.rollback()
    assert (store.run(RUN).journal, store.events(RUN)) == before


def test_what_is_borrowed_can_be_given_back(shell: sqlite3.Connection, store: Store) -> None:
    shell.execute("UPDATE journal SET given_back_at = 7.0 WHERE name = 'borrowed'")
    shell.commit()
    assert [row.given_back_at for row in store.run(RUN).journal] == [1001.0, 7.0]


def test_ids_of_events_are_never_used_twice(path: Path, store: Store, lease: Lease) -> None:
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute("DROP TRIGGER event_no_delete")
        shell.execute("DELETE FROM event")
        assert shell.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()[0] >= 1
