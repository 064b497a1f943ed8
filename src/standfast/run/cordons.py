"""The cordon of a host: written down before it goes up, seen up, taken down, seen down, written off."""

from __future__ import annotations

from dataclasses import replace

from standfast.model.reasons import Code
from standfast.model.run import HostRow, Phase
from standfast.run import restart
from standfast.run.actions import WAIT, Action, Cordon, Uncordon
from standfast.run.seen import View
from standfast.run.steps import calls, enter, hold
from standfast.store.changes import GiveJournal, NewEvent, PutHost, TakeJournal


def put_up(view: View, row: HostRow) -> tuple[Action, ...]:
    """Actions until the host is seen cordoned by this run; empty once it is."""
    host = view.host(row)
    if host is None:
        return ()
    if host.cordoned and host.cordoned_by != view.run.id:
        words = f"{row.name} is cordoned already, by {host.cordoned_by or 'somebody unknown'}."
        mend = "Take that cordon back if nobody works on the host, then resume."
        return hold(view, row, Code.HOST_CORDONED_BY_OTHER, words, mend)
    call = Cordon(row.host)
    if not row.cordon_taken:
        changes = (
            TakeJournal(row.host, "cordon", row.name, {"cordoned": False}),
            PutHost(replace(row, cordon_taken=True)),
        )
        event = NewEvent("cordon", "cordoned: starts and incoming moves are refused", host=row.host)
        return (Action(changes, (event,), call),)
    if host.cordoned:
        return ()
    return calls(call) if view.free_to_call(row, call.key) else WAIT


def take_down(view: View, row: HostRow) -> tuple[Action, ...]:
    """Actions until the host is seen without our cordon; empty once it is and that is on record."""
    if not row.cordon_taken:
        return ()
    host = view.host(row)
    if host is None:
        return WAIT
    call = Uncordon(row.host)
    if host.cordoned and host.cordoned_by == view.run.id:
        return calls(call) if view.free_to_call(row, call.key) else WAIT
    if call.key in view.seen.under_way or Cordon(row.host).key in view.seen.under_way:
        return WAIT
    changed = replace(row, cordon_taken=False)
    event = NewEvent("uncordon", "cordon given back", host=row.host)
    return (Action((PutHost(changed), GiveJournal(row.host, "cordon", row.name)), (event,)),)


def give_back(view: View, row: HostRow, phase: Phase, text: str) -> tuple[Action, ...]:
    """Start again what was shut down, take down what is up, then leave the run in `phase`.

    Waits for moves of this host to end first.
    """
    if any(row.host in (move.source, move.target) for move in view.started):
        return ()
    return restart.bring_back(view, row) or take_down(view, row) or (enter(view, row, phase, text),)
