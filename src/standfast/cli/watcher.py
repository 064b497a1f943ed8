"""One watcher of one run: what there is to see of it, again and again until it is over."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from standfast.cli.controller import log_path, log_tail, serving_here
from standfast.cli.session import Session
from standfast.model.errors import StandfastError

if TYPE_CHECKING:
    from standfast.cli.screen import Seen
    from standfast.model.ids import RunId
    from standfast.model.run import EventRow

LOOK_SECONDS = 0.5


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
            published_at=published[1] if published else 0.0,
            controller=lease.holder if lease else "",
            heard_at=lease.expires_at - LEASE_SECONDS if lease else 0.0,
            now=now,
        )
        self.alone_since = None if seen.alive else max(self.alone_since or now, _said_at(seen))
        alone_seconds = now - self.alone_since if self.alone_since else 0.0
        seen = replace(seen, alone_seconds=alone_seconds, starting=not seen.alive and self._starting())
        self._check_controller(seen)
        return seen, new

    def _starting(self) -> bool:
        """Whether a controller's process is there already, so that its lease will follow."""
        ours = self.controller is not None and self.controller.poll() is None
        return ours or serving_here(self.session.state_dir)

    def _check_controller(self, seen: Seen) -> None:
        """Say so if the `serve` that we started has died and nobody has taken over."""
        if self.controller is None or seen.run.ended or seen.alive or self.controller.poll() is None:
            return
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

    def until_over(
        self, show: Callable[[Seen, list[EventRow]], None], rest: Callable[[float], None] = time.sleep
    ) -> Seen:
        """Show each look until the run is over. What `rest` or `show` raises passes through."""
        while True:
            seen, new = self.look()
            show(seen, new)
            if self.over(seen):
                return seen
            rest(self.look_seconds)


def _said_at(seen: Seen) -> float:
    """When somebody last did what starts a controller where there is none: began the run, or left a word."""
    return max([seen.run.created_at, *(command.at for command in seen.run.commands)])
