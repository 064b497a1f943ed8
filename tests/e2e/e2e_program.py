"""`standfast` as a user and an init system run it, and a lab of a test's own for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.lab.system import check_machine

SHARED = LabSpec(name=f"e{os.getpid()}", hosts=default_hosts(3), vms=default_vms(6))
"""What the tests share that need no lab of their own shape."""

_up: dict[str, Lab] = {}


@contextmanager
def lab_of(spec: LabSpec) -> Iterator[Lab]:
    """The lab, up, and removed on every way out; the test is skipped where the machine can't hold one.

    The shared one makes room: guests of a lab want the processor for as long as it is up.
    """
    drop_shared_lab()
    _check()
    try:
        yield Lab.up(spec)
    finally:
        Lab.remove(spec.name)


def shared_lab() -> Lab:
    """The shared one, made when first asked for and kept for the next module that asks."""
    _check()
    if SHARED.name not in _up:
        try:
            _up[SHARED.name] = Lab.up(SHARED)
        except BaseException:
            Lab.remove(SHARED.name)
            raise
    return _up[SHARED.name]


def drop_shared_lab() -> None:
    if _up.pop(SHARED.name, None) is not None:
        Lab.remove(SHARED.name)


def _check() -> None:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(f"this machine can't hold a lab: {error}")


@dataclass(frozen=True, slots=True)
class Program:
    """The command line with a config and a state directory."""

    config: Path
    state_dir: Path

    def _command(self, words: tuple[str, ...]) -> list[str]:
        options = ["--config", str(self.config), "--state-dir", str(self.state_dir)]
        return [sys.executable, "-m", "standfast.cli", *options, *words]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(words), capture_output=True, text=True, timeout=900, check=False)

    def serve(self) -> subprocess.Popen[bytes]:
        with (self.state_dir.parent / "serve.out").open("ab") as log:
            return subprocess.Popen(
                self._command(("serve",)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
