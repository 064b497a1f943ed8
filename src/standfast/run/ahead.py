"""What is done for the next wave while the one before it is still out: nothing that would take it out too.

The state of its hosts is noted, they are examined, and those of their VMs go that the plan sends to hosts
already patched, over links that nobody before them needs. They would go a minute later anyhow, to the same
places; now nobody waits for them. The hosts are not cordoned and not out: should the run end here, their VMs
only run elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from standfast.model.cluster import Vm
from standfast.model.ids import HostId
from standfast.model.moves import Purpose
from standfast.model.run import HostRow, Phase
from standfast.model.units import count
from standfast.plan import blockers, headroom
from standfast.plan.reboots import compliant
from standfast.run import draining, examined, links
from standfast.run.actions import Action, Ask, Question
from standfast.run.seen import View
from standfast.run.steps import note

EMPTY_PHASES = frozenset(
    {Phase.EMPTY, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING, Phase.DONE}
)
"""Phases of a host that needs no migration slot any more."""

LAST_PHASES = frozenset({Phase.VERIFYING, Phase.REFILLING, Phase.DONE})
"""Phases of a host that the next one does not wait for much longer."""


def ahead(view: View, row: HostRow, before: Sequence[HostRow]) -> tuple[Action, ...]:
    """For a host of the next wave, once those before it send VMs or are empty. Empty: nothing to do ahead."""
    if any(other.phase not in (Phase.DRAINING, *EMPTY_PHASES) for other in before):
        return ()
    if row.scan_before is None or row.health_before is None:
        noted = state_before(view, row)
        if noted:
            return noted
    scan = row.scan_before
    if scan is None or scan.interrupted or compliant(scan, view.policy):
        return ()
    exams = examined.ask_ahead(view, row) if all(other.phase in LAST_PHASES for other in before) else ()
    return exams + _moves(view, row, [other for other in before if other.phase not in EMPTY_PHASES])


def state_before(view: View, row: HostRow) -> tuple[Action, ...]:
    """Ask for pending updates and health until both are on record."""
    scan = row.scan_before or view.seen.scans.get(row.host)
    health = row.health_before or view.seen.healths.get(row.host)
    if scan is not row.scan_before or health is not row.health_before:
        pending = f"{count(len(scan.pending), 'update')} pending" if scan is not None else "state noted"
        return (note(row, "state_before", pending, scan_before=scan, health_before=health),)
    questions = [
        Ask(row.host, question)
        for question, answer in ((Question.SCAN, scan), (Question.HEALTH, health))
        if answer is None
    ]
    return tuple(Action(call=ask) for ask in questions if view.free_to_call(row, ask.key))


def _moves(view: View, row: HostRow, sending: Sequence[HostRow]) -> tuple[Action, ...]:
    """Moves of the plan whose target is patched and takes VMs, as far as limits, rules and headroom allow.

    Hosts still `sending` come first: none goes where they have a VM under way or to send, and what they have
    to send keeps its place among the moves at once. Each is tried once: what fails here is tried again, and
    counted, when it is the host's turn.
    """
    going: list[tuple[Vm, HostId]] = []
    if view.patched.isdisjoint(view.run.plan.targets.get(row.host, {}).values()):
        return ()
    tried = {move.vm for move in view.run.moves_of.get(row.host, ())}
    to_come = [target for other in sending for target in draining.still_to_go(view, other)]
    before = {other.host for other in sending}
    wanted = {*to_come, *(move.target for move in view.started if move.source in before)}
    for vm in sorted(view.snapshot.vms_on(row.host), key=lambda vm: (-vm.memory_bytes, vm.name)):
        target = draining.planned_target(view, row, vm)
        if target is None or target in wanted or vm.flight is not None or vm.id in tried:
            continue
        if _may_go(view, vm, target, len(view.started) + len(to_come) + len(going)):
            going.append((vm, target))
    # Made once all of them count as on their way, so that each is foretold beside the others.
    return tuple(
        draining.start(view, vm, draining.new_move(view, vm, target, Purpose.EVACUATE, row.host, number))
        for number, (vm, target) in enumerate(going)
    )


def _may_go(view: View, vm: Vm, target: HostId, under_way: int) -> bool:
    """It may, and is counted on both ends from now on."""
    return (
        target in view.patched
        and target not in view.out
        and not blockers.of_vm(vm)
        and not blockers.of_move(view.board, vm, target)
        and links.may_fly(view, vm, target, under_way)
        and _lifted(view, vm, target)
    )


def _lifted(view: View, vm: Vm, target: HostId) -> bool:
    """Count the VM on both ends, if the reserve holds with it; else leave the board as it was."""
    view.board.lift(vm.id, target)
    if headroom.reserve(view.board, view.out) is None:
        return True
    view.board.drop(vm.id)
    return False
