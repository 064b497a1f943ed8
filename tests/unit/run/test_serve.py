"""The serving process: what it does about a run that it can't drive."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from run_build import RUN, plan

from standfast.model.errors import ConfigError
from standfast.model.run import Run, RunState, Verb
from standfast.run.clock import WallClock
from standfast.run.serve import Attached, serve
from standfast.store.repository import Store


def test_a_run_whose_cluster_is_gone_is_held_and_can_be_abandoned(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "standfast.db")
    store.create_run(RUN, plan("a"), "digest", "tester", time.time())

    def gone(_run: Run) -> Attached:
        raise ConfigError("cluster_unknown", "there is no cluster 'c'")

    stop = threading.Event()
    words = {"until_idle": True, "holder": "here:1", "stop": stop, "clock": WallClock()}
    server = threading.Thread(target=serve, args=(store, gone), kwargs=words, daemon=True)
    server.start()
    try:
        _until(lambda: store.run(RUN).state is RunState.HELD)
        assert "no cluster 'c'" in str(store.run(RUN).reason)
        store.command(RUN, Verb.ABANDON, "tester", time.time())
        server.join(30.0)
        assert not server.is_alive()
        assert store.run(RUN).state is RunState.ABANDONED
    finally:
        stop.set()
        server.join(30.0)
        store.close()


def _until(good: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not good():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
