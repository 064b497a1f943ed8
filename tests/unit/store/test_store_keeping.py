"""The audit trail and copies of a store."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import ODD, OTHER_RUN, RUN, plan

from standfast.model.errors import FileFormatError, RefusedError, UsageError
from standfast.store import Lease, NewEvent, Store, keeping, migrate
from standfast.store.engine import Database
from standfast.store.sqlite import engine, make_file


@pytest.fixture
def three_events(path: Path, store: Store, lease: Lease) -> Path:
    """A store with `run_created` and two more events, still open."""
    store.write(lease.epoch, RUN, (), (NewEvent("one", ODD), NewEvent("two", "two", data={"a": 1})), 1001.0)
    return path


def tamper(path: Path, *statements: str) -> None:
    """Change the file as somebody would who has it in an editor: triggers are no obstacle."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for trigger in ("event_no_update", "event_no_delete", "event_no_replace"):
            connection.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            connection.execute(statement)


def test_the_trail_is_whole_and_each_event_changes_its_head(three_events: Path, store: Store) -> None:
    before = store.audit()
    assert (before.events, before.broken_at) == (3, None)
    assert len(before.heads) == 3
    assert before.head in before.heads
    lease = store.lease()
    assert lease is not None
    store.write(lease.epoch, RUN, (), (NewEvent("three", "three"),), 1002.0)
    after = store.audit()
    assert after.head != before.head
    assert before.head in after.heads


@pytest.mark.parametrize(
    ("statement", "broken_at", "trusted"),
    [
        ("UPDATE event SET text = 'nothing happened' WHERE id = 2", 2, 1),
        ("UPDATE event SET actor = 'nobody' WHERE id = 1", 1, 0),
        ("UPDATE event SET at = at + 1 WHERE id = 3", 3, 2),
        ("DELETE FROM event WHERE id = 2", 3, 1),
        (
            "INSERT INTO event (run, cluster, at, kind, text, data, actor, chain) "
            "SELECT run, cluster, at, kind, text, data, actor, chain FROM event WHERE id = 3",
            4,
            3,
        ),
    ],
)
def test_what_was_changed_taken_out_or_put_in_is_found(
    three_events: Path, statement: str, broken_at: int, trusted: int
) -> None:
    tamper(three_events, statement)
    chain = keeping.look(three_events).chain
    assert chain is not None
    assert (chain.broken_at, chain.events) == (broken_at, trusted)


def test_a_trail_cut_off_at_its_end_lacks_the_head_printed_earlier(three_events: Path, store: Store) -> None:
    head = store.audit().head
    tamper(three_events, "DELETE FROM event WHERE id = 3")
    chain = keeping.look(three_events).chain
    assert chain is not None
    assert chain.broken_at is None
    assert head not in chain.heads


def test_events_of_an_older_release_get_their_digests_when_the_store_is_migrated(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    make_file(path)
    database = Database(engine(path, read_only=False), path)
    with database.changing_schema() as connection:
        migrate.upgrade(connection, "0003")
        connection.exec_driver_sql(
            "INSERT INTO run (id, cluster, state, plan_digest, approved_by, created_at) "
            f"VALUES ('{RUN}', 'c', 'completed', 'd', 'anna', 1.5)"
        )
        for number in range(3):
            connection.exec_driver_sql(
                "INSERT INTO event (run, cluster, at, kind, text, data, actor) "
                f"VALUES ('{RUN}', 'c', {number}.25, 'k', 't{number} é', '{{}}', 'anna')"
            )
    database.close()
    store = Store.open(path)
    try:
        assert (store.audit().events, store.audit().broken_at) == (3, None)
    finally:
        store.close()
    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute("UPDATE event SET text = 'x'")


def test_a_copy_is_complete_while_others_write_and_never_replaces_a_file(
    three_events: Path, store: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    keeping.back_up(three_events, copy)
    assert copy.stat().st_mode & 0o777 == 0o600
    found = keeping.look(copy)
    assert found.faults == ()
    assert found.chain is not None
    assert found.chain.head == store.audit().head
    with pytest.raises(RefusedError):
        keeping.back_up(three_events, copy)


def test_a_restored_copy_is_the_store_and_what_was_there_is_kept(
    three_events: Path, store: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    keeping.back_up(three_events, copy)
    lease = store.lease()
    assert lease is not None
    store.write(lease.epoch, RUN, (), (NewEvent("later", "later"),), 1003.0)
    later = store.audit().head
    store.close()
    kept = keeping.restore(copy, three_events)
    assert kept is not None
    back = Store.open(three_events)
    try:
        assert back.audit().events == 3
    finally:
        back.close()
    aside = keeping.look(kept).chain
    assert aside is not None
    assert aside.head == later


def test_a_damaged_copy_is_refused_and_the_store_is_as_it_was(
    three_events: Path, store: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    keeping.back_up(three_events, copy)
    tamper(copy, "UPDATE event SET text = 'x' WHERE id = 1")
    head = store.audit().head
    store.close()
    with pytest.raises(FileFormatError, match="audit trail is broken"):
        keeping.restore(copy, three_events)
    chain = keeping.look(three_events).chain
    assert chain is not None
    assert chain.head == head


@pytest.mark.parametrize("content", [b"", b"not a store at all" * 100])
def test_what_is_no_store_is_neither_copied_nor_put_back(
    three_events: Path, tmp_path: Path, content: bytes
) -> None:
    other = tmp_path / "other"
    other.write_bytes(content)
    with pytest.raises(FileFormatError):
        keeping.back_up(other, tmp_path / "copy.db")
    with pytest.raises(FileFormatError):
        keeping.restore(other, three_events)
    assert other.read_bytes() == content


def test_a_damaged_store_can_be_replaced(path: Path, store: Store, tmp_path: Path) -> None:
    store.create_run(OTHER_RUN, plan(), "digest", "anna", 1000.0)
    copy = tmp_path / "copy.db"
    keeping.back_up(path, copy)
    store.close()
    path.write_bytes(path.read_bytes()[:5000])
    kept = keeping.restore(copy, path)
    assert kept is not None
    assert kept.stat().st_size == 5000
    assert keeping.look(path).faults == ()


def test_there_is_nothing_to_look_at_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        keeping.look(tmp_path / "none.db")


def test_the_first_epoch_after_a_copy_was_put_back_is_above_all_that_hosts_have_seen(tmp_path: Path) -> None:
    path, copy = tmp_path / "state.db", tmp_path / "copy.db"
    store = Store.open(path)
    store.take_lease("one", 0.0)
    keeping.back_up(path, copy)
    for number in range(5):
        seen = store.take_lease("one", float(number))
    store.close()
    keeping.restore(copy, path)
    store = Store.open(path)
    taken = store.take_lease("one", 100.0)
    store.close()
    assert seen is not None
    assert taken is not None
    assert taken.epoch > seen.epoch
