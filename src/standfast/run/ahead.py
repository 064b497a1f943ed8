"""What is done for the next wave while the one before it is still out: nothing that would take it out too.

The state of its hosts is noted, they are examined, and those of their VMs go that the plan sends to hosts
already patched, over links that nobody before them needs. They would go a minute later anyhow, to the same
places; now nobody waits for them. The hosts are not cordoned and not out: should the run end here, their VMs
only run elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Before:
    """What the hosts that are out leave for the next wave; the same for each of its hosts."""

    preparing: bool
    """Some neither send VMs yet nor are empty."""
    nearly_over: bool
    to_come: int
    """Moves that they have still to begin."""
    wanted: frozenset[HostId]
    """Where they have a VM under way or to send."""

    @classmethod
    def of(cls, view: View, rows: Sequence[HostRow]) -> Before:
        sending = [row for row in rows if row.phase not in EMPTY_PHASES]
        to_come = [target for row in sending for target in draining.still_to_go(view, row)]
        hosts = {row.host for row in sending}
        under_way = (move.target for move in view.started if move.source in hosts)
        return cls(
            preparing=any(row.phase != Phase.DRAINING for row in sending),
            nearly_over=all(row.phase in LAST_PHASES for row in rows),
            to_come=len(to_come),
            wanted=frozenset((*to_come, *under_way)),
        )


def ahead(view: View, row: HostRow, before: Before) -> tuple[Action, ...]:
    """For a host of the next wave, while none before it is `preparing`. Empty: nothing to do ahead."""
    if row.scan_before is None or row.health_before is None:
        noted = state_before(view, row)
        if noted:
            return noted
    scan = row.scan_before
    if scan is None or scan.interrupted or compliant(scan, view.policy):
        return ()
    exams = examined.ask_ahead(view, row) if before.nearly_over else ()
    return exams + _moves(view, row, before)


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


def _moves(view: View, row: HostRow, before: Before) -> tuple[Action, ...]:
    """Moves of the plan whose target is patched and takes VMs, as far as limits, rules and headroom allow.

    Hosts that still send come first: none goes where they have a VM under way or to send, and what they have
    to send keeps its place among the moves at once. Each is tried once: what fails here is tried again, and
    counted, when it is the host's turn.
    """
    going: list[tuple[Vm, HostId]] = []
    under_way = len(view.started) + before.to_come
    # What most often forbids all of them comes first: a large wave asks for thousands at each tick.
    if not links.may_leave(view, row.host, under_way):
        return ()
    if view.patched.isdisjoint(view.run.plan.targets.get(row.host, {}).values()):
        return ()
    tried = {move.vm for move in view.run.moves_of.get(row.host, ())}
    for vm in sorted(view.snapshot.vms_on(row.host), key=lambda vm: (-vm.memory_bytes, vm.name)):
        target = draining.planned_target(view, row, vm)
        if target is None or target in before.wanted or vm.flight is not None or vm.id in tried:
            continue
        if vm.id == view.snapshot.rules.controller:
            continue  # the last to leave its host, which not all of the others may do ahead
        if _may_go(view, vm, target, under_way + len(going)):
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
        and links.may_fly(view, vm, target, under_way)
        and not blockers.of_vm(vm)
        and not blockers.of_move(view.board, vm, target)
        and _lifted(view, vm, target)
    )


def _lifted(view: View, vm: Vm, target: HostId) -> bool:
    """Count the VM on both ends, if the reserve holds with it; else leave the board as it was."""
    view.board.lift(vm.id, target)
    if headroom.reserve(view.board, view.out) is None:
        return True
    view.board.drop(vm.id)
    return False
