"""Events as `Get-WinEvent | Export-Csv` or Event Viewer's CSV write them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Trouble
from standfast.eventlogs.winevent import WinEvent

_IDS = ("Id", "EventID", "Event ID", "InstanceId")
_TIMES = ("TimeCreated", "Date and Time", "TimeGenerated")
_SOURCES = ("ProviderName", "Source")


def looks_like(log: Log) -> bool:
    """Whether the first line is a heading of events."""
    heading = _heading(log)
    return heading is not None and len(heading[1]) > 1


def read(log: Log) -> Iterator[WinEvent | Trouble]:
    """Every event; a row that is none gives a sentence."""
    heading = _heading(log)
    if heading is None:
        return
    delimiter, columns, skipped = heading
    csv.field_size_limit(2**24)
    body = io.StringIO("".join(log.text.splitlines(keepends=True)[skipped + 1 :]))
    rows = csv.reader(body, delimiter=delimiter, strict=True)
    line = skipped + 2
    try:
        for row in rows:
            if row:
                yield _event(log.line(line), columns, row)
            line = skipped + 2 + rows.line_num
    except csv.Error as error:
        cut = "the file is cut off in a row" if "unexpected end" in str(error) else f"is no CSV ({error})"
        yield Trouble(log.line(line), f"{cut}; export it again.")


def _heading(log: Log) -> tuple[str, list[str], int] | None:
    lines = log.text.splitlines()
    skipped = 1 if lines and lines[0].startswith("#TYPE") else 0
    if skipped >= len(lines):
        return None
    for delimiter in (",", ";", "\t"):
        columns = next(csv.reader([lines[skipped]], delimiter=delimiter), [])
        columns = [column.strip() for column in columns]
        if any(name in columns for name in _IDS):
            return delimiter, columns, skipped
    return None


def _event(where: str, columns: Sequence[str], row: Sequence[str]) -> WinEvent | Trouble:
    if len(row) < len(columns):
        return Trouble(where, f"has {len(row)} fields of {len(columns)}; the row is cut off.")
    fields = dict(zip(columns, row, strict=False))
    number = _first(fields, _IDS).strip()
    if not number.isdigit():
        return Trouble(where, f"has the event id {number!r}, which is no number.")
    # Event Viewer leaves the message's column without a heading, behind the others.
    message = fields.get("Message", "\n".join(row[len(columns) :]))
    return WinEvent(
        id=int(number),
        where=where,
        provider=_first(fields, _SOURCES),
        at=_first(fields, _TIMES),
        computer=fields.get("MachineName", fields.get("Computer", "")),
        message=message,
    )


def _first(fields: Mapping[str, str], names: Sequence[str]) -> str:
    return next((fields[name] for name in names if name in fields), "")
