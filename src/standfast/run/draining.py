"""Evacuating a host: which VM next, where to, and what to do when one can't go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from standfast.model.cluster import Vm
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import Purpose
from standfast.model.plan import PlanKind
from standfast.model.reasons import Code, Reason
from standfast.model.run import ENDED_PHASES, HostRow, MoveRow, MoveState, Phase
from standfast.plan import blockers, place
from standfast.plan.blackout import budget_seconds
from standfast.plan.evacuate import urgency
from standfast.run import absent, cordons, foretell, links, shutting, stalled
from standfast.run.actions import Action, StartMove
from standfast.run.seen import View, order_of
from standfast.run.steps import enter, hold_for, leaving
from standfast.store.changes import Change, NewEvent, PutMove, TakeJournal


def is_empty(view: View, row: HostRow) -> bool:
    """No VM is active on the host, by the platform and by the host's own count, and none is under way."""
    facts = view.facts(row)
    return (
        facts is not None
        and facts.active_vms == 0
        and not view.snapshot.vms_on(row.host)
        and row.host not in view.moving
    )


def draining(view: View, row: HostRow) -> tuple[Action, ...]:
    """Start moves as far as limits and rules allow, until the host is seen empty."""
    if view.host(row) is None:
        return absent.silent(view, row)
    why = leaving(view, row)
    if why:
        return cordons.give_back(view, row, Phase.ROLLED_BACK, f"given back unpatched: {why}")
    if is_empty(view, row):
        return (enter(view, row, Phase.EMPTY, "empty"),)
    if not view.may_start:
        return ()
    back = cordons.put_up(view, row)
    return back or _start_moves(view, row) or shutting.shut_down(view, row) or stalled.uncounted(view, row)


def _start_moves(view: View, row: HostRow) -> tuple[Action, ...]:
    """As many moves as may begin now; each one counts for the next. Held when one can't go at all.

    In an evacuation the others go first, whatever keeps one: every VM that has left a failing host is safe.
    """
    may_leave = links.may_leave(view, row.host, len(view.started))
    if not may_leave and view.started:
        return ()  # none can go now, and while some are on their way nothing is held
    found: list[Action] = []
    kept: Reason | None = None
    taken = _links_taken(view, row)
    for vm in _in_order(view, row):
        if not may_leave and found:
            return tuple(found)
        if vm.flight is not None or shutting.awaited(view, row, vm) or not _due(view, row, vm):
            continue
        if vm.id == view.snapshot.rules.controller and _not_last(view, row, vm, kept):
            continue
        stuck = _stuck(view, row, vm)
        if stuck is not None and stuck.code is Code.VM_BUSY and _may_wait(view, row):
            continue
        if stuck is None and not may_leave:
            continue
        target = stuck or choose_target(view, row, vm)
        if isinstance(target, Reason):
            kept = kept or target
            may_get_room = stuck is None and (view.started or found)
            if may_get_room or view.run.plan.kind is PlanKind.EVACUATE:
                continue
            break
        if target in taken:
            continue
        if not links.may_fly(view, vm, target, len(view.started) + len(found)):
            continue
        move = new_move(view, vm, target, Purpose.EVACUATE, row.host, len(found))
        found.append(start(view, vm, move))
        view.board.lift(vm.id, target)
        may_leave = links.may_leave(view, row.host, len(view.started) + len(found))
    if kept is None and not found:
        kept = stalled.moved_by_others(view, row)
    if kept is None or found or view.started or _waits(view, row):
        return tuple(found)
    return hold_for(view, row, kept)


def still_to_go(view: View, row: HostRow) -> Sequence[HostId]:
    """Where the plan sends each VM of the host that has not begun to move. Worked out once in a round: all
    others that are being emptied ask."""
    known: dict[HostId, Sequence[HostId]] = view.worked_out.setdefault("still_to_go", {})
    if row.host not in known:
        waiting = (vm for vm in view.snapshot.vms_on(row.host) if vm.flight is None)
        targets = (planned_target(view, row, vm) for vm in waiting)
        known[row.host] = tuple(target for target in targets if target is not None)
    return known[row.host]


