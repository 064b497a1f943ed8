"""Moves under way, judged by where the VM runs now; and what moves borrow, given back."""

from __future__ import annotations

from dataclasses import replace

from standfast.model.cluster import Vm, VmState
from standfast.model.hostwork import Setting
from standfast.model.ids import VmId
from standfast.model.moves import MoveOutcome, MoveRecord, OutcomeKind
from standfast.model.reasons import Code, Reason
from standfast.model.run import JournalRow, MoveRow, MoveState
from standfast.model.units import span
from standfast.plan.blackout import budget_seconds
from standfast.run import lagging
from standfast.run.actions import Action, CancelMove, GiveBack, StartMove
from standfast.run.seen import View, order_of, running
from standfast.store.changes import GiveJournal, NewEvent, PutMove

GRACE_SECONDS = 10.0
"""How long a move just asked for may be invisible: the time from the call to the job on the source."""


def judge(view: View) -> tuple[Action, ...]:
    """Moves whose end is seen, and moves that take too long."""
    return tuple(action for move in view.started for action in _judge(view, move))


def _judge(view: View, move: MoveRow) -> tuple[Action, ...]:
    vm = view.seen.snapshot.vm(move.vm)
    outcome = view.seen.outcomes.get(move.id)
    if StartMove(order_of(move)).key in view.seen.under_way:
        return ()
    if move.id in view.seen.unanswered and view.now < move.deadline_at:
        return ()  # its end may be known a moment later; once its time is over, the VM's place has to do
    if vm is None or vm.state in (VmState.INCOMING, VmState.UNKNOWN):
        return _unseen(view, move, vm)
    if running(outcome) or (vm.flight is not None and vm.host == move.source):
        return _too_long(view, move) or lagging.handle(view, move, vm)
    if vm.host == move.target and vm.state is VmState.RUNNING:
        return (_done(view, move, outcome),)
    if _switching(view, move, vm, outcome) or (vm.host == move.source and _just_asked(view, move, outcome)):
        return ()
    return (_failed(view, move, _why(view, move, vm, outcome)),)


def _unseen(view: View, move: MoveRow, vm: Vm | None) -> tuple[Action, ...]:
    """On no host that answers, or in no state that is known, as for an instant while it changes hands.

    Waited for until both hosts answer and the move's own time is over. A target that stays silent for as long
    as a boot may take is not waited for any longer, if the source has the VM no more: wherever it is, not
    there, and nobody else could end this.
    """
    known = view.snapshot.host_by_id
    silent = [end for end in (move.source, move.target) if end in known and not known[end].reachable]
    if view.now < move.deadline_at:
        return ()
    words = f"{move.vm_name} is seen on no host; it may have been shut off or removed by hand."
    if silent:
        patience = view.policy.reboot_timeout_seconds
        if silent != [move.target] or vm is not None or view.now < move.deadline_at + patience:
            return ()
        target = view.snapshot.host_name(move.target)
        words = f"{move.vm_name} is no longer on its source, and {target} does not answer: look for it there."
    return (_failed(view, move, Reason(Code.MOVE_FAILED, words, vm=move.vm)),)


def _just_asked(view: View, move: MoveRow, outcome: MoveOutcome | None) -> bool:
    return not _ended(outcome) and view.now - move.started_at < GRACE_SECONDS


def _ended(outcome: MoveOutcome | None) -> bool:
    return outcome is not None and outcome.kind in (OutcomeKind.FAILED, OutcomeKind.SUCCEEDED)


def _switching(view: View, move: MoveRow, vm: Vm, outcome: MoveOutcome | None) -> bool:
    """Stopped for its switch-over, at either end, as far as anybody can tell: its end is not known yet."""
    return vm.state is VmState.PAUSED and not _ended(outcome) and view.now < move.deadline_at


def _too_long(view: View, move: MoveRow) -> tuple[Action, ...]:
    """Past its deadline, which follows from the prediction: ended once, then judged by where the VM is."""
    if move.cancel_asked or view.now < move.deadline_at:
        return ()
    took = span(view.now - move.started_at)
    text = f"{move.vm_name}: not finished after {took}: ending this attempt, the VM stays where it runs"
    event = NewEvent("move_cancelled", text, host=move.source, vm=move.vm, data={"move": move.id})
    changed = replace(move, cancel_asked=True)
    return (Action((PutMove(changed),), (event,), CancelMove(order_of(move))),)


