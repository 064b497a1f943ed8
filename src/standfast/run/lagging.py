"""A move whose VM writes memory faster than it can be copied: seen in the live statistics, and what is done.

It is waited for first, since most bursts end. Then what the policy allows is done, each once: the VM may be
dark for longer (`blackout_budget_max_seconds`), or the hypervisor, told so at the start, slows the VM down
(`auto_converge`). Where nothing is allowed or nothing has helped, the attempt is ended early; the VM runs on
where it is, and its link is free for others. Post-copy is not among these: while it lasts, the loss of a host
or of the link loses the VM.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.model.cluster import Vm
from standfast.model.reasons import Code, Reason
from standfast.model.run import MoveRow
from standfast.model.units import size, span
from standfast.plan.blackout import budget_seconds
from standfast.run.actions import Action, AllowBlackout, CancelMove
from standfast.run.seen import View, order_of
from standfast.store.changes import NewEvent, PutMove

ROUNDS = 3
"""Earlier rounds say nothing: the first one copies all that there is."""

SHARE = 0.9
"""Of the link's rate: a VM that dirties as much leaves no end in sight."""


def told(move: MoveRow) -> bool:
    """It has been said of this attempt, and what was allowed has been done."""
    return move.reason is not None and move.reason.code is Code.MOVE_LAGGING


def lags(vm: Vm) -> bool:
    """Seen now to write as fast as it is copied, or faster."""
    flight = vm.flight
    return (
        flight is not None
        and flight.iteration >= ROUNDS
        and flight.bytes_per_second > 0
        and flight.dirty_bytes_per_second >= SHARE * flight.bytes_per_second
    )


def handle(view: View, move: MoveRow, vm: Vm) -> tuple[Action, ...]:
    """What is done about a move under way; empty where it needs nothing."""
    patience, age = view.policy.lagging_seconds, view.now - move.started_at
    if move.cancel_asked or age < patience or not lags(vm):
        return ()
    if not told(move):
        return (_tell(view, move, vm),)
    if age < 2 * patience or view.policy.auto_converge:
        return ()  # slowed down a little more at each round, until its time is over
    text = f"{vm.name}: {_rates(vm)}: giving this attempt up, the VM stays where it runs"
    event = NewEvent("move_cancelled", text, host=move.source, vm=move.vm, data={"move": move.id})
    return (Action((PutMove(replace(move, cancel_asked=True)),), (event,), CancelMove(order_of(move))),)


def allowed_seconds(view: View, vm: Vm) -> float:
    """The longest black-out that a lagging move of this VM may have. A budget of its own is not raised."""
    budget = budget_seconds(vm, view.policy)
    if vm.blackout_budget_seconds is not None:
        return budget
    return max(budget, view.policy.blackout_budget_max_seconds)


def _tell(view: View, move: MoveRow, vm: Vm) -> Action:
    """Said once, with what is done about it."""
    allowed, doing = allowed_seconds(view, vm), []
    raised = allowed > budget_seconds(vm, view.policy)
    if raised:
        doing.append(f"it may be dark for up to {span(allowed)} now")
    if view.policy.auto_converge:
        doing.append("it is slowed down until it can be")
    text = f"{vm.name} {_rates(vm)}: {', '.join(doing) or 'waiting for it to calm down'}"
    noted = replace(move, reason=Reason(Code.MOVE_LAGGING, f"{vm.name} {_rates(vm)}.", vm=vm.id))
    event = NewEvent("move_lagging", text, host=move.source, vm=move.vm, data={"move": move.id})
    return Action((PutMove(noted),), (event,), AllowBlackout(order_of(move), allowed) if raised else None)


def _rates(vm: Vm) -> str:
    assert vm.flight is not None
    writes, copied = vm.flight.dirty_bytes_per_second, vm.flight.bytes_per_second
    return f"writes {size(writes)} a second and is copied at {size(copied)} a second"


def why(move: MoveRow, vm: Vm, place: str) -> Reason:
    """Why an attempt was given up, with what would help the next one."""
    said = move.reason.sentence.rstrip(".") if move.reason is not None else f"{vm.name} writes too fast"
    mend = "Move it when it is quieter, or allow more: `blackout_budget_max_seconds`, `auto_converge`."
    return Reason(Code.MOVE_LAGGING, f"{said}; it was left on {place}.", mend, vm=vm.id)
