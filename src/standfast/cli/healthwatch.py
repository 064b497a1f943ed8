"""`serve --watch-health`: a host that the operator's own check calls failing is evacuated."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from standfast.model.errors import StandfastError
from standfast.run.trigger import Trigger

if TYPE_CHECKING:
    from standfast.config import ClusterConfig
    from standfast.model.ids import RunId
    from standfast.ports import Outside
    from standfast.store import Store

log = structlog.get_logger()

MOST_AT_ONCE = 8


@dataclass
class HealthWatch:
    """One cluster's hosts, asked about again and again; at most one is evacuated at a time."""

    store: Store
    cluster: ClusterConfig
    outside: Outside
    wake: Callable[[], None]
    """Called when a run has been recorded."""
    _trigger: Trigger = field(init=False)

    def __post_init__(self) -> None:
        self._trigger = Trigger(self.cluster.commands.health_failures)

    def start(self, stop: threading.Event) -> None:
        """Watch in a thread of its own until `stop`."""
        threading.Thread(target=self._watch, args=(stop,), name="health", daemon=True).start()

    def _watch(self, stop: threading.Event) -> None:
        while not stop.wait(self.cluster.commands.health_every_seconds):
            try:
                self.look()
            except StandfastError as error:
                log.warning("health can't be watched", cluster=self.cluster.name, error=str(error))

    def look(self) -> RunId | None:
        """Ask about every host once; the run that was begun for one, if any. Raises StandfastError."""
        names = self._hosts()
        with ThreadPoolExecutor(MOST_AT_ONCE) as executor:
            answers = dict(zip(names, executor.map(self._ask, names), strict=True))
        due = [host for host, trouble in answers.items() if self._trigger.heard(host, trouble)]
        for host in due:
            run = self._evacuate(host, answers[host] or "")
            if run is not None:
                return run
        return None

    def _hosts(self) -> list[str]:
        named = [host.name for host in self.cluster.hosts]
        return sorted(named or self.outside.names.values())

    def _ask(self, host: str) -> str | None:
        from standfast.transports import command
        from standfast.wiring import about_host

        words = about_host(self.cluster.commands.health, host)
        try:
            said = command.run(words, timeout_seconds=self.cluster.commands.timeout_seconds, where=host)
        except StandfastError as error:
            log.warning("a host's health can't be asked", host=host, error=str(error))
            return None
        if said.exit_code == os.EX_TEMPFAIL:
            log.warning("a host's health is not known", host=host, words=said.words)
            return None
        if said.exit_code != 0:
            log.warning("a host is unwell", host=host, words=said.words)
        return "" if said.exit_code == 0 else said.words or f"its check ended with {said.exit_code}"

    def _evacuate(self, host: str, why: str) -> RunId | None:
        """Record the run, approved by the check. None where another is at work, or it is refused."""
        from ulid import ULID

        from standfast.cli.evacuate import plan_of
        from standfast.cli.looking import look
        from standfast.codec import digest
        from standfast.model.ids import RunId

        if any(each.ended_at is None for each in self.store.runs(self.cluster.name)):
            return None
        snapshot = look(self.outside, self.cluster, scan=False, refresh=False)
        plan = plan_of(snapshot, self.cluster, host, spend_reserve=False)
        if plan.refusals:
            log.warning("a failing host is not evacuated", host=host, why=str(plan.refusals[0]))
            return None
        run = RunId(str(ULID()))
        by = f"health check of {host}: {why}"
        self.store.create_run(run, plan, digest(plan), by, snapshot.taken_at)
        log.warning("evacuating a failing host", host=host, run=run, why=why)
        self.wake()
        return run
