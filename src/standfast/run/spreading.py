"""At the end of a run the last host gets its share: the planner's spreading, a few moves at a time."""

from __future__ import annotations

from standfast.model.moves import Purpose
from standfast.model.run import MoveRow
from standfast.plan import blockers
from standfast.plan.spread import spreading
from standfast.run import draining, links
from standfast.run.actions import Action
from standfast.run.seen import View


def spread(view: View) -> tuple[Action, ...]:
    """The next moves of the final spreading; empty when nothing is gained by more.

    Every VM is spread at most once and a failed one is left where it is, so this ends.
    """
    tried = {move.vm for move in view.run.moves_of.get(None, ())}
    if any(_is_spreading(move) for move in view.started):
        return ()
    eligible = view.patched & frozenset(host.id for host in view.snapshot.hosts if host.reachable)
    found: list[Action] = []
    wanted = spreading(view.board, view.policy, eligible=eligible, still=tried)
    for vm_id, source, target in wanted.moves if wanted.overlap else wanted.moves[:1]:
        vm = view.snapshot.vm(vm_id)
        if vm is None or vm.host != source or blockers.of_vm(vm):
            continue
        if blockers.of_move(view.board, vm, target):
            continue
        if not links.may_fly(view, vm, target, len(found)):
            continue
        move = draining.new_move(view, vm, target, Purpose.REBALANCE, None, len(found))
        found.append(draining.start(view, vm, move))
        view.board.lift(vm.id, target)
    return tuple(found)


def _is_spreading(move: MoveRow) -> bool:
    return move.step is None
