"""`run report` and `run compare`: a run told from the store, as text, JSON, tables or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import say, show, show_json
from standfast.cli.session import GivenPath, Session, verb
from standfast.files import write_whole
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standfast.model.run import EventRow, Run

TABLES = ("hosts", "phases", "versions", "moves", "off", "borrowed", "events")


@verb(name="report")
@click.argument("run", default="last", metavar="[RUN]")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it as one page with pictures, for any browser, also offline.",
)
@click.option(
    "--csv",
    "directory",
    type=GivenPath(path_type=Path, file_okay=False),
    metavar="DIR",
    help=f"Write tables there: {', '.join(TABLES)} (.csv).",
)
@click.option("--table", type=click.Choice(TABLES), help="Print this one table as CSV instead.")
def report(session: Session, run: str, page: Path | None, directory: Path | None, table: str | None) -> None:
    """Tell a run: its outcome, hosts, versions, moves, times, and what is still changed.

    Reads the store alone, so it can be asked for at any time, also years after the run.
    """
    wanted = session.find_run(run)
    found = session.store.run(wanted)
    events = session.store.events(found.id)
    written = [_write_page(page, found, events)] if page is not None else []
    written += _write_tables(directory, found, events) if directory is not None else []
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


def _write_page(path: Path, run: Run, events: Sequence[EventRow]) -> Path:
    from standfast.report.html import report_html

    write_whole(path, report_html(run, events), "report")
    return path


def _write_tables(directory: Path, run: Run, events: Sequence[EventRow]) -> list[Path]:
    """In a directory that is made for them. Raises StandfastError."""
    from standfast.report.tables import csv_tables

    _make(directory)
    tables = {directory / f"{name}.csv": text for name, text in csv_tables(run, events).items()}
    for path, text in tables.items():
        write_whole(path, text, "table")
    return list(tables)


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "output_unusable",
            "the tables can't be written there",
            where=str(directory),
            why=error.strerror or str(error),
            do="Name another directory with --csv.",
        ) from error


@verb(name="compare")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
def compare(session: Session, a: str, b: str) -> None:
    """Compare two runs: time in each phase, moves, black-outs, bytes, and which hosts differ.

    A and B are ids, their beginnings, or `last`. Changes are from A to B.
    """
    from standfast.report.compare import compare_dict
    from standfast.report.compare_words import compare_text
    from standfast.report.facts import report_dict

    ids = [session.find_run(each) for each in (a, b)]
    store = session.store
    found = compare_dict(*(report_dict(store.run(each), store.events(each)) for each in ids))
    if session.json:
        show_json(found)
    else:
        show(compare_text(found))
