"""The question before a run: what each answer leads to, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from .conftest import Place

QUESTION = b"Patch 3 hosts of cluster play with "
SECONDS = 60.0

AS_IN_A_TERMINAL = ("setsid", "--ctty", "env", "--default-signal=INT")
"""What a shell does for whoever types: the terminal is theirs, and Ctrl-C ends them. A test session begun
in the background of a script has Ctrl-C ignored, and would hand that on."""


def answered(place: Place, answer: bytes, *words: str) -> tuple[str, int]:
    """What `apply` says on a terminal where `answer` is typed, and its exit code."""
    mine, theirs = pty.openpty()
    env = os.environ | {
        "STANDFAST_CONFIG": str(place.path / "standfast.yaml"),
        "STANDFAST_STATE_DIR": str(place.path / "state"),
    }
    process = subprocess.Popen(
        [*AS_IN_A_TERMINAL, sys.executable, "-m", "standfast.cli", "apply", "standfast-plan.json", *words],
        cwd=place.path,
        env=env,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    with process:
        try:
            said = read_until(mine, QUESTION)
            os.write(mine, answer)
            said += read_until(mine, None)
            out, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            os.close(mine)
    return said.decode().replace("\r\n", "\n") + out.decode(), process.returncode


def read_until(terminal: int, text: bytes | None) -> bytes:
    """What is said until `text` was; None: until nobody has the other end. AssertionError if it never is."""
    said, ends_at = b"", time.monotonic() + SECONDS
    while text is None or text not in said:
        left = max(0.0, ends_at - time.monotonic())
        assert select.select([terminal], [], [], left)[0], f"nothing more was said after {said!r}"
        try:
            said += os.read(terminal, 1024)
        except OSError:  # the other end is closed
            assert text is None, f"it ended after {said!r}"
            break
    return said


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (b"n\n", 5, "standfast: the answer was no, so nothing was changed.\n"),
        (b"\n", 5, "standfast: the answer was no, so nothing was changed.\n"),
        (b"\x04", 130, "\nNothing was changed.\n"),
        (b"\x03", 130, "\nNothing was changed.\n"),
    ],
    ids=["no", "return", "ctrl-d", "ctrl-c"],
)
def test_without_a_yes_nothing_is_begun(place: Place, answer: bytes, code: int, words: str) -> None:
    place.run("plan")
    said, ended = answered(place, answer)
    assert ended == code
    assert said.endswith(words)
    assert place.run("run", "list").err.startswith("There are no runs yet.")


def test_nobody_to_ask_is_no_yes(place: Place) -> None:
    place.run("plan")
    printed = place.run("apply", "standfast-plan.json")
    assert printed.code == 5
    assert printed.err.splitlines()[-1] == (
        "standfast: nobody is there to be asked: this is no terminal. "
        "Say --yes if it shall begin without the question."
    )
