"""Watching a run until it ends: full-screen on a terminal, a line per event elsewhere, or as ndjson."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from standfast.cli.out import say
from standfast.cli.session import Session

if TYPE_CHECKING:
    from standfast.cli.screen import Seen
    from standfast.cli.watcher import Watch
    from standfast.model.run import EventRow

INTERRUPTED = 130
HELD = 4


def watch(watcher: Watch, *, style: str, to_stdout: bool) -> int:
    """Watch to the end in a style (`live`, `lines`, `ndjson`); the exit code. Ctrl-C only detaches."""
    from standfast.cli.screen import EXIT_CODES

    try:
        seen = _watched(watcher, style, to_stdout=to_stdout)
    except KeyboardInterrupt:
        say(f"Detached; the run goes on. Watch it again: standfast run watch {watcher.run}")
        return INTERRUPTED
    return EXIT_CODES.get(seen.run.state, 1)


def _watched(watcher: Watch, style: str, *, to_stdout: bool) -> Seen:
    if style == "live":
        from standfast.cli.fullscreen import fullscreen

        return fullscreen(watcher)
    if style == "ndjson":
        return watcher.until_over(_ndjson, _while_read(sys.stdout.fileno()))
    stream = sys.stdout if to_stdout else sys.stderr
    return watcher.until_over(_lines(to_stdout), _while_read(stream.fileno()))


def _while_read(descriptor: int) -> Callable[[float], None]:
    """A rest that ends with BrokenPipeError as soon as nobody reads any more: `| head` ends at once."""
    waiting = select.poll()
    waiting.register(descriptor, 0)

    def rest(seconds: float) -> None:
        began = time.monotonic()
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in waiting.poll(seconds * 1000)):
            raise BrokenPipeError
        time.sleep(max(0.0, seconds - (time.monotonic() - began)))

    return rest


def _lines(to_stdout: bool) -> Callable[[Seen, list[EventRow]], None]:
    """One line per event, and what blocks whenever that changes."""
    from standfast.cli.screen import blocks, event_line, host_names

    told: list[str] = []

    def show(seen: Seen, new: list[EventRow]) -> None:
        names = host_names(seen.run)
        for event in new:
            click.echo(event_line(event, names), err=not to_stdout)
        now = blocks(seen)
        if now and now != told:
            for line in now:
                click.echo(f"  {line}", err=not to_stdout)
        told[:] = now

    return show


def _ndjson(seen: Seen, new: list[EventRow]) -> None:
    from standfast.codec import to_plain

    for event in new:
        click.echo(json.dumps(to_plain(event), ensure_ascii=False, separators=(",", ":")))


def style_of(session: Session, output: str | None) -> str:
    """How to watch: as asked, else live where somebody looks at more than a printer, else lines."""
    if output == "ndjson":
        return "ndjson"
    draws = session.env.get("TERM", "") not in ("", "dumb", "unknown")
    return "live" if draws and sys.stderr.isatty() and sys.stdout.isatty() and not session.json else "lines"
