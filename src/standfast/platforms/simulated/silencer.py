"""Monitoring of the simulated world: silences that end by themselves, and alerts that fire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from standfast.model.errors import UnreachableError
from standfast.model.ids import HostId, RunId
from standfast.platforms.simulated.facets import Facet
from standfast.platforms.simulated.held import Held
from standfast.platforms.simulated.state import SimSilence, State
from standfast.ports import Silence

NAME = "monitoring"


class SimSilencer(Facet):
    """`ports.Silencer`."""

    name = NAME

    def __init__(self, held: Held) -> None:
        super().__init__(held)
        with held.open(write=False) as state:
            self.lease_seconds = state.monitoring.lease_seconds
            self.watched_alerts = tuple(state.monitoring.watched)

    def find(self, host: HostId, run: RunId) -> Silence | None:
        with self._asked("find_silence", host) as state:
            found = _active(state, host, run)
            return Silence(found[0].id, found[0].ends_at - state.now) if found else None

    def keep(self, host: HostId, run: RunId) -> Silence:
        with self._asked("keep_silence", host) as state:
            found = _active(state, host, run)
            ends_at = state.now + self.lease_seconds
            if not found:
                known = state.monitoring.silences
                known.append(SimSilence(f"silence-{len(known) + 1}", host, run, state.now, ends_at))
                state.note(f"alerts about {state.host_name(host)} are silenced")
                return Silence(known[-1].id, self.lease_seconds, made=True)
            found[0].ends_at = ends_at
            return Silence(found[0].id, self.lease_seconds)

    def lift(self, host: HostId, run: RunId) -> None:
        with self._asked("lift_silence", host) as state:
            for found in _active(state, host, run):
                found.ends_at = state.now
                state.note(f"alerts about {state.host_name(host)} are no longer silenced")

    def firing(self) -> tuple[str, ...]:
        with self._asked("firing") as state:
            return tuple(name for name in self.watched_alerts if name in state.monitoring.firing)

    @contextmanager
    def _asked(self, name: str, host: HostId | None = None) -> Iterator[State]:
        with self._call(name, host, write=True, ask=False) as state:
            if state.monitoring.down:
                raise UnreachableError("connection_refused", "it refuses connections", where=NAME)
            yield state


def _active(state: State, host: HostId, run: RunId) -> list[SimSilence]:
    return [each for each in state.monitoring.active(state.now) if (each.host, each.run) == (host, run)]
