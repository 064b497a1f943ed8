"""`host return`: the cordon that a run left on a host on purpose, taken back when an operator says so.

Works for runs that have ended as well: the cordon names its run, and that run's journal has it as not given
back.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.model.hostwork import WorkPhase
from standfast.model.run import ENDED_PHASES, HostRow, Run
from standfast.run import cordons
from standfast.run.absent import UNREACHABLE_GRACE_SECONDS
from standfast.run.actions import WAIT, Action, Uncordon
from standfast.run.seen import View
from standfast.run.steps import RETURN, note
from standfast.store.changes import NewEvent, PutHost


def give_back(view: View) -> tuple[Action, ...]:
    """The next step for every host that is to be returned; empty where there is none."""
    return tuple(action for row in to_return(view.run) for action in _give_back(view, row))


def to_return(run: Run) -> tuple[HostRow, ...]:
    """Hosts that an operator wants returned, whose cordon is not down yet, and that the run is done with."""
    asked = (row for row in run.hosts if row.asked == RETURN and row.cordon_taken)
    return tuple(row for row in asked if run.ended or row.phase in ENDED_PHASES)


def give_up(run: Run, why: str) -> tuple[Action, ...]:
    """For a run that nobody can act for: each host that was to be returned is not, and why."""
    return tuple(action for row in to_return(run) for action in _left(row, why))


def _give_back(view: View, row: HostRow) -> tuple[Action, ...]:
    failed = [failure for failure in view.seen.failures if failure.key == Uncordon(row.host).key]
    if failed and row.call_failures + 1 >= view.policy.call_attempts:
        return _left(row, f"its cordon could not be taken back: {failed[-1].text}")
    if failed:
        wait = view.now + view.policy.call_backoff_seconds
        count = row.call_failures + 1
        return (note(row, "call_failed", failed[-1].text, call_failures=count, next_call_at=wait),)
    facts = view.facts(row)
    busy = [work.unit for work in facts.works if work.phase is WorkPhase.RUNNING] if facts else []
    if busy:
        return _left(row, f"{busy[0]} is still running on it")
    if facts is not None:
        return cordons.take_down(view, row)
    if row.unreachable_since is None:
        return (note(row, "host_silent", "does not answer", unreachable_since=view.now),)
    late = view.now - row.unreachable_since > UNREACHABLE_GRACE_SECONDS
    return _left(row, "it does not answer, so its cordon stays") if late else WAIT


def _left(row: HostRow, why: str) -> tuple[Action, ...]:
    """Nobody is kept waiting for ever: the operator says it again when the cause is mended."""
    event = NewEvent("host_not_returned", f"not returned: {why}; say `host return` again", host=row.host)
    return (Action((PutHost(replace(row, asked="", unreachable_since=None)),), (event,)),)
