"""How many moves no plan can do without, from the snapshot alone."""

from __future__ import annotations

from collections.abc import Collection
from itertools import accumulate

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId
from standfast.plan.board import Board


def moves_at_least(cluster: Snapshot | Board, hosts: Collection[HostId]) -> int:
    """A lower bound on the moves that empty each of `hosts` once.

    Every VM on them moves: n. Those of the first one drained move again, unless hosts that are not to be
    done take them: N >= n + min over h of what these can't take. They are taken to have all their free memory
    in one piece; making them room by moving one of their own VMs away costs two moves, there and off again.
    The bound leaves the final spreading out.
    """
    board = Board.of(cluster)
    if not hosts:
        return 0
    total = sum(len(board.leaving(host)) for host in hosts)
    exempt = [
        host for host in board.hosts.values() if host.id not in hosts and host.reachable and not host.cordoned
    ]
    free = sum(
        max(0, int(board.rules.memory_ceiling * host.memory_bytes) - board.held[host.id]) for host in exempt
    )
    theirs = sorted(
        (board.vms[vm].memory_bytes for host in exempt for vm in board.residents[host.id]), reverse=True
    )
    room = [free, *(free + more for more in accumulate(theirs))]
    return total + min(_again(board, host, room) for host in hosts)


def _again(board: Board, host: HostId, room: list[int]) -> int:
    """Least number of second moves if `host` is drained first; `room[k]` is there after k evictions."""
    needs = list(accumulate(sorted(vm.memory_bytes for vm in board.leaving(host))))
    best = len(needs)
    for evicted, space in enumerate(room):
        if 2 * evicted >= best:
            break
        best = min(best, 2 * evicted + sum(need > space for need in needs))
    return best
