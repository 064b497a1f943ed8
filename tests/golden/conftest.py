"""Golden tests of the command line: a command, and exactly what it prints, on a simulated cluster.

What differs from run to run is written as a name: {dir}, {run}, {digest}, {time}.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from standfast.platforms.simulated import FileWorld

from .ready import Ready

# A shell starts what it puts in the background with Ctrl-C ignored, and everything below inherits that.
signal.signal(signal.SIGINT, signal.default_int_handler)

CONFIG = """\
clusters:
  play:
    platform: simulated
    simulated: {world: world.json, hosts: 3, vms: 4, boot_seconds: 20}
    policy: {tick_seconds: 10, verify_stable_seconds: 10}
"""


SECONDS = 120
"""The longest that a command may take."""


@functools.cache
def _ready() -> Ready:
    ready = Ready()
    atexit.register(ready.close)
    return ready


@dataclass(frozen=True)
class Printed:
    """What one command left."""

    out: str
    err: str
    code: int


@dataclass(frozen=True)
class Place:
    """A directory with a config, a state and a world of its own.

    `anew`: each command loads the program by itself, as on a user's machine; else it is a copy of a process
    that has loaded it. A module of tests that are content with copies says so: `COPIES = True`.
    """

    path: Path
    anew: bool = True

    def write(self, name: str, content: str) -> Path:
        (self.path / name).write_text(content, encoding="utf-8")
        return self.path / name

    def hurry(self) -> None:
        """Let the world's time pass as fast as it can, once what had to be said in time is said."""
        with FileWorld(self.path / "world.json").open() as state:
            state.pace = None

    def raw(self, *words: str, env: dict[str, str] | None = None) -> Printed:
        """The command in a process of its own, as a user runs it."""
        given = {key: value for key, value in os.environ.items() if not key.startswith("STANDFAST")}
        own = {
            "STANDFAST_CONFIG": str(self.path / "standfast.yaml"),
            "STANDFAST_STATE_DIR": str(self.path / "state"),
            "SUDO_USER": "alice",
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
        }
        env = given | own | (env or {})
        if not self.anew:
            done = _ready().run(words, cwd=self.path, env=env, timeout=SECONDS)
        else:
            done = subprocess.run(
                [sys.executable, "-m", "standfast.cli", *words],
                cwd=self.path,
                env=env,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        return Printed(done.stdout, done.stderr, done.returncode)

    def run(self, *words: str, env: dict[str, str] | None = None) -> Printed:
        """The same with names for what differs."""
        printed = self.raw(*words, env=env)
        return Printed(self.named(printed.out), self.named(printed.err), printed.code)

    def named(self, text: str) -> str:
        text = text.replace(str(self.path), "{dir}")
        text = re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "{run}", text)
        text = re.sub(r"\b[0-9a-f]{64}\b", "{digest}", text)
        text = re.sub(r"(digest |plan )[0-9a-f]{12}\b", r"\1{digest}", text)
        return re.sub(r"^\d\d:\d\d:\d\d ", "{time} ", text, flags=re.MULTILINE)


def new_place(path: Path) -> Place:
    """A place with a config and nothing else."""
    made = Place(path)
    made.write("standfast.yaml", CONFIG)
    return made


@pytest.fixture
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    yield replace(new_place(tmp_path), anew=not getattr(request.module, "COPIES", False))
    assert not _held(tmp_path / "state" / "serve.lock"), "a controller is still at work"


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Printed, Printed]:
    """A place where a plan was made and applied, with what both printed. To be copied, not used."""
    made = new_place(tmp_path_factory.mktemp("finished"))
    planned = made.run("plan", "--detailed-exitcode")
    applied = made.run("apply", "standfast-plan.json", "--yes")
    assert not _held(made.path / "state" / "serve.lock"), "a controller is still at work"
    return made, planned, applied


@pytest.fixture
def finished(first_run: tuple[Place, Printed, Printed], place: Place) -> Place:
    """A copy of the place after its first run."""
    shutil.copytree(first_run[0].path, place.path, dirs_exist_ok=True)
    return place


def _held(lock: Path) -> bool:
    """Whether some process holds the lock, for at most five seconds more."""
    import fcntl
    import time

    if not lock.exists():
        return False
    for _ in range(50):
        with lock.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except BlockingIOError:
                time.sleep(0.1)
    return True
