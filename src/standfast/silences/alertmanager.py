"""Prometheus Alertmanager by its HTTP API v2 (`ports.Silencer`).

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml. What was seen of 0.25 and is relied
on: a POST with the id of an active silence and its own `startsAt` renews it in place, with any other start it
expires that one and makes another; `startsAt` in the past becomes now; `updatedAt` is its clock at the write;
an ended silence stays listed as `expired` for its retention time.

All times are by Alertmanager's own clock: when to end is counted from the Date of its last answer, and how
long that is, is read back from `updatedAt`. Our clock, wrong or not, plays no part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standfast.model.errors import OutsideError
from standfast.model.ids import HostId, RunId
from standfast.model.matchers import Matcher, re2_quoted
from standfast.ports import Silence
from standfast.transports.http import Answer, HttpServer

CREATED_BY = "standfast"
LONG_AGO = "2000-01-01T00:00:00.000Z"
"""A start that is past by any clock. By one that is ahead the silence would still wait to begin."""
_MENDS = {
    400: "If it speaks of the past, compare the clocks of the Alertmanager and of the proxy before it.",
    404: "Is this the URL of an Alertmanager (without /api)?",
}
_OFF_BY = 0.5
"""A silence whose length differs from the lease by more than this share is set right once."""


@dataclass(frozen=True)
class Alertmanager:
    """One Alertmanager. `matchers` are filled in per host; `name_of` and `address_of` say what a host is
    called in labels; `now` is asked only where an answer has no Date."""

    name: str
    server: HttpServer
    matchers: tuple[Matcher, ...]
    name_of: Callable[[HostId], str]
    address_of: Callable[[HostId], str]
    lease_seconds: float
    now: Callable[[], float]
    watched_alerts: tuple[str, ...] = field(default=())

    def find(self, host: HostId, run: RunId) -> Silence | None:
        """See `ports.Silencer`."""
        found, now = self._ours(host, run)
        lasting = [Silence(each["id"], _unix(each["endsAt"]) - now) for each in found]
        return max(lasting, key=lambda silence: silence.ends_in_seconds, default=None)

    def keep(self, host: HostId, run: RunId) -> Silence:
        """See `ports.Silencer`. A second silence of ours, left by a call whose answer was lost, is ended."""
        found, now = self._ours(host, run)
        matchers = [
            matcher.of_host(self.name_of(host), self.address_of(host)).as_json() for matcher in self.matchers
        ]
        same = [each for each in found if _sorted(each["matchers"]) == _sorted(matchers)]
        kept = same[0] if same else None
        silence = {
            "matchers": matchers,
            "startsAt": kept["startsAt"] if kept else LONG_AGO,
            "endsAt": _text(now + self.lease_seconds),
            "createdBy": CREATED_BY,
            "comment": f"{self.name_of(host)} is being worked on; ends by itself {mark(host, run)}",
        }
        told = self._put(silence | ({"id": kept["id"]} if kept else {}))
        if abs(told.ends_in_seconds - self.lease_seconds) > _OFF_BY * self.lease_seconds:
            # Whoever answered with a Date (a proxy) is not the one whose clock counts.
            read = self._read(told.id)
            ends = _text(_unix(read["updatedAt"]) + self.lease_seconds)
            told = self._put(silence | {"id": told.id, "startsAt": read["startsAt"], "endsAt": ends})
        for each in found:
            if each is not kept:
                self._delete(each["id"])
        return Silence(told.id, told.ends_in_seconds, made=kept is None or told.id != kept["id"])

    def lift(self, host: HostId, run: RunId) -> None:
        """See `ports.Silencer`."""
        found, _ = self._ours(host, run)
        for each in found:
            self._delete(each["id"])
        left = self._ours(host, run)[0] if found else []
        if left:
            raise OutsideError(
                "silence_stays",
                f"the silence of {self.name_of(host)} is still in force after it was ended",
                where=self.server.where,
                why=f"it lists {left[0]['id']} as {left[0]['status']['state']}",
            )

    def firing(self) -> tuple[str, ...]:
        """See `ports.Silencer`."""
        if not self.watched_alerts:
            return ()
        names = "|".join(re2_quoted(name) for name in self.watched_alerts)
        escaped = names.replace("\\", "\\\\").replace('"', '\\"')
        query = {
            "active": "true",
            "silenced": "false",
            "inhibited": "false",
            "unprocessed": "false",
            "filter": f'alertname=~"{escaped}"',
        }
        alerts = self._checked(self.server.ask("GET", "/api/v2/alerts", query=query))
        return tuple(sorted({_told(each["labels"]) for each in alerts}))

    def _ours(self, host: HostId, run: RunId) -> tuple[list[dict[str, Any]], float]:
        """Our silences that are in force (or will be), and the time there."""
        answer = self.server.ask("GET", "/api/v2/silences")
        listed = self._checked(answer)
        found = [
            each
            for each in listed
            if each["createdBy"] == CREATED_BY
            and each["comment"].endswith(mark(host, run))
            and each["status"]["state"] != "expired"
        ]
        return found, answer.date_unix if answer.date_unix is not None else self.now()

    def _put(self, silence: dict[str, Any]) -> Silence:
        """Make or renew, and read back what that came to."""
        answer = self._checked(self.server.ask("POST", "/api/v2/silences", body=silence))
        read = self._read(str(answer["silenceID"]))
        if read["status"]["state"] != "active":
            raise OutsideError(
                "silence_not_active",
                f"the silence is {read['status']['state']} right after it was made",
                where=self.server.where,
                why=f"it is said to last from {read['startsAt']} to {read['endsAt']}",
                do="Compare its clock with this one's.",
            )
        return Silence(str(read["id"]), _unix(read["endsAt"]) - _unix(read["updatedAt"]))

    def _read(self, id: str) -> dict[str, Any]:
        read = self._checked(self.server.ask("GET", f"/api/v2/silence/{id}"))
        assert isinstance(read, dict)
        return read

    def _delete(self, id: str) -> None:
        """End it. One that is gone already is told with 404 or 500; whether it is, the caller looks."""
        self.server.ask("DELETE", f"/api/v2/silence/{id}")

    def _checked(self, answer: Answer) -> Any:
        where = self.server.where
        if answer.status != 200:
            raise OutsideError(
                "alertmanager_refused",
                f"it answered {answer.status}",
                where=where,
                why=answer.words(),
                do=_MENDS.get(answer.status, ""),
            )
        return answer.json(where)


def mark(host: HostId, run: RunId) -> str:
    """The end of the comment by which a silence is known to be ours."""
    return f"[standfast run={run} host={host}]"


def _sorted(matchers: list[dict[str, object]]) -> list[tuple[object, ...]]:
    return sorted(
        (str(each["name"]), str(each["value"]), bool(each["isRegex"]), bool(each.get("isEqual", True)))
        for each in matchers
    )


def _told(labels: dict[str, str]) -> str:
    name, instance = labels.get("alertname", "?"), labels.get("instance", "")
    return f"{name} on {instance}" if instance else name


def _text(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
