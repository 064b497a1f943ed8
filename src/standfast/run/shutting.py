"""VMs that can't be moved and may be shut down: asked last of all, awaited, never forced without consent.

They are asked when nothing else is left on their host, so that each is off for as short as can be; the host
is cordoned then, and what ran is on record. A guest that does not go off in time holds its host, unless its
owner consented to a power cut as well. How they come back is in `restart.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import VmId
from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow
from standfast.model.units import span
from standfast.model.unmovable import Handling, PlannedStop, is_controller, not_covered
from standfast.plan import blockers
from standfast.plan.board import Board
from standfast.plan.unmovable import pinned_here
from standfast.run import owed
from standfast.run.actions import WAIT, Action, Shutdown
from standfast.run.seen import View
from standfast.run.steps import hold_for
from standfast.store.changes import Change, GiveJournal, NewEvent, PutHost, TakeJournal

AGAIN_SECONDS = 30.0
"""How often a guest is asked again: one that was just booting has missed the first time."""

POWER_CUT_SECONDS = 300.0
"""How long a VM whose power was cut may still be seen running before its host is held."""


def stop_of(view: View, vm: VmId) -> PlannedStop | None:
    """What the approved plan says about the VM, whatever host it is on: consent is per VM and run."""
    return view.run.plan.stops.get(vm)


def _consented(view: View, vm: Vm) -> PlannedStop | None:
    stop = stop_of(view, vm.id)
    if stop is None or not stop.said.handling.consents or vm.id == view.snapshot.rules.controller:
        return None
    return stop


def awaited(view: View, row: HostRow, vm: Vm) -> bool:
    """The VM stays where it is: it is to be shut down, or was asked to in this turn of its host."""
    if _consented(view, vm) is None:
        return False
    found = _reasons(view, vm)
    return _asked(view, row, vm) or (bool(found) and not_covered(vm, found) is None)


def _reasons(view: View, vm: Vm) -> tuple[Reason, ...]:
    """Why the VM can't be moved at all, by itself or by its pin."""
    pins = view.snapshot.rules.pins_of.get(vm.id)
    if pins is None:
        return blockers.of_vm(vm)
    alone = pinned_here(vm, pins, frozenset(view.snapshot.host_by_id), view.snapshot.host_name(vm.host))
    return blockers.of_vm(vm) + alone


def against(view: View, vm: Vm) -> Reason | None:
    """Why the VM can't be moved; for one that was to be shut down, what consent is no answer to."""
    found = _reasons(view, vm)
    if found and vm.id == view.snapshot.rules.controller:
        return is_controller(vm)
    if found and _consented(view, vm) is not None:
        return not_covered(vm, found)
    return found[0] if found else None


def staying(view: View, row: HostRow) -> frozenset[VmId]:
    """VMs of the host that will be off while it is out: nobody need have room for them."""
    return frozenset(vm.id for vm in view.snapshot.vms_on(row.host) if awaited(view, row, vm))


def without_stops(view: View, rows: Iterable[HostRow]) -> Snapshot | Board:
    """The cluster without the VMs that will be off while those hosts are out."""
    stays = frozenset[VmId]().union(*(staying(view, row) for row in rows))
    if not stays:
        return view.board
    return replace(view.snapshot, vms=tuple(vm for vm in view.snapshot.vms if vm.id not in stays))


def hold_before(view: View, row: HostRow) -> Reason | None:
    """Why the run holds before it touches this host, where that was said beforehand."""
    for vm in view.snapshot.vms_on(row.host) if view.run.plan.stops else ():
        stop = stop_of(view, vm.id)
        if stop is None or stop.said.handling is not Handling.HOLD:
            continue
        found = _reasons(view, vm)
        if not found:
            continue
        words = f"{found[0].sentence} The run was to hold here ({stop.said.where}, {stop.said.by})."
        mend = f"Shut {vm.name} down or move it by hand, then resume. What was shut down by hand stays off."
        return Reason(found[0].code, words, mend, host=row.host, vm=vm.id)
    return None


