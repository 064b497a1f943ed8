"""`run report` and `run compare`: a run told from the store, as text, JSON, tables or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import say, show, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standfast.model.run import EventRow, Run

TABLES = ("hosts", "phases", "versions", "moves", "borrowed", "events")


@verb(name="report")
@click.argument("run", default="last", metavar="[RUN]")
@click.option(
    "--csv",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Write tables there: {', '.join(TABLES)} (.csv).",
)
@click.option("--table", type=click.Choice(TABLES), help="Print this one table as CSV instead.")
def report(session: Session, run: str, directory: Path | None, table: str | None) -> None:
    """Tell a run: its outcome, hosts, versions, moves, times, and what is still changed.

    Reads the store alone, so it can be asked for at any time, also years after the run.
    """
    found = session.store.run(session.store.find_run(run))
    events = session.store.events(found.id)
    written = _write_tables(directory, found, events) if directory is not None else []
    for path in written:
        say(f"Wrote {path}.")
    if table is not None:
        _show_table(table, found, events)
    elif session.json:
        from standfast.report.facts import report_dict

        show_json(report_dict(found, events))
    elif not written:
        from standfast.report.words import report_text

        show(report_text(found, events))


def _show_table(name: str, run: Run, events: Sequence[EventRow]) -> None:
    from standfast.report.tables import csv_tables

    click.echo(csv_tables(run, events)[name], nl=False)


def _write_tables(directory: Path, run: Run, events: Sequence[EventRow]) -> list[Path]:
    from standfast.report.tables import csv_tables

    return [_write(directory / f"{name}.csv", text) for name, text in csv_tables(run, events).items()]


def _write(path: Path, text: str) -> Path:
    """The file whole or not at all, in a directory that is made for it. Raises UsageError."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        why = error.strerror or str(error)
        raise UsageError("file_unwritable", "can't write the report", where=str(path), why=why) from error
    return path
