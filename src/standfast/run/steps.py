"""The small sentences in which `decide` speaks: enter a phase, hold a host, count a failed call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow, Phase, RunState
from standfast.run.actions import ALLOW_BLACKOUT, MONITORING, Action, Call, Question, Start
from standfast.run.seen import View
from standfast.store.changes import NewEvent, PutHost


def enter(view: View, row: HostRow, phase: Phase, text: str, **fields: Any) -> Action:
    """The host goes into `phase`; the row's clock and its count of failed calls begin anew.

    That a host is empty is seen twice before anything is done to it.
    """
    changed = replace(row, phase=phase, since=view.now, call_failures=0, next_call_at=0.0, **fields)
    event = NewEvent("host_phase", text, host=row.host, data={"from": row.phase, "to": str(phase)})
    return Action((PutHost(changed),), (event,), look=phase is Phase.EMPTY)


def hold(view: View, row: HostRow, code: Code, sentence: str, mend: str = "") -> tuple[Action, ...]:
    """`hold_for` a reason about this host."""
    return hold_for(view, row, Reason(code, sentence, mend, host=row.host))


def hold_for(view: View, row: HostRow, reason: Reason) -> tuple[Action, ...]:
    """The host waits for an operator, who is told why and what the exits are."""
    held = replace(row, phase=Phase.HELD, held_phase=row.phase, since=view.now, reason=reason)
    event = NewEvent(
        "host_held",
        f"held while {row.phase}: {reason} {EXITS}",
        host=row.host,
        vm=reason.vm,
        data={
            "from": row.phase,
            "to": str(Phase.HELD),
            "code": str(reason.code),
            "why": reason.sentence,
            "do": f"{reason.mend} {EXITS}".strip(),
        },
    )
    return (Action((PutHost(held),), (event,)),)


EXITS = (
    "Exits: `run resume` tries again from here, `run skip HOST` goes on without the host, `run cancel` gives "
    "back what was borrowed and ends, `run abandon` stops acting and lists what is still changed."
)


def note(row: HostRow, kind: str, text: str, call: Call | None = None, **fields: Any) -> Action:
    """Change fields of the row in its phase, say so, and make a call if there is one."""
    return Action((PutHost(replace(row, **fields)),), (NewEvent(kind, text, host=row.host),), call)


def calls(call: Call) -> tuple[Action, ...]:
    """A call that needs no row of its own: what it does is in the phase already."""
    return (Action(call=call),)


NOT_COUNTED = frozenset({*Question, "move", "cancel move", ALLOW_BLACKOUT, Start.WHAT})
"""Failures judged elsewhere, or of questions: a host that can't answer one shows as unreachable."""


def failed_calls(view: View, row: HostRow) -> tuple[Action, ...]:
    """Count calls for this host that raised; after the last attempt the host is held."""
    failures = [
        failure
        for failure in view.seen.failures
        if failure.host == row.host
        and failure.key[0] not in NOT_COUNTED
        and not failure.key[0].startswith(MONITORING)
    ]
    if not failures:
        return ()
    last = failures[-1]
    count = row.call_failures + 1
    # Held anew, a host that is held already would lose the phase to go on from.
    if count >= view.policy.call_attempts and row.phase != Phase.HELD:
        words = f"{row.name}: {last.key[0]} failed {count} times, the last time: {last.text}"
        return hold(view, row, Code.ACTION_FAILED, words)
    wait = view.policy.call_backoff_seconds * min(count, view.policy.call_attempts)
    text = f"{last.key[0]} failed ({count} of {view.policy.call_attempts}): {last.text}"
    return (note(row, "call_failed", text, call_failures=count, next_call_at=view.now + wait),)


def leaving(view: View, row: HostRow) -> str:
    """Why the host goes to its next safe point and no further; empty where it goes on."""
    if view.run.state is RunState.CANCELLING:
        return "the run was cancelled"
    return "an operator skipped it" if row.asked == SKIP else ""


SKIP, RETURN = "skip", "return"
"""What `HostRow.asked` may say."""
