"""`serve` with `balance: {every_seconds: …}`: it recommends what would even hosts out, and moves nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from standfast.model.errors import StandfastError

if TYPE_CHECKING:
    from standfast.config import ClusterConfig
    from standfast.model.plan import Plan
    from standfast.ports import Outside
    from standfast.store import Store

log = structlog.get_logger()


@dataclass
class BalanceWatch:
    """One cluster, looked at in intervals. The recommendation is a plan file that `apply` takes."""

    store: Store
    cluster: ClusterConfig
    outside: Outside
    file: Path

    def start(self, stop: threading.Event) -> None:
        """Look in a thread of its own until `stop`."""
        threading.Thread(target=self._watch, args=(stop,), name="balance", daemon=True).start()

    def _watch(self, stop: threading.Event) -> None:
        every = self.cluster.balance_every_seconds
        while every and not stop.wait(every):
            try:
                self.look()
            except StandfastError as error:
                log.warning("hosts can't be looked at to balance them", error=str(error))

    def look(self) -> Plan | None:
        """Plan, write and tell; None while a run is at work. Raises StandfastError.

        Where nothing is worth moving any more, the recommendation before it is taken back.
        """
        from standfast.cli.looking import look
        from standfast.codec import write_file
        from standfast.plan.balance import balance_plan
        from standfast.report.plan_words import evenness

        name = self.cluster.name
        if any(each.ended_at is None for each in self.store.runs(name)):
            return None
        snapshot = look(self.outside, self.cluster, scan=False, refresh=False)
        plan = balance_plan(snapshot, self.cluster.policy, now=snapshot.taken_at)
        if not plan.rebalance:
            self.file.unlink(missing_ok=True)
            return plan
        write_file(self.file, "plan", plan)
        assert plan.balance is not None, "a plan to balance says how even hosts are"
        log.info(
            "balancing is recommended",
            cluster=name,
            moves=len(plan.rebalance),
            mend=plan.balance.mending_moves,
            why=evenness(plan.balance),
            do=f"standfast balance --cluster {name} --recommended; standfast apply {self.file}",
        )
        return plan