def end_again(view: View) -> tuple[Action, ...]:
    """Moves that were to be ended and still fly: that call failed, or whoever was to make it died before."""
    late = (move for move in view.run.started if move.cancel_asked and _flies(view, move))
    calls = (CancelMove(order_of(move)) for move in late)
    return tuple(Action(call=call) for call in calls if call.key not in view.seen.under_way)


def _flies(view: View, move: MoveRow) -> bool:
    vm = view.seen.snapshot.vm(move.vm)
    return vm is not None and vm.flight is not None and vm.host == move.source


def _done(view: View, move: MoveRow, outcome: MoveOutcome | None) -> Action:
    record = outcome.record if outcome is not None else None
    parts = []
    if record is not None and record.blackout_seconds is not None:
        parts.append(f"black-out {span(record.blackout_seconds)}")
    if record is not None and record.brownout_seconds is not None:
        parts.append(f"brown-out {span(record.brownout_seconds)}")
    if record is not None and record.seen_seconds is not None:
        parts.append(f"silent to its probe for {span(record.seen_seconds)}")
    text = f"{move.vm_name}: now on {view.snapshot.host_name(move.target)}"
    text += f" ({', '.join(parts)})" if parts else ""
    text += _over_budget(view, move, record)
    ended = replace(move, state=MoveState.DONE, ended_at=view.now, record=record, reason=None)
    event = NewEvent(
        "move_done", text, host=move.source, vm=move.vm, data={"move": move.id, "to": move.target}
    )
    return Action((PutMove(ended),), (event,))


def _over_budget(view: View, move: MoveRow, record: MoveRecord | None) -> str:
    """What has to be said of a black-out that was longer than the VM may have; empty for all others."""
    vm = view.seen.snapshot.vm(move.vm)
    if vm is None or record is None or record.blackout_seconds is None:
        return ""
    budget = lagging.allowed_seconds(view, vm) if lagging.told(move) else budget_seconds(vm, view.policy)
    return f": OVER ITS BUDGET of {span(budget)}" if record.blackout_seconds > budget else ""


def _why(view: View, move: MoveRow, vm: Vm, outcome: MoveOutcome | None) -> Reason:
    place = view.snapshot.host_name(vm.host)
    if move.cancel_asked and lagging.told(move):
        return lagging.why(move, vm, place)
    if move.cancel_asked:
        words = f"{vm.name} did not finish in time and was left on {place}."
        return Reason(Code.MOVE_TIMEOUT, words, vm=vm.id)
    if outcome is not None and outcome.error:
        return Reason(Code.MOVE_FAILED, outcome.error, vm=vm.id)
    if vm.host not in (move.source, move.target):
        return Reason(Code.MOVE_FAILED, f"{vm.name} is on {place}: somebody else moved it.", vm=vm.id)
    if vm.state is not VmState.RUNNING:
        return Reason(Code.VM_NOT_RUNNING, f"{vm.name} is {vm.state} on {place}.", vm=vm.id)
    return Reason(Code.MOVE_FAILED, f"{vm.name} is still on {place} and no migration is under way.", vm=vm.id)


def _failed(view: View, move: MoveRow, reason: Reason) -> Action:
    ended = replace(move, state=MoveState.FAILED, ended_at=view.now, reason=reason)
    text = f"{move.vm_name}: move to {view.snapshot.host_name(move.target)} failed: {reason.sentence}"
    event = NewEvent("move_failed", text, host=move.source, vm=move.vm, data={"move": move.id})
    return Action((PutMove(ended),), (event,))


def settle(view: View) -> tuple[Action, ...]:
    """Autostart flags that moves took away, put back where the VM runs now and seen there."""
    owed = view.run.borrowed.get("autostart", ())
    moving = {move.vm for move in view.started}
    return tuple(action for entry in owed if entry.name not in moving for action in _settle(view, entry))


def _settle(view: View, entry: JournalRow) -> tuple[Action, ...]:
    vm = view.seen.snapshot.vm(VmId(entry.name))
    if vm is None or vm.flight is not None or not vm.persistent:
        return ()
    if vm.autostart:
        event = NewEvent("autostart", f"{vm.name}: autostart is on again", host=vm.host, vm=vm.id)
        return (Action((GiveJournal(entry.host, entry.kind, entry.name),), (event,)),)
    call = GiveBack(Setting(vm.host, f"autostart:{vm.id}", before="on", during="off"))
    failed = any(failure.key == call.key for failure in view.seen.failures)
    return () if call.key in view.seen.under_way or failed else (Action(call=call),)
