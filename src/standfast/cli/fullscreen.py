"""The watcher's screen on a terminal: drawn anew at each look, at each change of its size, left with `q`."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rich.console import Console, Group
from rich.live import Live

from standfast.cli.frame import frame
from standfast.cli.picture import picture
from standfast.cli.screen import Seen
from standfast.cli.watcher import Watch
from standfast.model.run import EventRow

LEAVE = (b"q", b"Q", b"\x03", b"\x04")


def fullscreen(watcher: Watch) -> Seen:
    """Watch to the end; what is seen last stays on the terminal. KeyboardInterrupt for `q` and Ctrl-C."""
    console = Console(stderr=True)
    screen = _Screen(console)
    try:
        with screen.shown():
            return watcher.until_over(screen.show, screen.rest)
    finally:
        if screen.seen is not None:
            console.print(picture(screen.seen, console.width))


class _Screen:
    """What is on the terminal now, and who presses keys."""

    def __init__(self, console: Console) -> None:
        self.seen: Seen | None = None
        self._console = console
        self._live = Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False)
        self._keys = _Keys()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop_asked = False

    @contextmanager
    def shown(self) -> Iterator[None]:
        """The other screen of the terminal, with keys read one by one; all as before afterwards."""
        before = {each: signal.signal(each, self._signalled) for each in (signal.SIGWINCH, signal.SIGTSTP)}
        try:
            with self._keys.read(), self._live:
                yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)
            os.close(self._woken)
            os.close(self._wake)

    def _signalled(self, number: int, _: FrameType | None) -> None:
        self._stop_asked |= number == signal.SIGTSTP
        os.write(self._wake, b".")

    def show(self, seen: Seen, _new: list[EventRow]) -> None:
        self.seen = seen
        size = self._console.size
        lines = frame(seen, size.width, size.height, keys=self._keys.there)
        self._live.update(Group(*lines), refresh=True)

    def rest(self, seconds: float) -> None:
        """Until it is time to look again, a key was pressed or the size has changed."""
        waited_for = [self._woken, *([self._keys.descriptor] if self._keys.there else [])]
        ready, _, _ = select.select(waited_for, [], [], seconds)
        if self._keys.descriptor in ready:
            self._keys.take()
        if self._woken in ready:
            os.read(self._woken, 64)
        if self._stop_asked:
            self._stop()
        elif self._woken in ready and self.seen is not None:
            self.show(self.seen, [])

    def _stop(self) -> None:
        """Ctrl-Z: give the terminal back as it was, and take it again when we go on."""
        self._stop_asked = False
        self._live.stop()
        with self._keys.given_back():
            os.kill(os.getpid(), signal.SIGSTOP)
        self._live.start()


class _Keys:
    """The terminal's keyboard, where we are in front of it."""

    def __init__(self) -> None:
        self.there = False
        self.descriptor = -1
        self._usual: list[Any] = []

    @contextmanager
    def read(self) -> Iterator[None]:
        """Key by key, without a new line; from behind (`&`) the terminal would stop us for that."""
        try:
            descriptor = sys.stdin.fileno()
            in_front = os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
        except (OSError, ValueError):
            in_front = False
        if not in_front:
            yield
            return
        self._usual = termios.tcgetattr(descriptor)
        self.there, self.descriptor = True, descriptor
        try:
            tty.setcbreak(descriptor)
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, self._usual)

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """The keyboard as it was before, for a while."""
        if not self.there:
            yield
            return
        termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._usual)
        yield
        tty.setcbreak(self.descriptor)

    def take(self) -> None:
        """KeyboardInterrupt for a key that leaves; a keyboard that has gone is not asked again."""
        pressed = os.read(self.descriptor, 64)
        if not pressed:
            self.there = False
        if any(key in pressed for key in LEAVE):
            raise KeyboardInterrupt
