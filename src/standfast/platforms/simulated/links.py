"""Migrations as flows over the links of their hosts, each way by itself, that share them max-min fairly.

Nobody gets more as long as somebody who shares a link with him could have more of it (Bertsekas and Gallager,
Data Networks, 6.5.2: progressive filling).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush

from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated.state import State

GOODPUT = 0.94
"""Payload over line rate, of TCP in Ethernet frames of 1,500 bytes."""

Link = tuple[str, HostId]
"""`out` of or `in` to a host."""


class Links:
    """Which flow goes over which links."""

    def __init__(self) -> None:
        self._of: dict[VmId, tuple[Link, Link]] = {}
        self._on: dict[Link, dict[VmId, None]] = {}

    def __contains__(self, vm: VmId) -> bool:
        return vm in self._of

    def add(self, vm: VmId, source: HostId, target: HostId) -> None:
        """The VM's memory is copied from now on."""
        self._of[vm] = (("out", source), ("in", target))
        for link in self._of[vm]:
            self._on.setdefault(link, {})[vm] = None

    def remove(self, vm: VmId) -> None:
        """It is not, or no longer."""
        for link in self._of.pop(vm, ()):
            del self._on[link][vm]

    def beside(self, vm: VmId) -> set[VmId]:
        """All flows whose share hangs on this one's, itself included; empty if it does not copy."""
        found: set[VmId] = set()
        todo = [vm] if vm in self._of else []
        while todo:
            one = todo.pop()
            if one in found:
                continue
            found.add(one)
            todo += [other for link in self._of[one] for other in self._on[link] if other not in found]
        return found

    def shares(self, vms: Collection[VmId], state: State) -> dict[VmId, float]:
        """Bytes per second of each of these flows, which share links with no others; stalled ones get their
        share and make nothing of it."""
        found: dict[VmId, float] = {}
        left = {link: _capacity(state, link) for vm in vms for link in self._of[vm]}
        waiting = {link: dict(self._on[link]) for link in left}
        narrowest = [(left[link] / len(waiting[link]), place, link) for place, link in enumerate(left)]
        heapify(narrowest)
        while narrowest:
            told, place, narrow = heappop(narrowest)
            if not waiting[narrow]:
                continue
            share = left[narrow] / len(waiting[narrow])
            if share > told:  # wider since others on it are served: each link's share only grows
                heappush(narrowest, (share, place, narrow))
                continue
            for vm in list(waiting[narrow]):
                found[vm] = 0.0 if _stalled(state, vm) else share
                for link in self._of[vm]:
                    left[link] = max(0.0, left[link] - share)
                    del waiting[link][vm]
        return found


def rates(state: State, vms: Iterable[tuple[VmId, HostId, HostId]]) -> dict[VmId, float]:
    """Bytes per second of each flow: VM, from, to."""
    flows = Links()
    for vm, source, target in vms:
        flows.add(vm, source, target)
    found: dict[VmId, float] = {}
    for vm in flows._of:
        if vm not in found:
            found |= flows.shares(flows.beside(vm), state)
    return found


def _capacity(state: State, link: Link) -> float:
    bits = state.hosts[link[1]].base.migration_bits_per_second or state.link_bits_per_second
    return GOODPUT * bits / 8


def _stalled(state: State, vm: VmId) -> bool:
    flight = state.vms[vm].flight
    return flight is not None and (flight.stalled or state.cut(state.vms[vm].host, flight.target))