def shut_down(view: View, row: HostRow) -> tuple[Action, ...]:
    """Ask what is left on the host and wait for it; empty where something else is left, or nothing."""
    left = view.snapshot.vms_on(row.host)
    if not left or row.host in view.moving:
        return ()
    if not all(awaited(view, row, vm) for vm in left):
        return ()
    found: list[Action] = []
    for vm in left:
        found += _stop(view, row, vm)
    return tuple(found)


def _asked(view: View, row: HostRow, vm: Vm) -> bool:
    """In this turn of the host; an earlier turn's question has been waited for already."""
    entry = owed.entry_of(view, owed.ASKED, vm.id)
    return entry is not None and entry.taken_at >= row.since


def _stop(view: View, row: HostRow, vm: Vm) -> tuple[Action, ...]:
    stop = stop_of(view, vm.id)
    assert stop is not None, f"{vm.name} is shut down without anybody's consent"
    entry = owed.entry_of(view, owed.ASKED, vm.id)
    asked = entry if entry is not None and entry.taken_at >= row.since else None
    left_seconds = view.policy.shutdown_timeout_seconds - (view.now - asked.taken_at if asked else 0.0)
    # The next look at it comes when its time is over, if that is sooner.
    wait_seconds = min(AGAIN_SECONDS, left_seconds) if left_seconds > 0 else AGAIN_SECONDS
    call = Shutdown(row.host, vm.id, vm.name)
    later = PutHost(replace(row, next_call_at=view.now + wait_seconds))
    if asked is None:
        return (_first(view, row, vm, stop, call, later, again=entry is not None),)
    if left_seconds <= 0:
        return _not_off(view, row, vm, stop, later, asked.taken_at)
    return (Action((later,), (), call),) if view.free_to_call(row, call.key) else WAIT


def _first(
    view: View, row: HostRow, vm: Vm, stop: PlannedStop, call: Shutdown, later: PutHost, *, again: bool
) -> Action:
    said = stop.said
    consent = {"consent_by": said.by, "consent_at": said.at, "consent_where": said.where}
    before = {"vm": vm.name, "running": True, **consent}
    changes: tuple[Change, ...] = (TakeJournal(row.host, owed.ASKED, vm.id, before), later)
    if again:
        changes = (GiveJournal(row.host, owed.ASKED, vm.id), *changes)
    text = f"{vm.name}: asked to shut down (consent of {stop.said.by}, {stop.said.where})"
    event = NewEvent("vm_shutdown", text, host=row.host, vm=vm.id, data={"force": False})
    return Action(changes, (event,), call)


def _not_off(
    view: View, row: HostRow, vm: Vm, stop: PlannedStop, later: PutHost, asked_at: float
) -> tuple[Action, ...]:
    """It did not heed the question in time."""
    waited = span(view.policy.shutdown_timeout_seconds)
    if stop.said.handling is not Handling.FORCE:
        words = f"{vm.name} has not shut down within {waited}, and nobody consented to cutting its power."
        mend = "Look into the guest, or shut it down by hand and resume at once; it is started again later."
        return _hold(view, row, vm, words, mend)
    if view.now - asked_at >= view.policy.shutdown_timeout_seconds + POWER_CUT_SECONDS:
        words = f"{vm.name} does not go off although its power was cut."
        return _hold(view, row, vm, words, f"Look at it on {row.name}, then resume.")
    call = Shutdown(row.host, vm.id, vm.name, force=True)
    if not view.free_to_call(row, call.key):
        return WAIT
    text = (
        f"{vm.name}: not off within {waited}: its power is cut (consent of {stop.said.by}, {stop.said.where})"
    )
    event = NewEvent("vm_shutdown", text, host=row.host, vm=vm.id, data={"force": True})
    return (Action((later,), (event,), call),)


def _hold(view: View, row: HostRow, vm: Vm, words: str, mend: str) -> tuple[Action, ...]:
    """The others that went off meanwhile are started again at once."""
    reason = Reason(Code.VM_NOT_SHUT_DOWN, words, mend, host=row.host, vm=vm.id)
    return hold_for(view, replace(row, next_call_at=0.0), reason)
