"""Watching a run as somebody does it: on a terminal of their size, through a pipe, and from the next room."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

from .conftest import CONFIG, Place

SLOW = CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 4")
"""So slow that nobody watches to the end by chance."""


@pytest.fixture
def under_way(place: Place) -> Iterator[Place]:
    """A place with a run at work, which is cancelled at the end."""
    place.write("standfast.yaml", SLOW)
    place.run("plan")
    assert place.raw("apply", "standfast-plan.json", "--yes", "--detach").code == 0
    yield place
    place.write("standfast.yaml", CONFIG)
    place.run("run", "abandon")
    place.run("run", "watch")


class Terminal:
    """`standfast run watch` on a terminal of its own."""

    def __init__(self, place: Place, *words: str, columns: int, lines: int, kind: str) -> None:
        own = {"STANDFAST_CONFIG": str(place.path / "standfast.yaml"), "TERM": kind}
        own |= {"STANDFAST_STATE_DIR": str(place.path / "state"), "LC_ALL": "C.UTF-8"}
        env = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")} | own
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execve(sys.executable, [sys.executable, "-m", "standfast.cli", *words], env)
        self.size(columns, lines)
        self.shown = ""

    def size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, text: str, seconds: float = 60.0) -> str:
        """What was shown since the last call until `text` was. AssertionError if it never is."""
        ends_at, begin = time.monotonic() + seconds, len(self.shown)
        while text not in self.shown[begin:]:
            left = ends_at - time.monotonic()
            assert left > 0, f"{text!r} was not shown:\n{self.shown[begin:]}"
            self._take(left)
        return self.shown[begin:]

    def _take(self, seconds: float) -> bool:
        """False where there is nothing more to come."""
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:
            data = b""
        self.shown += data.decode(errors="replace")
        return bool(data)

    def press(self, key: str) -> None:
        os.write(self.descriptor, key.encode())

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        while self._take(60.0):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def close(self) -> None:
        """End it, if it has not ended."""
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)


@contextlib.contextmanager
def terminal(
    place: Place, *words: str, columns: int = 80, lines: int = 24, kind: str = "xterm-256color"
) -> Iterator[Terminal]:
    made = Terminal(place, *words, columns=columns, lines=lines, kind=kind)
    try:
        yield made
    finally:
        made.close()


def without_styles(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_key_leaves_the_screen_and_the_run_goes_on(under_way: Place, key: str) -> None:
    with terminal(under_way, "run", "watch") as screen:
        screen.until("\x1b[?1049h")
        assert "Run 0" in without_styles(screen.until("q: leave, the run goes on"))
        screen.press(key)
        left = screen.until("Detached; the run goes on.")
        assert "\x1b[?1049l" in left, "the terminal was not given back"
        assert screen.ended() == 130
    assert under_way.run("run", "list").out.count("running") == 1


def test_ctrl_z_gives_the_terminal_back_and_takes_it_again(under_way: Place) -> None:
    with terminal(under_way, "run", "watch") as screen:
        screen.until("q: leave, the run goes on")
        screen.press("\x1a")
        screen.until("\x1b[?1049l")
        assert os.WIFSTOPPED(os.waitpid(screen.pid, os.WUNTRACED)[1])
        assert termios.tcgetattr(screen.descriptor)[3] & termios.ICANON, "keys are still read one by one"
        os.kill(screen.pid, signal.SIGCONT)
        screen.until("\x1b[?1049h")
        screen.until("q: leave, the run goes on")
        screen.press("q")
        assert screen.ended() == 130


def test_a_terminal_that_can_only_print_gets_lines(under_way: Place) -> None:
    with terminal(under_way, "run", "watch", kind="dumb") as screen:
        shown = screen.until("alice: Run of 3 hosts")
        assert "\x1b" not in shown


def test_the_screen_follows_the_terminals_size(under_way: Place) -> None:
    with terminal(under_way, "run", "watch", columns=100, lines=30) as screen:
        screen.until("standfast run pause | resume | cancel 0")
        screen.size(44, 9)
        os.kill(screen.pid, signal.SIGWINCH)
        screen.until("q: leave, the run goes on\x1b")
        drawn = without_styles(screen.until("q: leave, the run goes on\x1b"))
        assert max(len(line) for line in drawn.splitlines()) <= 44
        screen.press("q")
        assert screen.ended() == 130


def test_while_a_controller_starts_nobody_is_told_that_there_is_none(place: Place) -> None:
    place.write("standfast.yaml", SLOW)
    place.run("plan")
    begun = place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    assert begun.code == 0
    seen = [place.run("run", "show").out for _ in range(3)]
    assert not [each for each in seen if "no controller" in each or "No controller" in each]
    place.write("standfast.yaml", CONFIG)
    place.run("run", "abandon")
    assert place.run("run", "watch").code == 3


def piped(place: Place, *words: str) -> subprocess.Popen[str]:
    own = {"STANDFAST_CONFIG": str(place.path / "standfast.yaml")}
    own |= {"STANDFAST_STATE_DIR": str(place.path / "state")}
    command = [sys.executable, "-m", "standfast.cli", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=os.environ | own, stdout=pipe, stderr=pipe, text=True)


def assert_ended_by_broken_pipe(process: subprocess.Popen[str]) -> None:
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 128 + signal.SIGPIPE
        assert process.stderr.read() == ""


@pytest.mark.parametrize("words", [(), ("-o", "ndjson")])
def test_a_watch_ends_when_its_reader_has_gone(under_way: Place, words: tuple[str, ...]) -> None:
    watching = piped(under_way, "run", "watch", *words)
    assert watching.stdout is not None
    assert watching.stdout.readline()
    assert_ended_by_broken_pipe(watching)
    assert under_way.run("run", "list").out.count("running") == 1


@pytest.mark.parametrize(
    "words", [("run", "report"), ("run", "report", "--table", "events"), ("run", "list")]
)
def test_what_nobody_reads_is_no_error(finished: Place, words: tuple[str, ...]) -> None:
    assert_ended_by_broken_pipe(piped(finished, *words))
