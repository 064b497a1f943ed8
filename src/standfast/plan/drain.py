"""Emptying the hosts of one wave, tried on the board move by move, with every rule held on the way."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.model.cluster import Vm
from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Reason
from standfast.plan.board import Board
from standfast.plan.headroom import reserve
from standfast.plan.place import Taste, choose

Step = tuple[VmId, HostId, HostId]
"""(VM, source, target)"""


def drain(
    board: Board,
    hosts: Sequence[HostId],
    *,
    patched: frozenset[HostId],
    order: Sequence[HostId],
    out: frozenset[HostId] = frozenset(),
) -> tuple[Step, ...] | Reason:
    """Moves that empty all of `hosts`, done on the board; or why there are none, the board unchanged.

    No move goes to a host that is to be emptied as well, so the moves may be made in any order and at once.
    Hosts of `out` take none either, and count as lost.
    The VMs with the fewest possible hosts go first, then the largest: they are the hardest to place. Where
    the usual taste in targets finds no way, or leaves no reserve, the others are tried; the first one's
    reason is given if all fail.
    """
    first: Reason | None = None
    for taste in Taste:
        result = _try(board, hosts, out.union(hosts), patched, order, taste)
        if not isinstance(result, Reason):
            return result
        first = first or result
    assert first is not None
    return first


def _try(
    board: Board,
    hosts: Sequence[HostId],
    out: frozenset[HostId],
    patched: frozenset[HostId],
    order: Sequence[HostId],
    taste: Taste,
) -> tuple[Step, ...] | Reason:
    peak = board.peak_fraction
    moves: list[Step] = []
    failed: Reason | None = None
    leaving = (vm for host in hosts for vm in board.leaving(host))
    for vm in sorted(leaving, key=lambda vm: _hardest(board, vm)):
        target = choose(board, vm, patched=patched, avoid=out, order=order, taste=taste)
        if isinstance(target, Reason):
            failed = target
            break
        moves.append((vm.id, board.where[vm.id], target))
        board.move(vm.id, target)
    if failed is None:
        failed = reserve(board, out)
    if failed is None:
        return tuple(moves)
    for moved, source, _ in reversed(moves):
        board.move(moved, source)
    board.peak_fraction = peak
    return failed


def _hardest(board: Board, vm: Vm) -> tuple[object, ...]:
    return (len(board.able(vm)), vm.id not in board.groups, -vm.memory_bytes, vm.name)