def _links_taken(view: View, row: HostRow) -> frozenset[HostId]:
    """Targets that a host earlier in the order is sending to, with more VMs to follow.

    Two hosts that send to one at the same time are both empty only when nearly all has been sent; one after
    the other, the first is patched meanwhile and the second is no later for it.
    """
    return frozenset(target for target, first in _first_sender(view).items() if first < row.position)


def _first_sender(view: View) -> Mapping[HostId, int]:
    """Of each host that one being emptied is sending to, with more to follow: the place of the first such.
    Worked out once in a round, for moves that begin in it as they are counted."""
    counted: int
    found: dict[HostId, int]
    counted, found = view.worked_out.get("first_sender", (0, {}))
    if counted < len(view.started):
        rows = view.run.row_of
        for move in view.started[counted:]:
            other = rows.get(move.source)
            if other is not None and other.phase == Phase.DRAINING:
                first = found.get(move.target)
                if (first is None or other.position < first) and move.target in still_to_go(view, other):
                    found[move.target] = other.position
        view.worked_out["first_sender"] = (len(view.started), found)
    return found


def _in_order(view: View, row: HostRow) -> list[Vm]:
    """As the plan has them, and those that it does not know before them, large ones first: they are the
    hardest to place. In an evacuation the most urgent ones. The VM that this controller runs in comes last of
    all: until then its own black-out can spoil nothing."""
    vms, own = view.snapshot.vms_on(row.host), view.snapshot.rules.controller
    if view.run.plan.kind is PlanKind.EVACUATE:
        return sorted(vms, key=lambda vm: (vm.id == own, urgency(view.snapshot, vm)))
    step = view.run.plan.step_of.get(row.host)
    begins = {move.vm: move.start_seconds or 0.0 for move in step.moves} if step is not None else {}
    return sorted(vms, key=lambda vm: (vm.id == own, begins.get(vm.id, -1.0), -vm.memory_bytes, vm.name))


def _not_last(view: View, row: HostRow, own: Vm, kept: Reason | None) -> bool:
    """Others are still to leave before the controller's own VM, or are on their way. One that can't leave an
    evacuated host is not waited for."""
    others = [
        vm for vm in view.snapshot.vms_on(row.host) if vm.id != own.id and not shutting.awaited(view, row, vm)
    ]
    if view.run.plan.kind is PlanKind.EVACUATE and kept is not None:
        return any(vm.id in view.board.flights for vm in others)
    return bool(others)


def _waits(view: View, row: HostRow) -> bool:
    """In an evacuation, some VM is to be tried again later."""
    later = (vm for vm in view.snapshot.vms_on(row.host) if not _due(view, row, vm))
    return view.run.plan.kind is PlanKind.EVACUATE and any(True for _ in later)


def _tries(view: View, row: HostRow, vm: Vm) -> Sequence[MoveRow]:
    """Failed attempts in this turn of the host. Read once in a round: each of its VMs asks, several times."""
    known: dict[HostId, dict[VmId, list[MoveRow]]] = view.worked_out.setdefault("tries", {})
    if row.host not in known:
        of_vm: dict[VmId, list[MoveRow]] = {}
        for move in view.run.moves_of.get(row.host, ()):
            if move.state is MoveState.FAILED and move.started_at >= row.since:
                of_vm.setdefault(move.vm, []).append(move)
        known[row.host] = of_vm
    return known[row.host].get(vm.id, ())


def _due(view: View, row: HostRow, vm: Vm) -> bool:
    """The wait after a failed attempt is over."""
    tries = _tries(view, row, vm)
    if not tries:
        return True
    waits = view.policy.move_backoff_seconds
    wait = waits[min(len(tries), len(waits)) - 1] if waits else 0.0
    return view.now >= (tries[-1].ended_at or 0.0) + wait


