"""Reports word by word, of runs made by hand. `STANDFAST_WRITE_GOLDEN=1` writes the files anew."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_samples import SAMPLES, good, hostile

from standfast.report.tables import csv_tables, table_names
from standfast.report.words import report_text

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def _in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def same(name: str, text: str) -> None:
    """AssertionError with the difference where the text is not what the file says."""
    path = GOLDEN / name
    if os.environ.get("STANDFAST_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    assert text == path.read_bytes().decode()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_text_of_a_report(name: str) -> None:
    same(f"{name}.txt", report_text(*SAMPLES[name]()) + "\n")


@pytest.mark.parametrize("table", ["hosts", "moves", "borrowed"])
def test_the_tables_of_a_report(table: str) -> None:
    same(f"good-{table}.csv", csv_tables(*good())[table])


def test_every_table_can_be_read_back_whatever_the_names_are() -> None:
    run, events = hostile()
    tables = csv_tables(run, events)
    assert tuple(tables) == table_names()
    read = {name: list(csv.DictReader(io.StringIO(text, newline=""))) for name, text in tables.items()}
    assert {name: len(rows) for name, rows in read.items()} == {
        "hosts": 5,
        "phases": 40,
        "versions": 5,
        "moves": 5,
        "borrowed": 5,
        "events": len(events),
    }
    vms = [row["vm"] for row in read["moves"]]
    assert vms[2] == r"line\nbreak\x1b[31m\u202e\x00"
    assert vms[3] == "'=cmd|' /C calc'!A0"
    cells = [value for rows in read.values() for row in rows for value in row.values()]
    assert all(value.isprintable() for value in cells)
    assert not [value for value in cells if value[:1] in ("=", "+", "@")]
