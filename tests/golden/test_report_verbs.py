"""`run report` and `run compare` on the command line: what they print, write and refuse."""

from __future__ import annotations

import csv
import io
import json

import pytest

from .conftest import CONFIG, Place


def test_a_report_is_written_as_a_page_and_as_tables(finished: Place) -> None:
    printed = finished.run("run", "report", "--html", "report.html", "--csv", "tables")
    names = ("hosts", "phases", "versions", "moves", "off", "borrowed", "events")
    written = ["Wrote report.html.", *(f"Wrote tables/{name}.csv." for name in names)]
    assert (printed.out, printed.err.splitlines(), printed.code) == ("", written, 0)
    page = (finished.path / "report.html").read_text(encoding="utf-8")
    assert "<h1>All 3 hosts of play are patched and rebooted.</h1>" in page
    with open(finished.path / "tables/hosts.csv", newline="", encoding="utf-8") as file:
        assert [row["phase"] for row in csv.DictReader(file)] == ["done"] * 3
    assert finished.run("run", "report", "--html", "report.html").code == 0, "written over"


def test_one_table_goes_to_stdout(finished: Place) -> None:
    printed = finished.run("run", "report", "--table", "moves")
    rows = list(csv.DictReader(io.StringIO(printed.out)))
    assert {row["state"] for row in rows} == {"done"}
    assert {row["within_budget"] for row in rows} == {"yes"}


def test_json_tells_the_outcome_in_words_too(finished: Place) -> None:
    told = json.loads(finished.raw("run", "report", "--json").out)
    assert told["title"] == "All 3 hosts of play are patched and rebooted"
    assert told["summary"].endswith("changes made for the run and given back: all as before.")
    phases = [each["phase"] for each in told["hosts"][0]["timeline"]]
    assert phases.index("draining") < phases.index("patching") < phases.index("rebooting")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("report", "nosuch"), 2, "run nosuch: there is no such run"),
        (("report", "--html", "no/such/report.html"), 2, "there is no directory no/such"),
        (("report", "--html", "."), 2, "is a directory"),
        (("report", "--csv", "standfast.yaml"), 2, "is a file"),
        (("report", "--table", "vms"), 2, "'vms' is not one of"),
        (("compare", "last"), 2, "Missing argument 'B'"),
        (("compare", "last", "nosuch"), 2, "run nosuch: there is no such run"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    finished: Place, words: tuple[str, ...], code: int, told: str
) -> None:
    before = sorted(path.name for path in finished.path.iterdir())
    printed = finished.run("run", *words)
    assert printed.code == code, printed.err
    assert told in printed.err
    assert "Traceback" not in printed.err
    assert sorted(path.name for path in finished.path.iterdir()) == before


def test_two_runs_are_compared(finished: Place) -> None:
    first = json.loads(finished.raw("run", "report", "--json").out)["run"]
    (finished.path / "world.json").unlink()
    finished.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 200"))
    finished.run("plan")
    assert finished.run("apply", "standfast-plan.json", "--yes").code == 0
    printed = finished.run("run", "compare", first, "last")
    assert printed.code == 0
    assert "\nA host's time in each phase, mean\n" in printed.out
    assert "\nHosts\n  host" in printed.out
    told = json.loads(finished.raw("run", "compare", first, "last", "--json").out)
    phases = {each["phase"]: each for each in told["phases"]}
    assert phases["rebooting"]["b"] > phases["rebooting"]["a"] + 100
    assert [each["name"] for each in told["hosts"]["differ"]] != []
    assert told["a"]["run"] == first


def test_a_run_that_was_abandoned_does_not_claim_that_all_is_as_before(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 20"))
    place.run("plan")
    place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    for _ in range(40):
        if any(
            "cordoned" in line for line in place.run("run", "report", "--table", "events").out.split("\n")
        ):
            break
    place.run("run", "abandon")
    assert place.run("run", "watch").code == 3
    report = place.run("run", "report").out
    assert "\nAbandoned by alice: " in report
    assert ("all as before" in report) != ("STILL CHANGED" in report)
    assert "{'" not in report
    assert '"before"' not in report
