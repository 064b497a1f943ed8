"""SIGKILL at random instants of processes that write or migrate."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import NEXT, RUN, plan
from store_worker import go, start

from standfast.store import Store
from standfast.store.schema import HEAD

KILLS = 8


def _kill_while_writing(path: Path, epoch: int, writes: int, seconds: float) -> int:
    """Kill it that long after so many writes, however slow the machine is; the last write that it said was
    committed."""
    with start("writes", path, str(epoch)) as worker:
        go(worker)
        assert worker.stdout is not None
        for n in range(1, writes + 1):
            assert worker.stdout.readline() == f"{n}\n"
        time.sleep(seconds)
        worker.kill()
        lines = worker.stdout.read().split("\n")[:-1]  # what follows the last newline was cut off
    return int(lines[-1]) if lines else writes


def _assert_whole(store: Store, said: int) -> None:
    """All four tables tell of the same writes, and of every one that was said to be committed."""
    run, events = store.run(RUN), store.events(RUN)
    kept = len(events) - 1
    assert kept in (said, said + 1)
    assert [event.data["n"] for event in events[1:]] == list(range(1, kept + 1))
    assert [row.name for row in run.journal] == [f"s{n}" for n in range(1, kept + 1)]
    assert [move.started_at for move in run.moves] == [float(n) for n in range(1, kept + 1)]
    assert {row.attempt for row in run.hosts} == {max(kept, 1)}


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_writes_only_and_loses_none(tmp_path: Path) -> None:
    chance = random.Random(20240)
    for round_ in range(KILLS):
        path = tmp_path / f"{round_}.db"
        store = Store.open(path)
        store.create_run(RUN, plan(), "digest", "anna", 0.0)
        lease = store.take_lease("worker", now=0.0)
        assert lease is not None
        if round_ % 2:
            store.close()  # else another process has the file open while the writer dies

        said = _kill_while_writing(path, lease.epoch, chance.randint(0, 25), chance.uniform(0.0, 0.02))

        after = Store.open(path)
        _assert_whole(after, said)
        again = after.take_lease("next", now=100.0)
        assert again is not None
        assert again.epoch == lease.epoch + 1
        after.write(again.epoch, RUN, [], [], 100.0)
        after.close()
        store.close()


def test_a_killed_migration_leaves_the_older_store(
    path: Path, store: Store, next_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create_run(RUN, plan(), "digest", "anna", 0.0)
    store.close()
    monkeypatch.setenv("STORE_SCRIPTS", str(next_release))
    worker = start("migrates", path)
    go(worker)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "migrated\n"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        assert other.execute("SELECT version_num FROM alembic_version").fetchone() == (HEAD,)
    worker.kill()
    worker.communicate()

    migrated = Store.open(path)
    assert migrated.run(RUN).plan == plan()
    migrated.close()
    names = {file.name for file in path.parent.iterdir()}
    assert names == {path.name, f"{path.name}.before-{NEXT}"}


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1])
def test_a_process_killed_while_it_makes_the_store_leaves_none_or_a_whole_one(
    path: Path, seconds: float
) -> None:
    worker = start("opening", path)
    go(worker)
    time.sleep(seconds)
    worker.kill()
    worker.communicate()
    store = Store.open(path)
    assert store.active_runs() == ()
    store.close()
    assert os.access(path, os.W_OK)
