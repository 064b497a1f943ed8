"""An operator's word, taken up: what makes sense now is done, what does not says so and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason
from standfast.model.run import (
    ENDED_PHASES,
    UNTOUCHED,
    CommandRow,
    HostRow,
    JournalRow,
    Phase,
    RunState,
    Verb,
)
from standfast.plan.again import plan_again
from standfast.run import turns, verdicts
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.run.steps import RETURN, SKIP
from standfast.store.changes import Change, HandleCommand, NewEvent, PutHost, PutPlan, PutRun

RESUME_AT: Mapping[str, Phase] = {
    # Where a held host goes on. Its cordon was given back where it had not been patched, so it begins anew.
    **dict.fromkeys(UNTOUCHED, Phase.PLANNED),
    Phase.PATCHING: Phase.DRAINING,
    Phase.REBOOTING: Phase.REBOOTING,
    Phase.VERIFYING: Phase.VERIFYING,
    Phase.REFILLING: Phase.REFILLING,
}

REFUSED = "operator_refused"
"""Kind of the event of a word that made no sense."""


def take_up(view: View) -> tuple[Action, ...]:
    """The oldest word not taken up yet, or nothing."""
    if not view.run.commands:
        return ()
    command = min(view.run.commands, key=lambda command: command.id)
    why_not = verdicts.against(view.run, command.verb, command.host)
    return (_refuse(command, why_not) if why_not else _DOINGS[command.verb](view, command),)


def _answer(command: CommandRow, text: str, *changes: Change, kind: str = "operator") -> Action:
    event = NewEvent(kind, text, host=command.host, data={"verb": str(command.verb)}, actor=command.actor)
    return Action((*changes, HandleCommand(command.id, text)), (event,))


def _refuse(command: CommandRow, why: str) -> Action:
    return _answer(command, f"{command.verb} changes nothing: {why}", kind=REFUSED)


def _pause(_view: View, command: CommandRow) -> Action:
    text = "paused: nothing new starts, moves and host work under way go on"
    return _answer(command, text, PutRun(RunState.PAUSED, _by(command)))


def _resume(view: View, command: CommandRow) -> Action:
    run = view.run
    held = [row for row in run.hosts if row.phase == Phase.HELD]
    changes = [PutHost(_resumed(view, row)) for row in held]
    # What a host did while nothing might start is not held against it: its clocks begin anew.
    going_on = [row for row in run.hosts if row.phase not in ENDED_PHASES and row not in held]
    if run.state is not RunState.RUNNING:
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
        asked="",
    )


def _replan(view: View, command: CommandRow) -> Action:
    """The hosts that still wait are planned anew from what is there now; the others go on as they are."""
    rows = sorted((row for row in view.run.hosts if row.phase == Phase.PLANNED), key=lambda row: row.position)
    if not view.seen.snapshot.hosts:
        return _refuse(command, "the cluster can't be looked at now")
    waiting = [row.host for row in rows]
    staying = frozenset(row.host for row in view.run.hosts if row.phase in (*ENDED_PHASES, Phase.HELD))
    made = plan_again(
        view.snapshot,
        view.run.plan,
        waiting,
        patched=view.patched,
        working=view.out - staying,
        out=view.out & staying,
    )
    if isinstance(made, Reason):
        return _refuse(command, str(made))
    first = min(row.position for row in rows)
    order = [step.host for step in made.steps if step.host in waiting]
    places = {host: first + place for place, host in enumerate(order)}
    changes = [PutHost(replace(row, position=places[row.host])) for row in rows]
    names = {row.host: row.name for row in rows}
    waves = [[names[step.host] for step in wave.hosts if step.host in names] for wave in made.waves]
    told = "; ".join(", ".join(wave) for wave in waves if wave)
    return _answer(command, f"replanned; next: {told}", PutPlan(made), *changes)


def _cancel(_view: View, command: CommandRow) -> Action:
    text = "cancelled: goes to the next safe point, gives back what was borrowed, then ends"
    return _answer(command, text, PutRun(RunState.CANCELLING, _by(command)))


def _abandon(view: View, command: CommandRow) -> Action:
    still = [_still(view, entry) for entry in view.run.journal if entry.given_back_at is None]
    moving = [f"{move.vm_name} moving to {_name(view, move.target)}" for move in view.started]
    text = "abandoned: nothing more is done. Still changed: " + (", ".join(still + moving) or "nothing") + "."
    return _answer(
        command, text, PutRun(RunState.ABANDONED, _by(command), ended_at=view.now), kind="run_ended"
    )


def _skip(view: View, command: CommandRow) -> Action:
    """Before its turn at once; once begun it is handed back first, and once patched left cordoned."""
    row = _row(view, command)
    if row.phase == Phase.PLANNED:
        skipped = replace(row, phase=Phase.SKIPPED, since=view.now, asked=SKIP, reason=_by(command))
        return _answer(command, f"skipped: {row.name} is left as it is", PutHost(skipped))
    text = f"skipping {row.name}: it is handed back"
    if row.phase == Phase.HELD and row.held_phase not in UNTOUCHED:
        text = f"skipping {row.name}: the run goes on without it"
    return _answer(command, text, PutHost(replace(row, asked=SKIP)), *_go_on_without(view, row))


def _retry(view: View, command: CommandRow) -> Action:
    row = _row(view, command)
    if row.phase in (Phase.HELD, Phase.FAILED):
        again = _resumed(view, row)
    else:
        again = replace(_resumed(view, row), phase=Phase.PLANNED)
    text = f"trying {row.name} again from {again.phase}"
    return _answer(command, text, PutHost(again), *_go_on_without(view, row))


def _go_on_without(view: View, row: HostRow) -> tuple[Change, ...]:
    """A held run goes on once no more hosts are in trouble, beside this one, than the policy lets be."""
    if view.run.state is not RunState.HELD or row.phase != Phase.HELD:
        return ()
    rest = replace(view.run, hosts=tuple(other for other in view.run.hosts if other.host != row.host))
    over = turns.over_budget(View.of(rest, view.seen, view.now))
    return () if over else (PutRun(RunState.RUNNING, None),)


def _return(view: View, command: CommandRow) -> Action:
    row = _row(view, command)
    asked = replace(row, asked=RETURN, unreachable_since=None, call_failures=0, next_call_at=0.0)
    return _answer(command, f"returning {row.name}: its cordon is taken back", PutHost(asked))


def _row(view: View, command: CommandRow) -> HostRow:
    assert command.host is not None, "a verdict was asked for before"
    return view.run.row(command.host)


def _by(command: CommandRow) -> Reason:
    return Reason(Code.OPERATOR, f"{command.actor} said {command.verb}.")


def _still(view: View, entry: JournalRow) -> str:
    name = _name(view, entry.host)
    return entry.told if entry.told.endswith(f" {name}") else f"{entry.told} on {name}"


def _name(view: View, host: HostId) -> str:
    """Of a host of the run, or of another one that only takes VMs."""
    return next((row.name for row in view.run.hosts if row.host == host), view.snapshot.host_name(host))


_DOINGS: Mapping[Verb, Callable[[View, CommandRow], Action]] = {
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.REPLAN: _replan,
    Verb.CANCEL: _cancel,
    Verb.ABANDON: _abandon,
    Verb.SKIP: _skip,
    Verb.RETRY: _retry,
    Verb.RETURN: _return,
}
