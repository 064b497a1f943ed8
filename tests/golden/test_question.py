"""The question before a run: what each answer leads to, on a terminal of its own."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from .conftest import Place

QUESTION = b"Patch 3 hosts of cluster play with "


def answered(place: Place, answer: bytes, *words: str) -> tuple[str, int]:
    """What `apply` says on a terminal where `answer` is typed, and its exit code."""
    mine, theirs = pty.openpty()
    env = os.environ | {
        "STANDFAST_CONFIG": str(place.path / "standfast.yaml"),
        "STANDFAST_STATE_DIR": str(place.path / "state"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "standfast.cli", "apply", "standfast-plan.json", *words],
        cwd=place.path,
        env=env,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while QUESTION not in said:
        said += os.read(mine, 1024)
    if answer == b"\x03":
        os.killpg(process.pid, signal.SIGINT)  # the terminal is not this session's own, so it sends none
    else:
        os.write(mine, answer)
    try:
        while chunk := os.read(mine, 1024):
            said += chunk
    except OSError:  # the other end is closed
        pass
    out, _ = process.communicate(timeout=60)
    os.close(mine)
    return said.decode().replace("\r\n", "\n") + out.decode(), process.returncode


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
