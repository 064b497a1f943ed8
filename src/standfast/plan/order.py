"""In which order hosts get their turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId
from standfast.plan.board import Board


def order(cluster: Snapshot | Board, hosts: Iterable[HostId]) -> tuple[HostId, ...]:
    """Fewest VMs first, then least memory held, then by name.

    The VMs of the first host land on hosts that are still to come and move a second time, so the host with
    the fewest goes first; those after it find patched hosts to go to.
    """
    board = Board.of(cluster)
    return tuple(
        sorted(hosts, key=lambda host: (len(board.residents[host]), board.held[host], board.name(host), host))
    )


def in_order(
    cluster: Snapshot | Board, hosts: Iterable[HostId], first: Sequence[HostId]
) -> tuple[HostId, ...]:
    """`order`, with those of `first` before all others, as they stand there."""
    ordered = order(cluster, hosts)
    led = tuple(host for host in first if host in ordered)
    return led + tuple(host for host in ordered if host not in led)
