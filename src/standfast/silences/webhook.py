"""Any other monitoring, by a URL of the user's that is told when a silence begins, goes on and ends.

    {"action": "silence", "id": "standfast-RUN-HOST", "run": …, "host": "kvm1", "host_id": …,
     "lease_seconds": 300, "until": "2026-11-24T10:53:45.975Z", "comment": …}
    {"action": "lift", …}

`silence` comes again and again while the host is worked on; whoever receives it ends the silence by itself at
`until`. Any answer of 200 to 299 means that it was done: that is all that can be known of it here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from standfast.model.errors import OutsideError
from standfast.model.ids import HostId, RunId
from standfast.ports import Silence
from standfast.transports.http import HttpServer


@dataclass(frozen=True)
class Webhook:
    """One receiver (`ports.Silencer`). It can't be asked for what is in force, nor for alerts."""

    name: str
    server: HttpServer
    name_of: Callable[[HostId], str]
    lease_seconds: float
    now: Callable[[], float]
    watched_alerts: tuple[str, ...] = ()
    _told: set[tuple[HostId, RunId]] = field(default_factory=set, repr=False)

    def find(self, host: HostId, run: RunId) -> Silence | None:
        """Never known."""
        return None

    def keep(self, host: HostId, run: RunId) -> Silence:
        """See `ports.Silencer`."""
        self._tell("silence", host, run)
        made = (host, run) not in self._told
        self._told.add((host, run))
        return Silence(_id(host, run), self.lease_seconds, made)

    def lift(self, host: HostId, run: RunId) -> None:
        """See `ports.Silencer`; verified by the receiver's own word alone."""
        self._tell("lift", host, run)
        self._told.discard((host, run))

    def firing(self) -> tuple[str, ...]:
        """Never known."""
        return ()

    def _tell(self, action: str, host: HostId, run: RunId) -> None:
        until = datetime.fromtimestamp(self.now() + self.lease_seconds, UTC)
        body = {
            "action": action,
            "id": _id(host, run),
            "run": run,
            "host": self.name_of(host),
            "host_id": host,
            "lease_seconds": self.lease_seconds,
            "until": until.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "comment": f"{self.name_of(host)} is being worked on by standfast",
        }
        answer = self.server.ask("POST", body=body)
        if not 200 <= answer.status < 300:
            raise OutsideError(
                "webhook_refused",
                f"it answered {answer.status}",
                where=self.server.where,
                why=answer.words(),
            )


def _id(host: HostId, run: RunId) -> str:
    return f"standfast-{run}-{host}"
