"""`standfast` as a user and an init system run it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


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
