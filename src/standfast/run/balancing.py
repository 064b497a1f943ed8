"""Carrying out a plan that only moves VMs: exactly the moves that were approved, as far as they still may be.

Nothing is planned anew here. A move that may no longer be made is left out and told; the run ends without it.
"""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import HostId
from standfast.model.moves import Purpose
from standfast.model.plan import PlannedMove
from standfast.model.run import MoveState, Run
from standfast.plan import blockers, headroom
from standfast.plan.board import Board
from standfast.run import draining, links
from standfast.run.actions import Action
from standfast.run.seen import View


def carry_out(view: View) -> tuple[Action, ...]:
    """The next of the planned moves; empty where none is left that may be made, and none is under way.

    Each is tried once. At each host they go in the planned order: each host then passes through the states
    that the plan was checked in, and one that lacks room for the moment waits for those before it.
    """
    found: list[Action] = []
    snapshot, board = view.snapshot, view.board
    blocked: set[HostId] = set()
    for move in to_come(view.run):
        ends, under_way = {move.source, move.target}, len(view.started) + len(found)
        if under_way >= view.policy.moves_at_once:
            break
        vm = _there(snapshot, move)
        if vm is None:
            continue
        if ends & blocked or not links.may_fly(view, vm, move.target, under_way):
            blocked |= ends
            continue
        if blockers.of_move(board, vm, move.target) or not _lifted(board, move):
            blocked |= ends
            continue
        row = draining.new_move(view, vm, move.target, Purpose.REBALANCE, None, len(found))
        found.append(draining.start(view, vm, row))
    return tuple(found)


def _there(snapshot: Snapshot, move: PlannedMove) -> Vm | None:
    """The VM, if it is where the plan has it and can be moved at all, and its target is still there."""
    vm = snapshot.vm(move.vm)
    if vm is None or vm.host != move.source or vm.flight is not None or blockers.of_vm(vm):
        return None
    return vm if any(host.id == move.target for host in snapshot.hosts) else None


def _lifted(board: Board, move: PlannedMove) -> bool:
    """Count the VM on both ends, if the reserve holds with it; else leave the board as it was."""
    board.lift(move.vm, move.target)
    if headroom.reserve(board, frozenset()) is None:
        return True
    board.drop(move.vm)
    return False


def to_come(run: Run) -> Iterator[PlannedMove]:
    """Planned moves that were not tried yet, in order."""
    tried = {row.vm for row in run.moves}
    return (move for move in run.plan.rebalance if move.vm not in tried)


def not_done(run: Run) -> tuple[str, ...]:
    """Names of VMs that were to be moved and were not, in the planned order."""
    done = {row.vm for row in run.moves if row.state is MoveState.DONE}
    return tuple(move.vm_name for move in run.plan.rebalance if move.vm not in done)
