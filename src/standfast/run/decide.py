"""What to do next, from rows and one observation. Pure: no I/O, no clock, no chance.

Level-triggered: nothing is done because something was done before, only because the rows say what is meant
and the observation says what is true. Called with the same input it gives the same answer, so a controller
that died and came back goes on as if nothing had happened.

Operators' words come first, then the judgement of moves under way, then each host by its phase, then the
run as a whole. A round that changes rows that others depend on ends there; the loop comes straight back.
"""

from __future__ import annotations

from standfast.model.plan import PlanKind
from standfast.model.reasons import Code, Reason
from standfast.model.run import ENDED_PHASES, HostRow, Phase, Run, RunState
from standfast.model.units import count
from standfast.run import (
    absent,
    balancing,
    clockset,
    moving,
    operators,
    owed,
    phases,
    restart,
    restored,
    returning,
    silencing,
    spreading,
    turns,
)
from standfast.run.actions import Action
from standfast.run.seen import Seen, View
from standfast.run.steps import failed_calls
from standfast.store.changes import NewEvent, PutMove, PutRun

MOST_TOLD = 10
"""VMs named in one sentence."""


def decide(run: Run, seen: Seen, now: float) -> tuple[Action, ...]:
    """The next actions, in order. Empty: nothing to do but wait, or the run has ended.

    Of a run that has ended, what it left changed on purpose is still given back when an operator says so.
    """
    view = View.of(run, seen, now)
    found = (operators.take_up(view) or returning.give_back(view)) if run.ended else _of_active(view)
    return tuple(action for action in found if action != Action())


def _of_active(view: View) -> tuple[Action, ...]:
    return (
        clockset.shift(view)
        or operators.take_up(view)
        or _unknown_phase(view)
        or restored.claim(view)
        or moving.judge(view)
        or moving.settle(view)
        or owed.settle(view)
        or restored.settle(view)
        or _hosts(view)
        + moving.end_again(view)
        + silencing.upkeep(view)
        + returning.give_back(view)
        + _run(view)
    )


def _unknown_phase(view: View) -> tuple[Action, ...]:
    """A row that a newer release wrote is left alone, and the run waits for that release or an operator."""
    known = set(Phase)
    strange = [row for row in view.run.hosts if row.phase not in known]
    if not strange or view.run.state is RunState.HELD:
        return ()
    row = strange[0]
    reason = Reason(
        Code.UNKNOWN_PHASE,
        f"{row.name} is in phase {row.phase!r}, which this release does not know.",
        "Go on with the release that began it, or abandon the run.",
        host=row.host,
    )
    return (Action((PutRun(RunState.HELD, reason),), (NewEvent("run_held", str(reason), host=row.host),)),)


def _hosts(view: View) -> tuple[Action, ...]:
    """Each host that has begun, by its phase, in order; then those that wait for their turn.

    A failed call is counted before anything else is tried. Moves that one host begins count for the next.
    """
    found: list[Action] = []
    for row in view.run.in_order:
        waiting = restart.while_waiting(view, row)
        if waiting or row.phase in ENDED_PHASES or row.phase not in phases.HANDLERS:
            found += waiting
            continue
        actions = (
            failed_calls(view, row) or _answers(view, row) or phases.HANDLERS[Phase(row.phase)](view, row)
        )
        begun = [change.row for action in actions for change in action.changes if isinstance(change, PutMove)]
        view = view.with_begun(begun) if begun else view
        found += actions
    return (*found, *turns.waiting(view))


def _answers(view: View, row: HostRow) -> tuple[Action, ...]:
    """A host that was silent and answers again, unless it was held for it: then an operator says so."""
    silent = row.unreachable_since is not None and row.phase != Phase.HELD
    return absent.answers_again(row) if silent and view.host(row) is not None else ()


def _run(view: View) -> tuple[Action, ...]:
    """The run as a whole: hold with its hosts, spread the VMs at the end, and end.

    A held host holds the run when that is one too many, or when nothing else is left to do.
    """
    run = view.run
    held = [row for row in run.hosts if turns.in_trouble(row)]
    left = [row for row in run.hosts if row.phase not in ENDED_PHASES and row not in held]
    idle = not left and not view.started
    if run.state is RunState.RUNNING and ((held and idle) or turns.over_budget(view)):
        text = f"The run waits for an operator because of {', '.join(row.name for row in held)}."
        event = NewEvent("run_held", text, data={"because": [row.name for row in held]})
        return (Action((PutRun(RunState.HELD, held[0].reason),), (event,)),)
    if run.plan.kind is PlanKind.BALANCE and run.state is RunState.RUNNING:
        return balancing.carry_out(view) or (_end(view, run) if idle else ())
    if held or not idle:
        return ()
    if silencing.owed(view) or restored.owed(view):
        return ()
    if run.state is RunState.RUNNING:
        spreads = run.plan.kind is PlanKind.PATCH
        return (spreading.spread(view) if spreads else ()) or _end(view, run)
    return _end(view, run) if run.state is RunState.CANCELLING else ()


def _end(view: View, run: Run) -> tuple[Action, ...]:
    """All hosts have ended and nothing is under way: say how it went."""
    not_done: list[HostRow] = [row for row in run.hosts if row.phase != Phase.DONE]
    unmoved = balancing.not_done(run) if run.plan.kind is PlanKind.BALANCE else ()
    if run.state is RunState.CANCELLING:
        state = RunState.CANCELLED
    else:
        state = RunState.DEGRADED if not_done or unmoved else RunState.COMPLETED
    done = len(run.hosts) - len(not_done)
    text = f"The run is {state}: {done} of {len(run.hosts)} hosts done."
    if run.plan.kind is PlanKind.BALANCE:
        planned = len(run.plan.rebalance)
        text = f"The run is {state}: {planned - len(unmoved)} of {count(planned, 'move')} done."
    if unmoved:
        more = f" and {len(unmoved) - MOST_TOLD} more" if len(unmoved) > MOST_TOLD else ""
        text += f" Left where they were: {', '.join(unmoved[:MOST_TOLD])}{more}."
    if not_done:
        text += " Not done: " + ", ".join(f"{row.name} ({row.phase})" for row in not_done) + "."
    still = [entry for entry in run.journal if entry.given_back_at is None]
    if still:
        text += " Still changed: " + ", ".join(entry.told for entry in still) + "."
    return (Action((PutRun(state, run.reason, ended_at=view.now),), (NewEvent("run_ended", text),)),)
