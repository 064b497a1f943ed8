"""Reports word by word, of runs made by hand. `STANDFAST_WRITE_GOLDEN=1` writes the files anew."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from report_samples import SAMPLES, good, hostile
from standfast.report.compare import compare_dict
from standfast.report.compare_words import compare_text
from standfast.report.facts import report_dict
from standfast.report.html import report_html
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
        "off": 0,
        "borrowed": 5,
        "events": len(events),
    }
    vms = [row["vm"] for row in read["moves"]]
    assert vms[2] == r"line\nbreak\x1b[31m\u202e\x00"
    assert vms[3] == "'=cmd|' /C calc'!A0"
    cells = [value for rows in read.values() for row in rows for value in row.values()]
    assert all(value.isprintable() for value in cells)
    assert not [value for value in cells if value[:1] in ("=", "+", "@")]


def test_two_runs_side_by_side() -> None:
    a, b = (report_dict(*SAMPLES[name]()) for name in ("good", "degraded"))
    same("good-degraded.compare.txt", compare_text(compare_dict(a, b)) + "\n")


def test_a_run_beside_itself_differs_in_nothing() -> None:
    told = report_dict(*good())
    found = compare_dict(told, told)
    assert found["hosts"] == {"only_a": [], "only_b": [], "alike": ["kvm1", "kvm2", "kvm3"], "differ": []}
    assert all(each["a"] == each["b"] for part in ("figures", "phases", "blackouts") for each in found[part])
    assert "all went alike: kvm1, kvm2, kvm3" in compare_text(found)


def test_a_host_under_a_new_name_is_the_same_host() -> None:
    run, events = good()
    renamed = tuple(replace(row, name=f"new-{row.name}") for row in run.hosts)
    found = compare_dict(report_dict(run, events), report_dict(replace(run, hosts=renamed), events))
    assert found["hosts"]["only_a"] == []
    assert found["hosts"]["differ"][0]["how"] == [{"what": "name", "a": "kvm1", "b": "new-kvm1"}]


@pytest.mark.parametrize("name", ["good", "hostile"])
def test_the_page_of_a_report(name: str) -> None:
    same(f"{name}.html", report_html(*SAMPLES[name]()))


def test_the_page_has_no_script_and_refers_to_nothing_outside() -> None:
    for name in SAMPLES:
        page = report_html(*SAMPLES[name]())
        parsed = Found(page)
        assert "script" not in parsed.tags
        assert {value for key, value in parsed.attributes if key in ("src", "href")} <= {
            "data:,",
            "#timeline",
        }
        assert not [key for key, _ in parsed.attributes if key.startswith("on")]
        assert "://" not in page
        assert "@import" not in page
        assert all(letter.isprintable() or letter == "\n" for letter in page)


class Found(HTMLParser):
    """Tags and attributes of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(key, value or "") for key, value in attrs}
