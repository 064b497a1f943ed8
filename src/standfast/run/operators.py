"""An operator's word, taken up: what makes sense now is done, what does not says so and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from standfast.model.reasons import Code, Reason
from standfast.model.run import ENDED_PHASES, CommandRow, HostRow, Phase, RunState, Verb
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.store.changes import Change, HandleCommand, NewEvent, PutHost, PutRun

RESUME_AT: Mapping[str, Phase] = {
    # Where a held host goes on. Its cordon was given back when its drain failed, so it begins anew there.
    Phase.SILENCED: Phase.PLANNED,
    Phase.DRAINING: Phase.PLANNED,
    Phase.EMPTY: Phase.DRAINING,
    Phase.PATCHING: Phase.DRAINING,
    Phase.REBOOTING: Phase.REBOOTING,
    Phase.VERIFYING: Phase.VERIFYING,
    Phase.REFILLING: Phase.REFILLING,
    Phase.PLANNED: Phase.PLANNED,
}


def take_up(view: View) -> tuple[Action, ...]:
    """The oldest word not taken up yet, or nothing."""
    if not view.run.commands:
        return ()
    command = min(view.run.commands, key=lambda command: command.id)
    return (_DOINGS[command.verb](view, command),)


def _answer(command: CommandRow, text: str, *changes: Change, kind: str = "operator") -> Action:
    event = NewEvent(kind, text, data={"verb": str(command.verb)}, actor=command.actor)
    return Action((*changes, HandleCommand(command.id, text)), (event,))


def _pause(view: View, command: CommandRow) -> Action:
    if view.run.state is not RunState.RUNNING:
        return _answer(command, f"pause changes nothing: the run is {view.run.state}")
    text = "paused: nothing new starts, moves and host work under way go on"
    return _answer(command, text, PutRun(RunState.PAUSED, _by(command)))


def _resume(view: View, command: CommandRow) -> Action:
    run = view.run
    if run.state not in (RunState.PAUSED, RunState.HELD):
        return _answer(command, f"resume changes nothing: the run is {run.state}")
    held = [row for row in run.hosts if row.phase == Phase.HELD]
    changes = [PutHost(_resumed(view, row)) for row in held]
    # What a host did while nothing might start is not held against it: its clocks begin anew.
    going_on = [row for row in run.hosts if row.phase not in ENDED_PHASES and row not in held]
    changes += [PutHost(replace(row, since=view.now, unreachable_since=None)) for row in going_on]
    again = ", ".join(f"{row.name} from {_resumed(view, row).phase}" for row in held)
    text = f"resumed: {again}" if again else "resumed"
    return _answer(command, text, *changes, PutRun(RunState.RUNNING, None))


def _resumed(view: View, row: HostRow) -> HostRow:
    """The host goes on from a point that needs no memory of how far it had come; new work gets new names."""
    phase = RESUME_AT.get(row.held_phase, Phase.PLANNED)
    return replace(
        row,
        phase=phase,
        held_phase="",
        since=view.now,
        unreachable_since=None,
        attempt=row.attempt + 1,
        reason=None,
        healthy_since=None,
        call_failures=0,
        next_call_at=0.0,
    )


def _cancel(view: View, command: CommandRow) -> Action:
    if view.run.state is RunState.CANCELLING:
        return _answer(command, "cancel changes nothing: the run is being cancelled already")
    text = "cancelled: goes to the next safe point, gives back what was borrowed, then ends"
    return _answer(command, text, PutRun(RunState.CANCELLING, _by(command)))


def _abandon(view: View, command: CommandRow) -> Action:
    still = [
        f"{entry.told} on {_name(view, entry.host)}"
        for entry in view.run.journal
        if entry.given_back_at is None
    ]
    moving = [f"{move.vm_name} moving to {_name(view, move.target)}" for move in view.started]
    text = "abandoned: nothing more is done. Still changed: " + (", ".join(still + moving) or "nothing") + "."
    return _answer(
        command, text, PutRun(RunState.ABANDONED, _by(command), ended_at=view.now), kind="run_ended"
    )


def _by(command: CommandRow) -> Reason:
    return Reason(Code.OPERATOR, f"{command.actor} said {command.verb}.")


def _name(view: View, host: str) -> str:
    return next((row.name for row in view.run.hosts if row.host == host), host)


_DOINGS = {Verb.PAUSE: _pause, Verb.RESUME: _resume, Verb.CANCEL: _cancel, Verb.ABANDON: _abandon}
