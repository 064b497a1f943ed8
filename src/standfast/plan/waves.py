"""Which hosts go together: as wide as the policy lets a wave be, as far as capacity and rules allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from standfast.model.ids import HostId
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.plan.board import Board
from standfast.plan.drain import Step, drain

CLIMB = 2
"""The second wave is so many times as wide as the first one at most; the third has full width."""


@dataclass(frozen=True, slots=True)
class Together:
    """Hosts that were emptied on the board at once, with their moves (VM, source, target) in order."""

    hosts: tuple[HostId, ...]
    moves: tuple[Step, ...]


def width(policy: Policy, hosts: int, number: int) -> int:
    """How many of `hosts` hosts may be out in wave `number` (from 0) at most."""
    share = max(2, int(policy.wave_hosts_fraction * hosts))
    most = max(1, min(policy.wave_hosts_max, share))
    if policy.canary_hosts <= 0 or number > 1:
        return most
    return min(most, policy.canary_hosts * (CLIMB if number else 1))


def next_wave(
    board: Board,
    left: Sequence[HostId],
    *,
    most: int,
    patched: frozenset[HostId],
    out: frozenset[HostId] = frozenset(),
) -> Together | tuple[tuple[HostId, Reason], ...]:
    """The next wave out of `left` (in the order of turns), emptied on the board; or why no host can go.

    The first host that can be emptied leads, and as many as may follow it in order. Where these can't all be
    out at once, fewer are tried. Hosts of `out` hold no VM and count as lost besides.
    """
    refused: list[tuple[HostId, Reason]] = []
    for index, leader in enumerate(left):
        found = _led_by(board, left[index:], most, patched, out)
        if isinstance(found, Together):
            return found
        refused.append((leader, found))
    return tuple(refused)


def _led_by(
    board: Board, left: Sequence[HostId], most: int, patched: frozenset[HostId], out: frozenset[HostId]
) -> Together | Reason:
    """The widest wave of hosts from the first on; or why that one can't go alone."""
    for size in range(min(most, len(left)), 0, -1):
        hosts = tuple(left[:size])
        turns = [other for other in left if other not in hosts]
        result = drain(board, hosts, patched=patched, order=turns, out=out)
        if not isinstance(result, Reason):
            return Together(hosts, result)
        why = result
    return why
