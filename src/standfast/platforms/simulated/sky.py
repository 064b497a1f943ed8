"""All migrations that are on their way while time goes on: how fast each is now, and which has an event next.

Only what an event changes is worked out anew: the migrations that share links with the one it is about.
"""

from __future__ import annotations

import heapq

from standfast.model.ids import VmId
from standfast.platforms.simulated import flights, links
from standfast.platforms.simulated.state import Leg, State

SAME_TIME = 1e-9


class Sky:
    """The flights of one stretch of time. `settle` at its end brings their states up to it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._links = links.Links()
        self._speed: dict[VmId, float] = {}
        self._progressed: dict[VmId, float] = {}
        """Until when each flight's bytes are counted."""
        self._heap: list[tuple[float, int, VmId]] = []
        self._mark: dict[VmId, int] = {}
        """The last entry in the heap that counts, of each flight."""
        self._made = 0
        self.look(set(state.in_flight))

    def next_at(self) -> float | None:
        """When the next leg or round ends; None if none ever does."""
        while self._heap and self._mark.get(self._heap[0][2]) != self._heap[0][1]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def end_legs(self) -> set[VmId]:
        """End all legs and rounds that are due now, in the order in which their VMs left."""
        due: set[VmId] = set()
        while (at := self.next_at()) is not None and at <= self._state.now + SAME_TIME:
            due.add(heapq.heappop(self._heap)[2])
        for vm in [vm for vm in self._state.in_flight if vm in due] if len(due) > 1 else list(due):
            about = self._state.vms[vm]
            if about.flight is not None:
                self._progress(vm)
                flights.leg_ended(self._state, about, self._speed.get(vm, 0.0))
        return due

    def look(self, changed: set[VmId]) -> None:
        """These have begun, ended or come to another leg: what they and those beside them do from now on."""
        beside: set[VmId] = set(changed)
        for vm in changed:
            beside |= self._links.beside(vm)
        for vm in changed:
            about = self._state.vms.get(vm)
            self._links.remove(vm)
            if about is not None and about.flight is not None and about.flight.leg is Leg.COPY:
                self._links.add(vm, about.host, about.flight.target)
        for vm in changed:
            beside |= self._links.beside(vm)
        for vm in beside:
            self._progress(vm)
        speeds = self._links.shares([vm for vm in beside if vm in self._links], self._state)
        for vm in beside:
            self._speed[vm] = speeds.get(vm, 0.0)
            self._plan(vm)

    def all_gone(self) -> set[VmId]:
        """Flights known here that something else than a leg's end has ended, or begun."""
        return set(self._mark) ^ set(self._state.in_flight)

    def settle(self) -> None:
        """Count everybody's bytes until now."""
        for vm in self._state.in_flight:
            self._progress(vm)

    def _progress(self, vm: VmId) -> None:
        about, now = self._state.vms.get(vm), self._state.now
        flight = about.flight if about is not None else None
        seconds = now - self._progressed.get(vm, now)
        self._progressed[vm] = now
        if flight is not None and flight.leg is Leg.COPY and seconds > 0:
            done = min(flight.left_bytes, self._speed.get(vm, 0.0) * seconds)
            flight.left_bytes -= done
            flight.sent_bytes += done

    def _plan(self, vm: VmId) -> None:
        """Note when it has its next event."""
        about = self._state.vms.get(vm)
        if about is None or about.flight is None:
            for known in (self._mark, self._speed, self._progressed):
                known.pop(vm, None)
            return
        self._made += 1
        self._mark[vm] = self._made
        at = flights.next_at(self._state, about, self._speed.get(vm, 0.0))
        if at is not None:
            heapq.heappush(self._heap, (at, self._made, vm))
