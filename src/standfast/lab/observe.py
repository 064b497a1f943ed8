"""Starting, asking and stopping a lab's observer. It runs as a process of its own; here is only how to
speak with it."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from standfast.lab.errors import LabError, LabRefusedError
from standfast.lab.paths import LabPaths
from standfast.lab.processes import helper_processes
from standfast.lab.system import spawn_module


@dataclass(frozen=True, slots=True)
class Watch:
    """The observer of one lab, running or not."""

    paths: LabPaths

    @property
    def _socket(self) -> Path:
        return self.paths.observer / "socket"

    @property
    def report_path(self) -> Path:
        """Where the last report is."""
        return self.paths.observer / "report.json"

    def start(self, *, gap_seconds: float = 5.0) -> None:
        """Return when every host is followed; LabRefusedError if an observer is running."""
        if self.is_running():
            raise LabRefusedError("An observer of this lab is running: stop it first (`lab observe stop`).")
        self.paths.observer.mkdir(exist_ok=True)
        self._socket.unlink(missing_ok=True)
        self.report_path.unlink(missing_ok=True)
        log = self.paths.observer / "log"
        arguments = ("--lab-dir", self.paths.root, "--gap-seconds", gap_seconds)
        spawn_module("standfast.lab.observer", *arguments, log=log)
        began = time.monotonic()
        while not self.is_running():
            waited = time.monotonic() - began
            gone = waited > 1.0 and not helper_processes(self.paths.root, "standfast.lab.observer")
            if gone or waited > 15.0:
                said = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
                raise LabError(f"The observer did not start: {' '.join(said) or 'no word of it'}")
            time.sleep(0.05)
        answer = self._say("ready")
        if not answer.get("ready"):
            raise LabError(f"The observer cannot follow {', '.join(answer.get('not_followed', ()))}.")

    def is_running(self) -> bool:
        """Whether an observer answers at the lab's socket."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(self._socket))
        except OSError:
            return False
        return True

    def report(self) -> dict[str, Any]:
        """What it has seen so far (see the observer's report.py for the keys); it goes on observing."""
        return self._say("report")

    def stop(self) -> dict[str, Any]:
        """What it has seen; it ends, and has ended when this returns."""
        answer = self._say("stop")
        deadline = time.monotonic() + 10.0
        while self.is_running():
            if time.monotonic() > deadline:
                raise LabError(
                    f"The observer said its last word but does not end; see {self.paths.observer / 'log'}."
                )
            time.sleep(0.02)
        return answer

    def _say(self, word: str) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(120.0)
                client.connect(str(self._socket))
                with client.makefile("rw", encoding="utf-8") as stream:
                    stream.write(f"{word}\n")
                    stream.flush()
                    line = stream.readline()
        except OSError as error:
            raise LabError(
                f"No observer answers at {self._socket} ({error}): start one with `lab observe start`."
            ) from error
        answer = json.loads(line) if line else {"error": "no answer"}
        if not isinstance(answer, dict) or "error" in answer:
            raise LabError(f"The observer answered {answer!r}; its log is {self.paths.observer / 'log'}.")
        return answer
