"""`standfast` as a user and an init system run it, and a lab of a test's own for it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.spec import LabSpec
from standfast.lab.system import check_machine


@contextmanager
def lab_of(spec: LabSpec) -> Iterator[Lab]:
    """The lab, up, and removed on every way out; the test is skipped where the machine can't hold one."""
    try:
        check_machine()
    except LabError as error:
        pytest.skip(f"this machine can't hold a lab: {error}")
    try:
        yield Lab.up(spec)
    finally:
        Lab.remove(spec.name)


@dataclass(frozen=True, slots=True)
class Program:
    """The command line with a config and a state directory."""

    config: Path
    state_dir: Path

    def _command(self, words: tuple[str, ...]) -> list[str]:
        options = ["--config", str(self.config), "--state-dir", str(self.state_dir)]
        return [sys.executable, "-m", "standfast.cli", *options, *words]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(words), capture_output=True, text=True, timeout=300, check=False)

    def serve(self) -> subprocess.Popen[bytes]:
        with (self.state_dir.parent / "serve.out").open("ab") as log:
            return subprocess.Popen(
                self._command(("serve",)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
