"""Emptying one host, tried on the board move by move, with every rule held on the way."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Reason
from standfast.plan.board import Board
from standfast.plan.headroom import reserve
from standfast.plan.place import Taste, choose


def drain(
    board: Board, host: HostId, *, patched: frozenset[HostId], order: Sequence[HostId]
) -> tuple[tuple[VmId, HostId], ...] | Reason:
    """Moves (VM, target) that empty `host`, done on the board; or why there are none, the board unchanged.

    The VMs with the fewest possible hosts go first, then the largest: they are the hardest to place. Where
    the usual taste in targets finds no way, or leaves no reserve, the others are tried; the first one's
    reason is given if all fail.
    """
    first: Reason | None = None
    for taste in Taste:
        result = _try(board, host, patched, order, taste)
        if not isinstance(result, Reason):
            return result
        first = first or result
    assert first is not None
    return first


def _try(
    board: Board, host: HostId, patched: frozenset[HostId], order: Sequence[HostId], taste: Taste
) -> tuple[tuple[VmId, HostId], ...] | Reason:
    peak = board.peak_fraction
    moves: list[tuple[VmId, HostId]] = []
    failed: Reason | None = None
    for vm in sorted(
        board.on(host),
        key=lambda vm: (len(board.able(vm)), vm.id not in board.groups, -vm.memory_bytes, vm.name),
    ):
        target = choose(board, vm, patched=patched, avoid=frozenset({host}), order=order, taste=taste)
        if isinstance(target, Reason):
            failed = target
            break
        board.move(vm.id, target)
        moves.append((vm.id, target))
    if failed is None:
        failed = reserve(board, frozenset({host}))
    if failed is None:
        return tuple(moves)
    for moved, _ in reversed(moves):
        board.move(moved, host)
    board.peak_fraction = peak
    return failed
