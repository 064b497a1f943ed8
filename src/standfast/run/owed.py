"""VMs that were told to shut down and are owed a start: what the journal says of them.

Two kinds of entries, each named by the VM's id. `shutdown`: it was asked and runs, and may go off at any
moment. `off`: it ran when it was asked, and went off. Both are written off when it is seen running again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from standfast.model.cluster import Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.run import JournalRow
from standfast.model.units import span
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.store.changes import Change, GiveJournal, NewEvent, PutHost, TakeJournal

ASKED = "shutdown"
OFF = "off"
CLEAN = "shutdown"
"""`Vm.state_reason` of a guest that shut itself down; empty where the platform doesn't say."""


def entries(view: View, kind: str, host: HostId | None = None) -> tuple[JournalRow, ...]:
    """Open entries of that kind, of one host or of all."""
    found = view.run.borrowed.get(kind, ())
    return found if host is None or not found else tuple(entry for entry in found if entry.host == host)


def entry_of(view: View, kind: str, vm: VmId) -> JournalRow | None:
    """The open entry of that kind about the VM."""
    return next((entry for entry in entries(view, kind) if entry.name == vm), None)


def name(entry: JournalRow) -> str:
    """The VM's name."""
    return str(entry.before.get("vm", entry.name))


def settle(view: View) -> tuple[Action, ...]:
    """What is seen of them, put on record, whoever did it: gone off, or running again."""
    return (*_gone_off(view), *_running(view))


def _gone_off(view: View) -> Iterator[Action]:
    for entry in entries(view, ASKED):
        vm = view.seen.snapshot.vm(VmId(entry.name))
        if vm is None or vm.state not in (VmState.SHUT_OFF, VmState.CRASHED):
            continue
        took = span(view.now - entry.taken_at)
        how = "shut down cleanly"
        if vm.state_reason != CLEAN:
            how = f"off ({vm.state_reason})" if vm.state_reason else "off, the platform doesn't say how"
        before = {**entry.before, "asked_at": entry.taken_at, "ended_how": vm.state_reason}
        changes: tuple[Change, ...] = (
            GiveJournal(entry.host, ASKED, entry.name),
            TakeJournal(entry.host, OFF, entry.name, before),
        )
        if len(entries(view, ASKED, entry.host)) == 1:  # nobody is left to be asked again
            changes = (*changes, *_at_once(view, entry))
        data = {"reason": vm.state_reason, "asked_at": entry.taken_at}
        event = NewEvent("vm_off", f"{vm.name}: {how} after {took}", host=entry.host, vm=vm.id, data=data)
        yield Action(changes, (event,))


def _running(view: View) -> Iterator[Action]:
    for entry in entries(view, OFF):
        vm = view.seen.snapshot.vm(VmId(entry.name))
        if vm is None or vm.state is not VmState.RUNNING:
            continue
        yield Action(
            (GiveJournal(entry.host, OFF, entry.name), *_at_once(view, entry)), (_back(view, entry, vm),)
        )


def _back(view: View, entry: JournalRow, vm: Vm) -> NewEvent:
    off = view.now - entry.taken_at
    text = f"{vm.name}: runs again on {view.snapshot.host_name(vm.host)}, off for {span(off)}"
    data: dict[str, Any] = {"off_seconds": off, "reason": vm.state_reason}
    return NewEvent("vm_running", text, host=vm.host, vm=vm.id, data=data)


def _at_once(view: View, entry: JournalRow) -> tuple[Change, ...]:
    """What comes next on its host need not wait until the last question would have been asked again."""
    row = view.run.row_of.get(entry.host)
    return (PutHost(replace(row, next_call_at=0.0)),) if row is not None and row.next_call_at else ()
