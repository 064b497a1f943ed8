"""Keeps what silencers answered between ticks, and makes events of what changed: a failure is said once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from standfast.model.ids import HostId
from standfast.ports import Silence, Silencer
from standfast.run.actions import ALERTS, SILENCE, AskAlerts, KeepSilence, LiftSilence
from standfast.run.monitoring import Alerts, Monitoring, Note, Trouble
from standfast.run.seen import Failure
from standfast.store.changes import NewEvent


@dataclass(frozen=True, slots=True)
class Answered:
    """A silencer's answer to a call: the silence, the alerts that fire, or None for one that was lifted."""

    call: KeepSilence | LiftSilence | AskAlerts
    answer: Silence | tuple[str, ...] | None
    at: float


class SilenceBook:
    """Of one run in one process. A new one knows nothing and asks again."""

    def __init__(self, silencers: Sequence[Silencer]) -> None:
        leases = {silencer.name: silencer.lease_seconds for silencer in silencers}
        watching = frozenset(silencer.name for silencer in silencers if silencer.watched_alerts)
        self._notes: dict[tuple[str, HostId], Note] = {}
        self._alerts: dict[str, Alerts] = {}
        # The same two mappings, so that what is noted later is told, too.
        self._told = Monitoring(leases, watching, None, self._notes, self._alerts)

    def monitoring(self) -> Monitoring:
        """All that is known now."""
        return replace(self._told, notes=dict(self._notes), alerts=dict(self._alerts))

    def take(
        self, answers: Iterable[Answered], failures: Iterable[Failure], now: float
    ) -> tuple[NewEvent, ...]:
        """Note them down; returns what an operator should read of it."""
        if self._told.began_at is None:
            self._told = replace(self._told, began_at=now)
        events: list[NewEvent] = []
        for answered in answers:
            match answered.call, answered.answer:
                case KeepSilence(host, name), Silence() as silence:
                    events += self._kept(name, host, silence, min(answered.at, now))
                case LiftSilence(host, name), _:
                    note = self._note(name, host)
                    self._notes[name, host] = replace(note, id="", kept_at=None, lifted=True, trouble=None)
                case AskAlerts(_, name), tuple(firing):
                    self._asked(name, firing, min(answered.at, now))
        for failure in failures:
            what, _, name = failure.key[0].partition(" ")
            if what == SILENCE:
                events += self._silence_failed(name, failure, now)
            elif what == ALERTS:
                events += self._alerts_failed(name, failure, now)
        return tuple(events)

    def set_back(self, seconds: float) -> None:
        """Our clock was: what was said is not younger for it, and a silence is over no later."""
        if self._told.began_at is not None:
            self._told = replace(self._told, began_at=self._told.began_at - seconds)
        for key, note in self._notes.items():
            self._notes[key] = replace(
                note,
                ends_at=note.ends_at - seconds,
                kept_at=None if note.kept_at is None else note.kept_at - seconds,
                trouble=_earlier(note.trouble, seconds),
            )
        for name, known in self._alerts.items():
            self._alerts[name] = replace(
                known,
                asked_at=None if known.asked_at is None else known.asked_at - seconds,
                firing_since=None if known.firing_since is None else known.firing_since - seconds,
                trouble=_earlier(known.trouble, seconds),
            )

    def _note(self, name: str, host: HostId) -> Note:
        return self._told.note(name, host, self._told.leases.get(name, 0.0))

    def _kept(self, name: str, host: HostId, silence: Silence, at: float) -> list[NewEvent]:
        before = self._notes.get((name, host))
        self._notes[name, host] = Note(at + silence.ends_in_seconds, silence.id, at)
        data = {"silencer": name, "id": silence.id, "ends_in_seconds": round(silence.ends_in_seconds, 1)}
        if silence.made:
            again = before is not None and before.kept_at is not None
            text = "silence made anew: somebody ended it, or it ran out" if again else "silenced"
        elif before is None or before.kept_at is None:
            text = "silence found again and renewed"
        elif before.trouble is not None:
            text = "answers again, silence renewed"
        else:
            return []
        words = f"{name}: {text}; without us it ends by itself in {silence.ends_in_seconds:.0f} s"
        return [NewEvent("silenced", words, host=host, data=data)]

    def _silence_failed(self, name: str, failure: Failure, now: float) -> list[NewEvent]:
        note = self._note(name, failure.host)
        trouble = _more(note.trouble, failure, now)
        # What failed may have acted: whether a silence is in force is not known until it is asked again.
        self._notes[name, failure.host] = replace(note, lifted=False, trouble=trouble)
        if trouble.count > 1:
            return []
        left = max(0.0, note.ends_at - now)
        words = f"{name} does not do what it is asked: {failure.text}"
        if note.kept_at is not None:
            words += f" The silence in force ends by itself in {left:.0f} s."
        return [NewEvent("silence_failing", words, host=failure.host, data={"silencer": name})]

    def _asked(self, name: str, firing: tuple[str, ...], at: float) -> None:
        before = self._alerts.get(name, Alerts())
        since = (before.firing_since if before.firing else at) if firing else None
        self._alerts[name] = Alerts(at, firing, since)

    def _alerts_failed(self, name: str, failure: Failure, now: float) -> list[NewEvent]:
        before = self._alerts.get(name, Alerts())
        trouble = _more(before.trouble, failure, now)
        self._alerts[name] = replace(before, trouble=trouble)
        if trouble.count > 1:
            return []
        words = f"{name} can't be asked for alerts: {failure.text}"
        return [NewEvent("silence_failing", words, host=failure.host, data={"silencer": name})]


def _earlier(trouble: Trouble | None, seconds: float) -> Trouble | None:
    if trouble is None:
        return None
    return replace(trouble, since=trouble.since - seconds, last_at=trouble.last_at - seconds)


def _more(trouble: Trouble | None, failure: Failure, now: float) -> Trouble:
    if trouble is None:
        return Trouble(now, 1, now, failure.text)
    return Trouble(trouble.since, trouble.count + 1, now, failure.text)
