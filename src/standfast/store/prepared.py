"""Statements carried out on the driver's own connection, each put together once.

SQLAlchemy writes the SQL. Carrying it out through its layers takes several times as long as SQLite itself
does, and a tick is little else than a few dozen small statements.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

from sqlalchemy import ClauseElement, Select
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

_DIALECT = SQLiteDialect_pysqlite()

Process = Callable[[Any], Any] | None


class Prepared:
    """One statement, compiled when it is first used. Its values are given by name: those of its `bindparam`s
    and, for one that inserts, of `columns`."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        self._statement = statement
        self._columns = columns

    @cached_property
    def _compiled(self) -> tuple[str, tuple[tuple[str, Process], ...], Mapping[str, Any]]:
        """The SQL, what stands at each of its question marks, and the values that it brings along."""
        made: Any = self._statement.compile(
            dialect=_DIALECT,
            column_keys=self._columns,
        )
        names = made.positiontup or ()
        places = tuple((name, _process(made.binds[name].type)) for name in names)
        return str(made), places, {name: made.params[name] for name in names}

    @cached_property
    def row(self) -> Callable[[Sequence[Any]], Any]:
        """Makes a value with names of what a query gives."""
        assert isinstance(self._statement, Select)
        names = [str(column.name) for column in self._statement.selected_columns]
        make: Any = namedtuple  # whose names mypy wants to read here
        return cast("Callable[[Sequence[Any]], Any]", make("Row", names)._make)

    def carry_out(self, connection: sqlite3.Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        """Do it with these values. Raises sqlite3.Error, and KeyError where one is missing."""
        sql, _, _ = self._compiled
        return connection.execute(sql, self._in_place(values))

    def carry_out_each(
        self, connection: sqlite3.Connection, many: Sequence[Mapping[str, Any]]
    ) -> sqlite3.Cursor:
        sql, _, _ = self._compiled
        return connection.executemany(sql, [self._in_place(values) for values in many])

    def _in_place(self, values: Mapping[str, Any]) -> list[Any]:
        _, places, known = self._compiled
        return [
            value if process is None else process(value)
            for name, process in places
            for value in (values[name] if name in values else known[name],)
        ]


def _process(kind: Any) -> Process:
    """What becomes of a value on its way to the driver."""
    found: Process = kind.dialect_impl(_DIALECT).bind_processor(_DIALECT)
    return found


class Transaction:
    """What a transaction of `Database` lets its user do. Rows are tuples in the order of the columns.

    `kept` stays with the connection from one transaction to the next.
    """

    __slots__ = ("_kept", "before", "connection")

    def __init__(self, connection: sqlite3.Connection, kept: dict[Any, Any]) -> None:
        self.connection = connection
        """The driver's own."""
        self._kept = kept
        self.before: dict[Any, Any] = {}
        """What was known before a writer began."""

    def known(self) -> dict[Any, Any]:
        """What was read over this connection and put in here, as long as it holds: it is empty once anybody
        has committed a change since, in this process or another."""
        (version,) = self.connection.execute("PRAGMA data_version").fetchone()  # says so of all but ourselves
        if self._kept.get("version") != version:
            self._kept["version"] = version
            self.forget()
        found: dict[Any, Any] = self._kept.setdefault("known", {})
        return found

    def forget(self) -> dict[Any, Any]:
        """What is known may be changed over this very connection, or was not; what it was."""
        found: dict[Any, Any] = self._kept.pop("known", {})
        return found

    def remember(self, key: Any, value: Any) -> None:
        """What is known of that key once this is committed, if nobody else commits a change."""
        self._kept.setdefault("known", {})[key] = value

    def all(self, query: Prepared, **values: Any) -> list[Any]:
        """All rows, as plain tuples."""
        return query.carry_out(self.connection, values).fetchall()

    def named(self, query: Prepared, **values: Any) -> Iterator[Any]:
        """All rows, with the names of their columns."""
        return map(query.row, query.carry_out(self.connection, values))

    def one(self, query: Prepared, **values: Any) -> Any:
        """The first row with the names of its columns, or None."""
        return next(self.named(query, **values), None)

    def value(self, query: Prepared, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = query.carry_out(self.connection, values).fetchone()
        return None if row is None else row[0]

    def do(self, statement: Prepared, **values: Any) -> int:
        """Write; how many rows it was about."""
        return statement.carry_out(self.connection, values).rowcount

    def do_each(self, statement: Prepared, many: Sequence[Mapping[str, Any]]) -> None:
        """The same for each of the values."""
        statement.carry_out_each(self.connection, many)
