"""A cache entry is whole or it is built anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from standfast.lab.cache import get_or_build, recipe_key
from standfast.lab.errors import LabError


def _write(directory: Path) -> None:
    (directory / "thing").write_text("made")


def _fail(directory: Path) -> None:
    _write(directory)
    raise LabError("no network")


def test_a_whole_entry_is_not_built_again(tmp_path: Path) -> None:
    entry = get_or_build(tmp_path, "x", _write, ("thing",))
    assert get_or_build(tmp_path, "x", _fail, ("thing",)) == entry


def test_a_failed_build_leaves_no_entry_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no network"):
        get_or_build(tmp_path, "x", _fail, ("thing",))
    assert not (tmp_path / "x").exists()
    assert (get_or_build(tmp_path, "x", _write, ("thing",)) / "thing").read_text() == "made"


def test_a_damaged_or_unmarked_entry_is_built_again(tmp_path: Path) -> None:
    entry = get_or_build(tmp_path, "x", _write, ("thing",))
    (entry / "thing").unlink()
    assert (get_or_build(tmp_path, "x", _write, ("thing",)) / "thing").exists()
    (entry / ".complete").unlink()
    (entry / "thing").write_text("half")
    assert (get_or_build(tmp_path, "x", _write, ("thing",)) / "thing").read_text() == "made"


def test_a_build_that_gives_less_than_it_must_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no other"):
        get_or_build(tmp_path, "x", _write, ("thing", "other"))


def test_what_nobody_asked_for_in_weeks_goes_when_something_new_is_built(tmp_path: Path) -> None:
    old, used = (get_or_build(tmp_path, name, _write) for name in ("old", "used"))
    for entry in (old, used):
        os.utime(entry / ".complete", (0, 0))
    get_or_build(tmp_path, "used", _write)
    get_or_build(tmp_path, "new", _write)
    assert not old.exists()
    assert used.exists()


def test_the_key_changes_with_any_part() -> None:
    assert recipe_key("a", "b") == recipe_key("a", b"b")
    assert recipe_key("a", "b") != recipe_key("ab", "")
