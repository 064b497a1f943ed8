"""Opening a store: made whole or not at all, migrated after a backup, refused where it isn't what we know."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from ulid import ULID

from standfast.model.errors import FileFormatError, OutsideError, StandfastError
from standfast.store import migrate, sqlite
from standfast.store.prepared import Transaction
from standfast.store.schema import HEAD, REVISIONS


class Database:
    """Transactions on one store. Safe to use from several threads; each transaction has a connection."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.path = path
        self.engine = engine

    def reading(self) -> AbstractContextManager[Transaction]:
        """One consistent view of all tables. Raises StandfastError where the file can't be used."""
        return self._transaction("BEGIN")

    def writing(self, *, beside: bool = False) -> AbstractContextManager[Transaction]:
        """One transaction that holds the write lock from its beginning: all of it is kept, or nothing. What
        is written `beside` the rows of runs changes nothing that was read of them.

        Raises StandfastError where the file can't be written, and lets IntegrityError through.
        """
        # A reader that becomes a writer gets SQLITE_BUSY at once, without waiting, if somebody wrote since.
        return self._transaction("BEGIN IMMEDIATE", forget=not beside)

    @contextmanager
    def _transaction(self, begin: str, *, forget: bool = False) -> Iterator[Transaction]:
        try:
            held = self.engine.raw_connection()
            try:
                connection: Any = held.driver_connection
                connection.execute(begin)
                transaction = Transaction(connection, held.info)
                try:
                    if forget:
                        transaction.before = transaction.forget()
                    yield transaction
                    connection.commit()
                except BaseException:
                    transaction.forget()
                    connection.rollback()
                    raise
            finally:
                held.close()
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise sqlite.explain(error, self.path) from error

    @contextmanager
    def changing_schema(self) -> Iterator[Connection]:
        """A writer's transaction for migrations. Raises StandfastError where the file can't be written."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise sqlite.explain(error.orig, self.path) from error

    def close(self) -> None:
        self.engine.dispose()


def open_database(path: Path, *, read_only: bool) -> Database:
    """The store at that path, made or migrated if need be. Raises StandfastError with a sentence; a file that
    is refused is left as it was."""
    try:
        _ready(path, read_only=read_only)
    except OSError as error:
        raise OutsideError(
            "store_unopened",
            "can't use the store",
            where=str(path),
            why=error.strerror or str(error),
            do="Check its directory, the rights there and the space on its disk.",
        ) from error
    except sqlite3.Error as error:
        raise sqlite.explain(error, path) from error
    return Database(sqlite.engine(path, read_only=read_only), path)


def _ready(path: Path, *, read_only: bool) -> None:
    sqlite.refuse_no_file(path)
    if not path.exists():
        if read_only:
            raise _absent(path)
        _create(path)
    found = sqlite.revision(path)
    if found == HEAD:
        return
    if found not in REVISIONS:
        raise _newer(path, found)
    if read_only:
        raise _older(path, found)
    _migrate(path)


def _create(path: Path) -> None:
    """Build it under another name and link it into place: whoever comes second finds a complete store."""
    if not path.parent.exists():  # a file there is told better by the next call
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # another process may be faster
    draft = path.with_name(f".{path.name}.{ULID()}.new")
    try:
        sqlite.make_file(draft, migrate.HEAD_SCHEMA.read_text(encoding="utf-8"))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
        sqlite.sync_directory(path.parent)
    finally:
        for leftover in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            leftover.unlink(missing_ok=True)


def _migrate(path: Path) -> None:
    """Back up, then migrate, with the write lock held over both so that the copy misses nothing."""
    database = Database(sqlite.engine(path, read_only=False, references=False), path)
    try:
        with database.changing_schema() as connection:
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
            if found == HEAD:
                return  # another process was faster
            sqlite.back_up(path, path.with_name(f"{path.name}.before-{HEAD}"))
            migrate.upgrade(connection, HEAD)
            sqlite.check_references(connection, path)
    finally:
        database.close()


def _absent(path: Path) -> StandfastError:
    return OutsideError(
        "store_absent",
        "there is no store",
        where=str(path),
        why="nothing has been run from here yet",
        do="Check where the state is kept.",
    )


def _newer(path: Path, found: str) -> StandfastError:
    return FileFormatError(
        "store_newer",
        "the store was written by a newer release",
        where=str(path),
        why=f"its schema is {found}, this release knows {', '.join(REVISIONS)}",
        do="It was left as it was. Use the newer release, or put back the backup made before the upgrade.",
    )


def _older(path: Path, found: str) -> StandfastError:
    return FileFormatError(
        "store_older",
        "the store was written by an older release",
        where=str(path),
        why=f"its schema is {found}, this release reads {HEAD}",
        do="It is migrated when `standfast serve` or any writing command opens it.",
    )
