"""Watching a run until it ends: live on a terminal, a line per event elsewhere, or events as ndjson."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from standfast.cli.out import say
from standfast.cli.session import Session
from standfast.model.errors import StandfastError

if TYPE_CHECKING:
    from standfast.cli.screen import Seen
    from standfast.model.ids import RunId
    from standfast.model.run import EventRow

LOOK_SECONDS = 0.5
INTERRUPTED = 130
HELD = 4


@dataclass
class Watch:
    """One watcher of one run."""

    session: Session
    run: RunId
    on_hold: bool = True
    """End when the run waits for an operator."""
    controller: subprocess.Popen[bytes] | None = None
    """The `serve` that we started, if we did."""
    look_seconds: float = LOOK_SECONDS
    events: list[EventRow] = field(default_factory=list)
    alone_since: float | None = None

    def look(self) -> tuple[Seen, list[EventRow]]:
        """All there is to see, and the events that are new."""
        from standfast.cli.screen import LEASE_SECONDS, Seen

        store, now = self.session.store, self.session.now()
        run = store.run(self.run)
        new = list(store.events(self.run, self.events[-1].id if self.events else 0))
        self.events += new
        published = store.published(self.run)
        lease = store.lease()
        seen = Seen(
            run=run,
            events=self.events,
            live=published[0] if published else {},
            controller=lease.holder if lease else "",
            heard_at=lease.expires_at - LEASE_SECONDS if lease else 0.0,
            now=now,
        )
        self.alone_since = None if seen.alive else self.alone_since or now
        seen = replace(seen, alone_seconds=now - self.alone_since if self.alone_since else 0.0)
        self._check_controller(seen)
        return seen, new

    def _check_controller(self, seen: Seen) -> None:
        """Say so if the `serve` that we started has died and nobody has taken over."""
        if self.controller is None or seen.run.ended or seen.alive or self.controller.poll() is None:
            return
        from standfast.cli.serve import log_path, log_tail

        raise StandfastError(
            "controller_ended",
            f"the controller ended with exit code {self.controller.returncode}, and the run has not",
            why=log_tail(self.session.state_dir),
            do=f"`standfast serve --until-idle` goes on; its log: {log_path(self.session.state_dir)}",
        )

    def over(self, seen: Seen) -> bool:
        """Whether there is nothing more to wait for. A word not taken up yet may end a hold."""
        from standfast.model.run import RunState

        return seen.run.ended or (self.on_hold and seen.run.state is RunState.HELD and not seen.run.commands)

    def until_over(self, show: Callable[[Seen, list[EventRow]], None]) -> Seen:
        """Show each look until the run is over. KeyboardInterrupt passes through."""
        while True:
            seen, new = self.look()
            show(seen, new)
            if self.over(seen):
                return seen
            time.sleep(self.look_seconds)


def watch(watcher: Watch, *, style: str, to_stdout: bool) -> int:
    """Watch to the end in a style (`live`, `lines`, `ndjson`); the exit code. Ctrl-C only detaches."""
    from standfast.cli.screen import EXIT_CODES

    try:
        if style == "live":
            seen = _live(watcher)
        else:
            seen = watcher.until_over(_lines(to_stdout) if style == "lines" else _ndjson)
    except KeyboardInterrupt:
        say(f"Detached; the run goes on. Watch it again: standfast run watch {watcher.run}")
        return INTERRUPTED
    return EXIT_CODES.get(seen.run.state, 1)


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


def _live(watcher: Watch) -> Seen:
    """A screen that is drawn anew; the events scroll by above it and stay."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    from standfast.cli.picture import picture
    from standfast.cli.screen import event_line, host_names

    console = Console(stderr=True)
    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def show(seen: Seen, new: list[EventRow]) -> None:
            names = host_names(seen.run)
            for event in new:
                live.console.print(Text(event_line(event, names)))
            live.update(picture(seen))

        seen = watcher.until_over(show)
    console.print(picture(seen))
    return seen


def style_of(session: Session, output: str | None) -> str:
    """How to watch: as asked, else live where somebody looks, else lines."""
    if output == "ndjson":
        return "ndjson"
    return "live" if sys.stderr.isatty() and sys.stdout.isatty() and not session.json else "lines"
