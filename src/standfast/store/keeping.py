"""Keeping a store safe: a copy while it is in use, a copy put back, and a look whether all of it is whole."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from standfast.model.errors import FileFormatError, OutsideError, RefusedError, UsageError
from standfast.model.run import RESTORED
from standfast.store import sqlite
from standfast.store.audit import Chain
from standfast.store.repository import Store
from standfast.store.schema import HEAD, REVISIONS


@dataclass(frozen=True, slots=True)
class Whole:
    """What a look at a store found. `faults` are SQLite's own words; none: the file is whole."""

    schema: str
    faults: tuple[str, ...]
    chain: Chain | None
    """None where the file is too damaged, or of an older release, to be followed."""


def back_up(path: Path, copy: Path) -> None:
    """A complete copy as of now, while others go on writing. Never over a file that is there.

    Raises RefusedError (`backup_exists`), FileFormatError where `path` is no store, OutsideError.
    """
    _must_be_there(path)
    sqlite.revision(path)
    if copy.exists():
        raise RefusedError(
            "backup_exists", "something is there already", where=str(copy), do="Name another file."
        )
    _copied(path, copy)


def restore(copy: Path, path: Path, *, now: float | None = None) -> Path | None:
    """Put a copy in the place of the store at `path`; returns where what was there before is kept.

    `now` in Unix seconds, the time it is if it is not said.

    Nobody may have the store open. Raises FileFormatError where the copy is no store, damaged, or of a newer
    release, and OutsideError; the store is then as it was.
    """
    _must_be_there(copy)
    found = look(copy)
    if found.faults or (found.chain is not None and found.chain.broken_at is not None):
        why = found.faults[0] if found.faults else "its audit trail is broken"
        raise FileFormatError(
            "backup_damaged",
            "this copy is damaged",
            where=str(copy),
            why=why,
            do="The store was left as it was. Take another copy.",
        )
    if found.schema not in REVISIONS:
        raise FileFormatError(
            "backup_newer",
            "this copy is of a newer release",
            where=str(copy),
            why=f"its schema is {found.schema}, this release knows up to {HEAD}",
            do="The store was left as it was. Use the newer release.",
        )
    kept = _put_aside(path) if path.exists() else None
    fresh = path.with_name(f"{path.name}.restored")
    fresh.unlink(missing_ok=True)
    _copied(copy, fresh)
    _told_restored(fresh, int(time.time() if now is None else now))
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    fresh.replace(path)
    sqlite.sync_directory(path.parent)
    return kept


def _told_restored(path: Path, now: int) -> None:
    """What happened after the copy was made is not in it: hosts may know more than the store.

    They remember the highest epoch that they have seen: the next one taken is above the present Unix time,
    which no count of restarts overtakes; a copy made before any was taken has no row to raise. And each host
    of a run that goes on is marked: what it still has of the run has to be looked for.
    """
    first = "INSERT OR IGNORE INTO lease (id, holder, epoch, expires_at, ttl_seconds) VALUES (1, '', 0, 0, 0)"
    mark = (
        "INSERT INTO journal (run, cluster, host, kind, name, before, taken_at) "
        f"SELECT host.run, host.cluster, host.host, '{RESTORED}', host.name, '{{}}', {now} "
        "FROM host JOIN run ON run.id = host.run WHERE run.ended_at IS NULL AND NOT EXISTS ("
        "SELECT 1 FROM journal AS known WHERE known.run = host.run AND known.host = host.host "
        f"AND known.kind = '{RESTORED}' AND known.given_back_at IS NULL)"
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(first)
        connection.execute(f"UPDATE lease SET epoch = MAX(epoch, {now})")
        connection.execute(mark)


def look(path: Path) -> Whole:
    """Every page, every reference and the audit trail. Raises FileFormatError where the file is no store."""
    _must_be_there(path)
    schema = sqlite.revision(path)
    faults: list[str] = []
    try:
        with closing(sqlite.connect(path, read_only=True)) as connection:
            pages = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
            faults += [fault for fault in pages if fault != "ok"]
            lost = connection.execute("PRAGMA foreign_key_check").fetchall()
            faults += [f"a row of {row[0]} refers to one that is not there" for row in lost]
    except sqlite3.Error as error:
        faults.append(str(error))
    if faults or schema != HEAD:
        return Whole(schema, tuple(faults), None)
    store = Store.open(path, read_only=True)
    try:
        return Whole(schema, (), store.audit())
    finally:
        store.close()


def _put_aside(path: Path) -> Path:
    """The store as it is, beside itself, under a name that is free; also one that is damaged."""
    number = 1
    while (kept := path.with_name(f"{path.name}.before-restore-{number}")).exists():
        number += 1
    try:
        sqlite.back_up(path, kept)
    except sqlite3.Error:
        os.link(path, kept)
    return kept


def _copied(path: Path, copy: Path) -> None:
    try:
        sqlite.back_up(path, copy)
    except sqlite3.Error as error:
        raise sqlite.explain(error, path) from error
    except OSError as error:
        raise OutsideError(
            "backup_failed", "can't write the copy", where=str(copy), why=error.strerror or str(error)
        ) from error


def _must_be_there(path: Path) -> None:
    sqlite.refuse_no_file(path)
    if not path.exists():
        raise UsageError("store_absent", "there is no store", where=str(path))
