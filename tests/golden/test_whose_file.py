"""A plan, a snapshot or a store that is cut off, edited by hand, of another cluster or of another release:
refused with a sentence and an exit code, the file left as it was, nothing done."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from .conftest import CONFIG, Place, new_place

Damage = Callable[[Path], None]


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def changed(change: Callable[[dict[str, Any]], None]) -> Damage:
    def damage(file: Path) -> None:
        document = json.loads(file.read_text(encoding="utf-8"))
        change(document)
        file.write_text(json.dumps(document), encoding="utf-8")

    return damage


def sql(*statements: str) -> Damage:
    """As somebody would with the file in an editor: triggers are no obstacle."""

    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            for name in [
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ]:
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return damage


def of_cluster_west(file: Path) -> None:
    """A file that is whole, of a cluster that this place does not know."""
    elsewhere = file.parent / "elsewhere"
    elsewhere.mkdir()
    west = new_place(elsewhere)
    west.write("standfast.yaml", CONFIG.replace("  play:", "  west:"))
    words = ("plan", "--out", str(file)) if "plan" in file.name else ("snapshot", "save", str(file))
    assert west.run(*words).code == 0


NEWER = changed(lambda document: document.update(schema_version=99))
PLAN = [
    ("cut off", cut_off, 2, "this is no complete plan file"),
    ("edited", changed(lambda document: document["body"].update(created_at=1.0)), 5, "was changed"),
    ("another cluster", of_cluster_west, 2, "west"),
    ("another release", NEWER, 2, "schema version 99"),
]
SNAPSHOT = [
    ("cut off", cut_off, 2, "this is no complete snapshot file"),
    ("edited", changed(lambda document: document["body"].update(cluster="x")), 5, "was changed"),
    ("another cluster", of_cluster_west, 2, "this snapshot is of cluster 'west', not of 'play'"),
    ("another release", NEWER, 2, "schema version 99"),
]
STORE = [
    ("cut off", cut_off, ("run", "list"), "damaged"),
    (
        "edited",
        sql("UPDATE event SET text = 'nothing' WHERE id = 2"),
        ("state", "verify"),
        "not what was recorded",
    ),
    (
        "another release",
        sql("UPDATE alembic_version SET version_num = '99'"),
        ("run", "list"),
        "newer release",
    ),
]
COPY = {"edited": "audit trail is broken"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole plan file and a whole snapshot file, to be copied."""
    made = new_place(tmp_path_factory.mktemp("whole"))
    assert made.run("plan", "--out", "my-plan.json").code == 0
    assert made.run("snapshot", "save", "cluster.json").code == 0
    return made.path


def refused(place: Place, file: Path, words: tuple[str, ...], sentence: str) -> int:
    before = file.read_bytes()
    printed = place.run(*words)
    told = printed.err + printed.out
    assert sentence in told, told
    assert "Traceback" not in told
    assert file.read_bytes() == before, "it was not left as it was"
    return printed.code


@pytest.mark.parametrize(("_what", "damage", "code", "sentence"), PLAN, ids=[case[0] for case in PLAN])
def test_a_plan_file_is_refused(
    place: Place, files: Path, _what: str, damage: Damage, code: int, sentence: str
) -> None:
    file = Path(shutil.copy(files / "my-plan.json", place.path))
    damage(file)
    assert refused(place, file, ("apply", str(file), "--yes"), sentence) == code
    assert not list(place.path.glob("state/*.db")), "nothing was begun"


@pytest.mark.parametrize(
    ("_what", "damage", "code", "sentence"), SNAPSHOT, ids=[case[0] for case in SNAPSHOT]
)
def test_a_snapshot_file_is_refused(
    place: Place, files: Path, _what: str, damage: Damage, code: int, sentence: str
) -> None:
    file = Path(shutil.copy(files / "cluster.json", place.path))
    damage(file)
    words = ("plan", "--snapshot", str(file), "--cluster", "play", "--out", "other.json")
    assert refused(place, file, words, sentence) == code
    assert not (place.path / "other.json").exists()


@pytest.mark.parametrize(("what", "damage", "words", "sentence"), STORE, ids=[case[0] for case in STORE])
def test_a_store_is_refused_and_its_copy_not_put_back(
    finished: Place, what: str, damage: Damage, words: tuple[str, ...], sentence: str
) -> None:
    store, copy = finished.path / "state" / "standfast.db", finished.path / "copy.db"
    assert finished.run("state", "backup", str(copy)).code == 0
    damage(copy)
    whole = store.read_bytes()
    assert refused(finished, copy, ("state", "restore", str(copy)), COPY.get(what, sentence)) != 0
    assert store.read_bytes() == whole
    shutil.copy(copy, store)
    assert refused(finished, store, words, sentence) != 0


def test_a_store_of_another_cluster_is_read_and_its_runs_are_not_taken_for_this_one_s(
    finished: Place,
) -> None:
    """One store serves many clusters; each row names its own."""
    finished.write("standfast.yaml", CONFIG.replace("  play:", "  west:"))
    listed = finished.run("run", "list")
    assert (listed.code, "play" in listed.out, "west" in listed.out) == (0, True, False)
