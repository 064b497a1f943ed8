"""Plan and snapshot files that can't be read, were changed, or can't be written."""

from __future__ import annotations

import json
import os
import stat

import pytest

from .conftest import Place


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("", "it names no file"),
        ("no/such/plan.json", "there is no directory no/such"),
        ("file/plan.json", "file is no directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_where_nothing_can_be_written_is_told_before_any_host_is_asked(
    place: Place, path: str, why: str
) -> None:
    place.write("file", "")
    where = path or "."
    printed = place.run("plan", "--out", path)
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err == (
        f"standfast: {where}: the plan file can't be written there: {why}. Name another with --out.\n"
    )
    saved = place.run("snapshot", "save", path)
    assert (saved.out, saved.code) == ("", 2)
    assert saved.err == (
        f"standfast: {where}: the snapshot file can't be written there: {why}. Name another.\n"
    )
    assert not (place.path / "world.json").exists()


def test_a_directory_is_no_plan_file(place: Place) -> None:
    printed = place.run("plan", "--out", ".")
    assert (printed.code, printed.err.splitlines()[-1]) == (
        2,
        "Error: Invalid value for '--out': File '.' is a directory.",
    )


def test_a_full_disk_names_the_file_that_was_asked_for(place: Place) -> None:
    printed = place.run("plan", "--out", "/dev/full")
    assert printed.code == 1
    assert printed.err.splitlines()[-1] == (
        "standfast: /dev/full: the plan file could not be written: No space left on device."
    )


def test_a_device_is_written_to_and_not_replaced(place: Place) -> None:
    printed = place.run("plan", "--out", "/dev/null")
    assert printed.code == 0, printed.err
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_link_keeps_leading_to_the_plan(place: Place) -> None:
    (place.path / "plans").mkdir()
    (place.path / "link.json").symlink_to("plans/plan.json")
    assert place.run("plan", "--out", "link.json").code == 0
    assert (place.path / "link.json").is_symlink()
    assert json.loads((place.path / "plans" / "plan.json").read_text())["kind"] == "plan"
    assert [each.name for each in (place.path / "plans").iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[" * 100_000, "it is nested too deeply"),
        ('{"a":' * 100_000, "it is nested too deeply"),
        ("", "it is cut off or no JSON"),
        ("9" * 5000, "it is cut off or no JSON"),
        ("\udcff", "it is cut off or no JSON"),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_sentence(place: Place, content: str, why: str) -> None:
    (place.path / "x.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    applied = place.run("apply", "x.json", "--yes")
    assert (applied.code, applied.err) == (
        2,
        f"standfast: x.json: this is no complete plan file: {why}. Make the plan again.\n",
    )
    for words in (("plan", "--snapshot", "x.json"), ("snapshot", "show", "x.json")):
        printed = place.run(*words)
        assert (printed.code, printed.err) == (
            2,
            f"standfast: x.json: this is no complete snapshot file: {why}. Make the snapshot again.\n",
        )


def test_a_key_that_was_added_is_an_edit_too(place: Place) -> None:
    place.run("plan")
    file = place.path / "standfast-plan.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["body"]["note"] = "\ud800"
    file.write_text(json.dumps(content), encoding="utf-8")
    printed = place.run("apply", "standfast-plan.json", "--yes", "--json")
    assert printed.code == 5
    assert json.loads(printed.out)["error"]["code"] == "file_edited"


def test_a_snapshot_is_of_its_own_cluster(place: Place) -> None:
    place.run("snapshot", "save", "cluster.json")
    printed = place.run("plan", "--snapshot", "cluster.json", "--cluster", "east")
    assert (printed.code, printed.err) == (
        2,
        "standfast: cluster.json: this snapshot is of cluster 'play', not of 'east'. "
        "Leave --cluster out, or name another snapshot.\n",
    )


def test_a_file_without_an_end_is_not_read_to_it(place: Place) -> None:
    printed = place.run("apply", "/dev/zero")
    assert (printed.code, printed.err) == (
        2,
        "standfast: /dev/zero: can't read the plan file: File too large.\n",
    )
    printed = place.run("scan", "--config", "/dev/zero")
    assert (printed.code, printed.err) == (
        2,
        "standfast: /dev/zero: can't read the config: File too large.\n",
    )


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("run", "report", "--html", ""), 2, ".: the report can't be written there: it names no file."),
        (
            ("run", "report", "--html", "no/x.html"),
            2,
            "no/x.html: the report can't be written there: there is no",
        ),
        (
            ("run", "report", "--html", "/dev/full"),
            1,
            "/dev/full: the report could not be written: No space left",
        ),
        (
            ("run", "report", "--csv", "file/tables"),
            2,
            "file/tables: the tables can't be written there: Not a ",
        ),
        (
            ("run", "show", "--svg", "no/x.svg"),
            2,
            "no/x.svg: the picture can't be written there: there is no",
        ),
        (("state", "backup", "no/copy.db"), 2, "no/copy.db: the copy can't be written there: there is no"),
    ],
)
def test_what_a_run_is_written_to_is_looked_at_as_well(
    finished: Place, words: tuple[str, ...], code: int, sentence: str
) -> None:
    finished.write("file", "")
    printed = finished.run(*words)
    assert printed.err.startswith(f"standfast: {sentence}")
    assert (printed.out, printed.code) == ("", code)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
