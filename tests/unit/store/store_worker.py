"""Other processes of the store's tests: `store_worker.py TASK STORE ...`. Each says `ready`, then waits for a
line on its input, so that a race begins at once for all."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from store_samples import HOSTS, NEXT, RUN, full_host, full_move, plan

from standfast.model.errors import StandfastError
from standfast.model.ids import RunId
from standfast.store import Change, NewEvent, PutHost, PutMove, Store, TakeJournal, engine, migrate, sqlite
from standfast.store.schema import REVISIONS


def start(task: str, store: Path, *words: str) -> subprocess.Popen[str]:
    """The worker as a real process."""
    here = str(Path(__file__).parent)
    return subprocess.Popen(
        [sys.executable, "-W", "error", __file__, task, str(store), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": here},
    )


def go(*workers: subprocess.Popen[str]) -> None:
    """Let all of them begin, as soon as all are ready."""
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()


def race(task: str, store: Path, *each: tuple[str, ...]) -> list[str]:
    """What each of the workers said, after all began at once."""
    workers = [start(task, store, *words) for words in each]
    go(*workers)
    said = [worker.communicate(timeout=60)[0].strip() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return said


def _wait() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def lease(path: Path, holder: str) -> None:
    store = Store.open(path)
    _wait()
    taken = store.take_lease(holder, now=1000.0)
    print(0 if taken is None else taken.epoch)


def create(path: Path, run: str) -> None:
    store = Store.open(path)
    _wait()
    try:
        print(store.create_run(RunId(run), plan(), "digest", "anna", 1000.0).id)
    except StandfastError as error:
        print(error.code)


def opening(path: Path) -> None:
    _wait()
    store = Store.open(path)
    print(len(store.active_runs()))
    store.close()


def writes(path: Path, epoch: str) -> None:
    """Write n = 1, 2, 3 … for ever, each time to four tables; say each n once it is committed."""
    store = Store.open(path)
    _wait()
    for n in range(1, 1_000_000):
        changes: list[Change] = [
            PutHost(replace(full_host(HOSTS[0], 0), attempt=n)),
            PutHost(replace(full_host(HOSTS[1], 1), attempt=n)),
            PutMove(full_move(f"M{n:08d}", started_at=float(n))),
            TakeJournal(HOSTS[0], "silence", f"s{n}", {"n": n}),
        ]
        store.write(int(epoch), RUN, changes, [NewEvent("tick", str(n), data={"n": n})], float(n))
        print(n, flush=True)


def migrates(path: Path) -> None:
    """Migrate by the scripts of the test, and sleep once they have run but are not committed."""

    def sleep(*_: object) -> None:
        print("migrated", flush=True)
        time.sleep(60)

    vars(migrate).update(SCRIPTS=Path(os.environ["STORE_SCRIPTS"]))
    vars(engine).update(HEAD=NEXT, REVISIONS=(*REVISIONS, NEXT))
    vars(sqlite).update(check_references=sleep)
    _wait()
    Store.open(path)


if __name__ == "__main__":
    task, store, *words = sys.argv[1:]
    tasks: dict[str, Callable[..., None]] = {
        "lease": lease,
        "create": create,
        "opening": opening,
        "migrates": migrates,
        "writes": writes,
    }
    tasks[task](Path(store), *words)
