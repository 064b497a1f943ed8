"""A store put back from an older copy: what was borrowed since then is on no record, so it is claimed.

`state restore` marks each host of a run that goes on. Its cordon and its silences are then taken for ours, as
they are where a controller died between the word in the journal and the act; whatever takes down, lifts or
looks goes on from there. On a host that stands still, a claimed cordon is settled as soon as it answers.

So is a VM that is off and that its owner let the run shut down: it ran when the run was planned, and nobody
but the lost record could say who shut it down. It is owed a start, as if we had.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from standfast.model.cluster import Vm, VmState
from standfast.model.hostwork import WorkPhase
from standfast.model.run import RESTORED, HostRow, JournalRow, Phase
from standfast.model.unmovable import PlannedStop
from standfast.run import cordons, silencing
from standfast.run import owed as vms
from standfast.run.actions import Action, Uncordon
from standfast.run.seen import View
from standfast.run.steps import note
from standfast.store.changes import Change, GiveJournal, NewEvent, PutHost, TakeJournal

STANDS_STILL = frozenset({Phase.PLANNED, Phase.SKIPPED, Phase.ROLLED_BACK})
"""Nothing of the run is on such a host. Of those that are done, all is back, or stays on purpose."""


def claim(view: View) -> tuple[Action, ...]:
    """What each marked host may have of this run, put on record as borrowed, and the mark taken off."""
    marks = view.run.borrowed.get(RESTORED, ())
    return tuple(_claim(view, entry) for entry in marks if not _awaited(view, entry))


def _awaited(view: View, entry: JournalRow) -> bool:
    """The host may be in the reboot for which a VM of it was shut down: what is off is seen once it is up."""
    row = view.run.row_of.get(entry.host)
    if row is None or not _stops(view, row):
        return False
    return view.facts(row) is None and abs(view.now - entry.taken_at) < _patience(view)


def _stops(view: View, row: HostRow) -> tuple[PlannedStop, ...]:
    """What the plan lets be shut down on that host, unless its turn is over."""
    steps = [step for step in view.run.plan.steps if step.host == row.host and row.phase != Phase.DONE]
    return tuple(stop for step in steps for stop in step.stops if stop.said.handling.consents)


def _claim(view: View, entry: JournalRow) -> Action:
    gone = GiveJournal(entry.host, RESTORED, entry.name)
    row = view.run.row_of.get(entry.host)
    if row is None:
        return Action((gone,))
    before = {"cause": RESTORED}
    changes: list[Change] = [gone]
    changes += [
        TakeJournal(row.host, silencing.KIND, name, {**before, "silenced": False, "lease_seconds": lease})
        for name, lease in view.seen.monitoring.leases.items()
    ]
    if not row.cordon_taken and row.phase != Phase.DONE:
        changes.append(TakeJournal(row.host, "cordon", row.name, {**before, "cordoned": False}))
        changes.append(PutHost(replace(row, cordon_taken=True)))
    changes += [TakeJournal(row.host, vms.OFF, vm.id, {**before, **_as_it_was(vm)}) for vm in _off(view, row)]
    text = (
        "the store was put back from a copy: what was done to this host since is not known, it is looked at"
    )
    return Action(tuple(changes), (NewEvent("restored", text, host=row.host),))


def _off(view: View, row: HostRow) -> Iterator[Vm]:
    """VMs of the host that may have been shut down for this run, on no record of it."""
    for stop in _stops(view, row):
        vm = view.snapshot.vm(stop.vm)
        known = vms.entry_of(view, vms.ASKED, stop.vm) or vms.entry_of(view, vms.OFF, stop.vm)
        if vm is not None and vm.state is VmState.SHUT_OFF and known is None:
            yield vm


def _as_it_was(vm: Vm) -> dict[str, Any]:
    return {"vm": vm.name, "running": True, "ended_how": vm.state_reason}


def settle(view: View) -> tuple[Action, ...]:
    """Claimed cordons of hosts that stand still: taken down, or seen not to be up and written off."""
    rows = [row for _, row in _claimed(view) if _at_rest(view, row)]
    found = [action for row in rows for action in _failed(view, row) or cordons.take_down(view, row)]
    return tuple(action for action in found if action != Action())


def owed(view: View) -> bool:
    """Some host is still to be looked at: one that answers, or that may be back from what it was doing."""
    return bool(view.run.borrowed.get(RESTORED)) or any(
        _at_rest(view, row) or abs(view.now - entry.taken_at) < _patience(view)
        for entry, row in (*_claimed(view), *_off_again(view))
    )


def _patience(view: View) -> float:
    return max(view.policy.reboot_timeout_seconds, view.policy.patch_timeout_seconds)


def _claimed(view: View) -> Iterator[tuple[JournalRow, HostRow]]:
    """Hosts that stand still with a cordon that was claimed and is neither down nor given up."""
    for entry in view.run.borrowed.get("cordon", ()):
        row = view.run.row_of.get(entry.host)
        if row is None or not entry.perhaps or row.phase not in STANDS_STILL or not row.cordon_taken:
            continue
        if row.call_failures < view.policy.call_attempts:
            yield entry, row


def _off_again(view: View) -> Iterator[tuple[JournalRow, HostRow]]:
    """VMs that were claimed and do not run yet, on hosts that stand still and could start them."""
    for entry in vms.entries(view, vms.OFF):
        row = view.run.row_of.get(entry.host)
        if row is None or entry.before.get("cause") != RESTORED or row.phase not in STANDS_STILL:
            continue
        if row.call_failures < view.policy.call_attempts:
            yield entry, row


def _at_rest(view: View, row: HostRow) -> bool:
    """It answers, and nothing of ours runs on it: a unit may have been begun after the copy."""
    facts = view.facts(row)
    return facts is not None and not any(work.phase is WorkPhase.RUNNING for work in facts.works)


def _failed(view: View, row: HostRow) -> tuple[Action, ...]:
    """A host that can't take it down, as on a disk that is read-only, is left after some attempts."""
    failed = [failure for failure in view.seen.failures if failure.key == Uncordon(row.host).key]
    if not failed:
        return ()
    wait = view.now + view.policy.call_backoff_seconds
    count, text = row.call_failures + 1, f"its cordon could not be taken back: {failed[-1].text}"
    return (note(row, "call_failed", text, call_failures=count, next_call_at=wait),)
