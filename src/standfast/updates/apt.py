"""`ports.HostWork` on hosts with apt and systemd, over SSH.

Nothing here waits for long work: it is begun as a unit that the host carries through by itself, and its end
is read at a later look. The scripts under `scripts/` are all that runs on a host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from standfast.model.errors import OutsideError, UsageError, WorkRefusedError
from standfast.model.hostwork import Health, HostFacts, UpdateState, WorkOrder
from standfast.model.ids import HostId
from standfast.transports.ssh import SshTarget
from standfast.updates.answers import Answer, read_answer
from standfast.updates.facts import health, host_facts
from standfast.updates.pending import update_state
from standfast.updates.scripts import script

LOOK_SECONDS = 15.0
SCAN_SECONDS = 120.0
REFRESH_SECONDS = 420.0
HEALTH_SECONDS = 60.0
BEGIN_SECONDS = 30.0


class AptWork:
    """Host work of one cluster.

    `targets` by host name; `name_of` tells the name of a UUID; `clock` gives Unix time in seconds.
    Every call may raise UnreachableError, AuthError and OutsideError.
    """

    def __init__(
        self,
        targets: Mapping[str, SshTarget],
        *,
        name_of: Callable[[HostId], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._targets = targets
        self._name_of = name_of
        self._clock = clock

    def look(self, host: HostId) -> HostFacts:
        """See `ports.HostWork`. One round trip."""
        return host_facts(self._ask(host, "look", timeout_seconds=LOOK_SECONDS))

    def scan(self, host: HostId, *, refresh: bool) -> UpdateState:
        """See `ports.HostWork`. Raises OutsideError where the lists could not be fetched: old ones prove
        nothing about what is pending."""
        word = "refresh" if refresh else "keep"
        limit = REFRESH_SECONDS if refresh else SCAN_SECONDS
        answer = self._ask(host, "scan", word, timeout_seconds=limit)
        failed = answer.all("refresh_failed")
        if failed:
            raise OutsideError(
                "apt_update_failed",
                "apt-get update failed",
                where=answer.host,
                why=failed[0].strip(),
                do="See what `apt-get update` says there.",
            )
        errors = [line for line in answer.lines("sim") if line.startswith("E:")]
        if errors and not answer.lines("audit") and not answer.all("dpkg_updates"):
            raise OutsideError(
                "apt_failed",
                "apt-get can't say what is pending",
                where=answer.host,
                why=errors[0][2:].strip(),
            )
        return update_state(answer, self._clock())

    def begin(self, order: WorkOrder) -> None:
        """See `ports.HostWork`. A name that the host has seen is left alone: what became of it is in `look`.

        Raises WorkRefusedError (`stale_epoch`) where the host knows a newer controller.
        """
        name, target = self._target(order.host)
        done = target.run(
            script("begin"),
            order.unit,
            order.kind,
            order.run,
            str(order.epoch),
            "security" if order.security_only else "all",
            input=script("unit"),
            timeout_seconds=BEGIN_SECONDS,
        )
        word, _, text = done.stdout.strip().rpartition("\n")[2].partition(" ")
        if done.exit_code == 0 and word in ("done", "known"):
            return
        if word == "epoch":
            raise WorkRefusedError(
                "stale_epoch",
                f"it has seen a newer controller (epoch {text})",
                where=name,
                why=f"this order is of epoch {order.epoch}",
                do="Stop this one if that one is at work. Where this one's state was made anew instead, "
                "remove /var/lib/standfast/epoch on the host.",
            )
        why = text if word == "failed" else done.stderr.strip()[-300:]
        raise OutsideError("begin_failed", f"{order.unit} could not be begun", where=name, why=why)

    def health(self, host: HostId) -> Health:
        """See `ports.HostWork`. Skew is true to within half the round trip."""
        asked_at = self._clock()
        answer = self._ask(host, "health", timeout_seconds=HEALTH_SECONDS)
        return health(answer, asked_at, self._clock())

    def _ask(self, host: HostId, what: str, *args: str, timeout_seconds: float) -> Answer:
        name, target = self._target(host)
        done = target.run(script(what), *args, timeout_seconds=timeout_seconds)
        if done.exit_code != 0:
            why = done.stderr.strip()[-300:] or f"exit code {done.exit_code}"
            raise OutsideError(f"{what}_failed", f"the script for {what} failed", where=name, why=why)
        return read_answer(name, done.stdout)

    def _target(self, host: HostId) -> tuple[str, SshTarget]:
        name = self._name_of(host)
        if name not in self._targets:
            raise UsageError("host_unknown", f"{name} is no host that can be reached by SSH")
        return name, self._targets[name]