def _may_wait(view: View, row: HostRow) -> bool:
    return view.now - row.since < view.policy.busy_timeout_seconds


def _stuck(view: View, row: HostRow, vm: Vm) -> Reason | None:
    """Why this VM can't be moved at all, or no longer may be tried."""
    against = shutting.against(view, vm)
    if against is not None:
        return against
    tries = _tries(view, row, vm)
    if len(tries) < view.policy.move_attempts:
        return None
    why = tries[-1].reason
    return Reason(
        Code.MOVE_FAILED,
        f"{vm.name} could not be moved off {row.name} in {len(tries)} attempts, the last one: "
        f"{why.sentence if why else 'no cause known'}",
        "Move it by hand or mend the cause, then resume.",
        host=row.host,
        vm=vm.id,
    )


def choose_target(view: View, row: HostRow, vm: Vm) -> HostId | Reason:
    """The planned target while it is still right, else the planner's choice; a failed target comes last."""
    failed = {move.target for move in _tries(view, row, vm)}
    board, avoid = view.board, view.out | {row.host}
    planned = planned_target(view, row, vm)
    if planned is not None and planned not in avoid | failed and not blockers.of_move(board, vm, planned):
        return planned
    choice = place.choose(board, vm, patched=view.patched, avoid=avoid | failed, order=turn_order(view))
    if isinstance(choice, Reason) and failed:
        return place.choose(board, vm, patched=view.patched, avoid=avoid, order=turn_order(view))
    return choice


def planned_target(view: View, row: HostRow, vm: Vm) -> HostId | None:
    """Where the plan sends this VM in the host's turn; None for one that the plan did not know."""
    return view.run.plan.targets.get(row.host, {}).get(vm.id)


def turn_order(view: View) -> tuple[HostId, ...]:
    """Hosts whose turn is still to come, the next one first."""
    return tuple(row.host for row in view.run.in_order if row.phase not in ENDED_PHASES)


def new_move(
    view: View, vm: Vm, target: HostId, purpose: Purpose, step: HostId | None, ahead: int
) -> MoveRow:
    """The row of one attempt, with its prediction and the deadline that follows from it."""
    policy = view.policy
    predicted = foretell.foretell(view, vm, target)
    expected = policy.move_timeout_factor * predicted.brownout_p95_seconds
    allowed = max(policy.move_timeout_floor_seconds, expected)
    number = len(view.run.moves) + len(view.begun) + ahead + 1
    attempt = 1 + sum(move.vm == vm.id for move in view.run.moves_of.get(step, ()))
    return MoveRow(
        id=MoveId(f"{view.run.id}-{number:04d}"),
        vm=vm.id,
        vm_name=vm.name,
        source=vm.host,
        target=target,
        purpose=purpose,
        step=step,
        attempt=attempt,
        state=MoveState.STARTED,
        started_at=view.now,
        deadline_at=view.now + allowed,
        predicted=predicted,
    )


def start(view: View, vm: Vm, move: MoveRow) -> Action:
    """Write the attempt and what it borrows, then ask the platform."""
    changes: list[Change] = [PutMove(move)]
    if vm.autostart:
        # The definition leaves the source with its autostart flag, and arrives without one.
        changes.append(TakeJournal(move.source, "autostart", vm.id, {"autostart": True, "vm": vm.name}))
    to = view.snapshot.host_name(move.target)
    text = f"{vm.name}: moving {view.snapshot.host_name(move.source)} -> {to}"
    budget = budget_seconds(vm, view.policy)
    data = {"move": move.id, "to": move.target, "blackout_budget_seconds": budget}
    event = NewEvent("move_started", text, host=move.source, vm=vm.id, data=data)
    order = replace(
        order_of(move),
        blackout_budget_seconds=budget,
        auto_converge=view.policy.auto_converge,
    )
    return Action(tuple(changes), (event,), StartMove(order))
