"""The operator's own command, run on this machine: program and arguments, no shell, with an end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

from standfast.model.errors import OutsideError, UnreachableError

MOST_WORDS = 400
"""Characters of a command's output that are kept: enough for a line, too few to drown a report."""


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and its words on one line (standard output, then standard error)."""

    exit_code: int
    words: str


def run(command: Sequence[str], *, timeout_seconds: float, where: str = "") -> Said:
    """Run it to its end. Raises OutsideError if it can't be run, UnreachableError if it takes too long."""
    # Output goes to a file: something that the command leaves running would hold a pipe open.
    with tempfile.TemporaryFile() as words:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            why = f"{command[0]}: {error.strerror or error}"
            raise OutsideError("command_failed", "its command can't be run", where=where, why=why) from error
        with process:
            try:
                exit_code = process.wait(timeout_seconds)
            except subprocess.TimeoutExpired as error:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise UnreachableError(
                    "command_timeout",
                    f"its command did not end within {timeout_seconds:g} s",
                    where=where,
                    why=command[0],
                ) from error
        words.seek(0)
        return Said(exit_code, _one_line(words.read(4 * MOST_WORDS)))


def _one_line(words: bytes) -> str:
    text = " ".join(words.decode("utf-8", "replace").split())
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return printable if len(printable) <= MOST_WORDS else printable[:MOST_WORDS] + "…"
