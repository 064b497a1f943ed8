"""All that is SQLite's own: how a file is looked at, opened, locked, backed up, and what its errors mean.

A file that might be open in this process is never opened by anything but SQLite: closing any other descriptor
of it would drop SQLite's POSIX locks.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from standfast.model.errors import FileFormatError, OutsideError, StandfastError

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""

APPLICATION_ID = 0x53744673  # "StFs"; says in the file's header whose it is

_ANEW = "Put a backup in its place, or move it away to begin with an empty store."


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """A connection to a file that is there; never makes one. Raises sqlite3.Error."""
    mode = "ro" if read_only else "rw"
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin where we say so
        check_same_thread=False,  # the pool hands a connection to one thread at a time
    )


def engine(path: Path, *, read_only: bool, references: bool = True) -> Engine:
    """An engine over the file.

    Without `references`, foreign keys are not enforced: a migration may have to rebuild a table.
    """

    def creator() -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        connection.execute(f"PRAGMA foreign_keys = {'ON' if references else 'OFF'}")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    made = create_engine("sqlite://", creator=creator, poolclass=QueuePool, pool_size=5, max_overflow=-1)
    event.listen(made, "begin", _begin)
    return made


def _begin(connection: Connection) -> None:
    """Of a migration, the only one that SQLAlchemy begins."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def make_file(path: Path, schema: str = "") -> None:
    """A database with our mark, made by these statements, readable by its owner only. Raises OSError or
    sqlite3.Error; the file may then be there in part."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(connect(path, read_only=False)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN;\nPRAGMA application_id = {APPLICATION_ID};\n{schema}\nCOMMIT;")


def schema_of(connection: sqlite3.Connection) -> str:
    """The statements that make a store of the same schema and revision, in the order in which they ran."""
    made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
    lines = (line.rstrip() for (sql,) in connection.execute(made) for line in f"{sql.strip()};".split("\n"))
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return "\n".join((*lines, f"INSERT INTO alembic_version VALUES ('{revision}');")) + "\n"


def refuse_no_file(path: Path) -> None:
    """Raises FileFormatError where something is there that can't be a store, and is left as it is."""
    if path.is_dir():
        raise _not_ours(path, "it is a directory")
    if path.is_symlink() and not path.exists():
        raise _not_ours(path, f"it is a link to {path.readlink()}, which is not there")
    if path.exists() and not path.is_file():
        raise _not_ours(path, "it is a device, a pipe or a socket")


def revision(path: Path) -> str:
    """The schema revision of a store. Raises FileFormatError if the file is none; it is left as it was."""
    try:
        with closing(connect(path, read_only=_mid_write(path))) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise _not_ours(path, "it belongs to another program, or is empty")
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if verdict != "ok":
                raise _damaged(path, verdict)
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # no such table
            raise _damaged(path, str(error)) from error
        raise explain(error, path) from error
    if row is None:
        raise _damaged(path, "it does not say which schema it has")
    return str(row[0])


def _mid_write(path: Path) -> bool:
    """There may be something to write back into the file, as after a crash or while others use it.

    Then only a read-only look leaves the file as it was. Else a writer's look does too, and it takes its own
    `-wal` and `-shm` files away again.
    """
    return any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-journal"))


def back_up(path: Path, copy: Path) -> None:
    """A complete copy as of now, through SQLite's backup API; whole or not there at all.

    Raises OSError or sqlite3.Error.
    """
    part = copy.with_name(copy.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(connect(path, read_only=True)) as source, closing(connect(part, read_only=False)) as target:
        source.backup(target)
    part.replace(copy)
    sync_directory(copy.parent)


def check_references(connection: Connection, path: Path) -> None:
    """Before a migration is kept: raises FileFormatError if it lost what a row refers to."""
    lost = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if lost is not None:
        raise _damaged(path, f"a row of {lost[0]} refers to one that is not there")


def sync_directory(directory: Path) -> None:
    """Make new names in it survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_only(table: str) -> tuple[str, ...]:
    """Statements that make SQLite refuse every change to a row of the table."""
    return _no_replace(table), *(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} rows are append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )


def _no_replace(table: str) -> str:
    """`INSERT OR REPLACE` deletes without firing a trigger."""
    return (
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
        f"BEGIN SELECT RAISE(ABORT, '{table} rows are append-only'); END"
    )


def set_once(table: str, column: str, fixed: tuple[str, ...]) -> tuple[str, ...]:
    """Statements that make SQLite refuse every change but one: `column` may go from NULL to a value."""
    same = " AND ".join(f"NEW.{name} IS OLD.{name}" for name in fixed)
    allowed = f"OLD.{column} IS NULL AND NEW.{column} IS NOT NULL AND {same}"
    said = f"{table} rows are append-only but for {column}, once"
    return (
        _no_replace(table),
        f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} WHEN NOT ({allowed}) "
        f"BEGIN SELECT RAISE(ABORT, '{said}'); END",
        f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{said}'); END",
    )


def explain(error: BaseException | None, path: Path) -> StandfastError:
    """What an error of SQLite means to an operator."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return _not_ours(path, "it is no database")
    if code == sqlite3.SQLITE_CORRUPT:
        return _damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return _outside("store_full", path, "no space is left on its disk", "Free some, then go on.")
    if code == sqlite3.SQLITE_READONLY:
        return _outside(
            "store_read_only",
            path,
            "it is read-only here",
            "Check its owner, its file system, and the files beside it.",
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return _outside("store_unopened", path, "it or its directory can't be opened", "Check its rights.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        why = f"another process has held it for {BUSY_SECONDS:.0f} s"
        return _outside("store_busy", path, why, "See who has it open, e.g. with `fuser`.")
    return _outside("store_failed", path, str(error), "Check its disk and its rights.")


def _outside(code: str, path: Path, why: str, do: str) -> OutsideError:
    return OutsideError(code, "can't use the store", where=str(path), why=why, do=do)


def _not_ours(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        "store_foreign",
        "this is no Standfast store",
        where=str(path),
        why=why,
        do=f"It was left alone. {_ANEW}",
    )


def _damaged(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        "store_damaged",
        "the store is damaged",
        where=str(path),
        why=why,
        do=f"It was left as it was. {_ANEW}",
    )
