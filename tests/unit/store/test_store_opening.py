from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from store_samples import NEXT, RUN, SECOND, plan
from store_worker import race

from standfast.model.errors import FileFormatError, OutsideError, StandfastError
from standfast.store import Lease, NewEvent, Store, migrate, sqlite
from standfast.store.engine import Database, open_database
from standfast.store.schema import HEAD, REVISIONS, metadata


@pytest.fixture
def filled(path: Path) -> Path:
    """A store with a run in it, closed."""
    store = Store.open(path)
    store.create_run(RUN, plan(), "digest", "anna", 1000.0)
    store.close()
    return path


def _query(path: Path, statement: str) -> Any:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(statement).fetchone()[0]


def _content(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def _refusal(path: Path, *, read_only: bool = False) -> StandfastError:
    with pytest.raises(StandfastError) as refused:
        Store.open(path, read_only=read_only)
    assert str(path) in str(refused.value)
    return refused.value


def test_a_new_store_is_its_owner_s_alone(path: Path, store: Store) -> None:
    store.create_run(RUN, plan(), "digest", "anna", 1000.0)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    files = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert files == dict.fromkeys(("standfast.db", "standfast.db-wal", "standfast.db-shm"), 0o600)


def test_a_new_store_is_written_as_it_must_be(path: Path, store: Store) -> None:
    assert _query(path, "PRAGMA journal_mode") == "wal"
    with open_database(path, read_only=False).changing_schema() as connection:
        for pragma, value in {"synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
        tables = connection.exec_driver_sql("PRAGMA table_list").all()
    loose = {row[1] for row in tables if not row[5] and not row[1].startswith("sqlite_")}
    assert loose == {"alembic_version"}


def test_a_new_store_has_the_schema_that_the_code_has_in_mind(path: Path, store: Store) -> None:
    with open_database(path, read_only=False).changing_schema() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_new_store_is_as_one_that_all_migrations_made(path: Path, store: Store, tmp_path: Path) -> None:
    migrated = tmp_path / "migrated.db"
    sqlite.make_file(migrated)
    database = Database(sqlite.engine(migrated, read_only=False), migrated)
    with database.changing_schema() as connection:
        migrate.upgrade(connection, HEAD)
    database.close()
    with closing(sqlite3.connect(path)) as new, closing(sqlite3.connect(migrated)) as old:
        assert sqlite.schema_of(new) == sqlite.schema_of(old), "run ./dev docs"
        assert sqlite.schema_of(new).count("CREATE TRIGGER") == 6
        for pragma in ("application_id", "journal_mode", "user_version", "encoding", "page_size"):
            asked = [each.execute(f"PRAGMA {pragma}").fetchone() for each in (new, old)]
            assert asked[0] == asked[1], pragma


def test_every_migration_is_known_without_loading_alembic() -> None:
    scripts = ScriptDirectory(str(migrate.SCRIPTS)).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == REVISIONS


def test_processes_that_make_the_store_at_once_share_one(path: Path) -> None:
    assert race("opening", path, (), (), ()) == ["0", "0", "0"]
    assert [file.name for file in path.parent.iterdir()] == ["standfast.db"]


def test_opening_again_keeps_what_is_there_and_makes_no_backup(filled: Path) -> None:
    before = _content(filled)
    store = Store.open(filled)
    assert store.active_runs() == (RUN,)
    store.close()
    assert _content(filled) == before


def test_a_reader_makes_no_store(path: Path) -> None:
    assert _refusal(path, read_only=True).code == "store_absent"
    assert not path.parent.exists()


def test_a_reader_can_not_write(filled: Path) -> None:
    reader = Store.open(filled, read_only=True)
    with pytest.raises(OutsideError) as refused:
        reader.take_lease("reader", now=1.0)
    assert refused.value.code == "store_read_only"
    assert reader.run(RUN).plan == plan()
    reader.close()


def test_an_older_store_is_backed_up_then_migrated(filled: Path, next_release: Path) -> None:
    writer = sqlite3.connect(filled)  # still open: its writes are in the WAL only
    writer.execute("UPDATE run SET approved_by = 'berta'")
    writer.commit()
    store = Store.open(filled)
    backup = filled.with_name(f"standfast.db.before-{NEXT}")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    for file, revision in ((filled, NEXT), (backup, HEAD)):
        assert _query(file, "SELECT version_num FROM alembic_version") == revision
        assert _query(file, "SELECT approved_by FROM run") == "berta"
        assert _query(file, "SELECT count(*) FROM host") == 2
    assert _query(filled, "SELECT min(site) FROM run") == "none"
    assert store.run(RUN).plan == plan()
    store.close()
    writer.close()


def test_a_backup_can_take_the_store_s_place(filled: Path, next_release: Path) -> None:
    Store.open(filled).close()
    filled.with_name(f"standfast.db.before-{NEXT}").replace(filled)
    assert _query(filled, "SELECT version_num FROM alembic_version") == HEAD
    Store.open(filled).close()
    assert _query(filled, "SELECT version_num FROM alembic_version") == NEXT


def test_a_migration_that_fails_leaves_the_store_as_it_was(filled: Path, next_release: Path) -> None:
    broken = next_release / "versions" / "r0777_second.py"
    broken.write_text(SECOND + "    op.execute('UPDATE run SET site = site || no_such_column')\n")
    with pytest.raises(OutsideError, match="no_such_column"):
        Store.open(filled)
    assert _query(filled, "SELECT version_num FROM alembic_version") == HEAD
    assert _query(filled, "SELECT count(*) FROM pragma_table_info('run') WHERE name = 'site'") == 0


def test_a_migration_that_loses_rows_is_not_kept(filled: Path, next_release: Path) -> None:
    (next_release / "versions" / "r0777_second.py").write_text(SECOND + "    op.execute('DELETE FROM run')\n")
    with pytest.raises(FileFormatError, match="refers to one that is not there"):
        Store.open(filled)
    assert _query(filled, "SELECT count(*) FROM run") == 1


def test_a_reader_does_not_migrate(filled: Path, next_release: Path) -> None:
    before = _content(filled)
    assert _refusal(filled, read_only=True).code == "store_older"
    assert _content(filled) == before


def test_a_newer_store_is_refused_and_left_as_it_was(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0777'")
    before = _content(filled)
    refused = _refusal(filled)
    assert refused.code == "store_newer"
    assert f"its schema is 0777, this release knows {', '.join(REVISIONS)}" in str(refused)
    assert _content(filled) == before


def test_a_store_with_damaged_pages_is_refused_and_left_as_it_was(filled: Path) -> None:
    content = bytearray(filled.read_bytes())
    page = len(content) // 4096 // 2 * 4096
    content[page : page + 4096] = b"\xa5" * 4096
    filled.write_bytes(content)
    assert _refusal(filled).code == "store_damaged"
    assert _content(filled) == {"standfast.db": bytes(content)}


def test_a_store_that_was_cut_off_is_refused_and_left_as_it_was(filled: Path) -> None:
    content = filled.read_bytes()[: 3 * 4096 + 100]
    filled.write_bytes(content)
    assert _refusal(filled).code == "store_damaged"
    assert _content(filled) == {"standfast.db": content}


def test_a_store_without_its_tables_is_refused(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")
    assert _refusal(filled).code == "store_damaged"


@pytest.mark.parametrize("content", [b"", b"clusters: {}\n" * 500], ids=["empty", "text"])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert _refusal(path).code == "store_foreign"
    assert _content(path) == {"standfast.db": content}


def test_another_program_s_database_is_refused_and_left_as_it_was(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE run (id TEXT)")
    before = _content(path)
    assert _refusal(path).code == "store_foreign"
    assert _content(path) == before


@pytest.fixture
def read_only_directory() -> Iterator[Path]:
    """A directory in which this process may not write, root or not."""
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield directory
    os.seteuid(user)
    directory.chmod(0o700)
    shutil.rmtree(directory)


def test_a_directory_that_can_not_be_written_is_told_in_a_sentence(read_only_directory: Path) -> None:
    for path in (read_only_directory / "standfast.db", read_only_directory / "new" / "standfast.db"):
        refused = _refusal(path)
        assert refused.code == "store_unopened"
        assert "Permission denied" in str(refused)
    assert list(read_only_directory.iterdir()) == []


def test_a_directory_that_is_a_file_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Not a directory" in str(_refusal(tmp_path / "file" / "standfast.db"))


def test_a_full_disk_is_told_in_a_sentence_and_costs_nothing_written_before(filled: Path) -> None:
    database = open_database(filled, read_only=False)
    event.listen(database.engine, "connect", lambda raw, _: raw.execute("PRAGMA max_page_count = 1"))
    store = Store(database)
    lease = store.take_lease("first", now=1.0)
    assert lease is not None
    with pytest.raises(OutsideError, match="no space is left") as refused:
        store.write(lease.epoch, RUN, [], [NewEvent("long", "x" * 100_000)], 1.0)
    assert refused.value.code == "store_full"
    assert [row.kind for row in store.events(RUN)] == ["run_created"]
    assert store.renew_lease(lease, now=2.0) == Lease("first", lease.epoch, 22.0)
    store.close()
