"""Whether an operator's word makes sense now: one sentence against it, or none. From rows alone.

Asked twice: by the command line before the word is left, so that whoever types it hears at once, and by the
controller when it takes the word up, since another operator may have been faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from standfast.model.ids import HostId
from standfast.model.plan import PlanKind
from standfast.model.run import ENDED_PHASES, UNTOUCHED, HostRow, Phase, Run, RunState, Verb

ABOUT_HOSTS = frozenset({Verb.SKIP, Verb.RETRY, Verb.RETURN})
"""Verbs that name a host."""


def against(run: Run, verb: Verb, host: HostId | None = None) -> str:
    """Why the word would change nothing, as a sentence without a full stop; empty if it makes sense."""
    if run.ended and verb is not Verb.RETURN:
        return f"the run has ended: it is {run.state}"
    if verb not in ABOUT_HOSTS:
        return _RUN_VERBS[verb](run)
    row = next((row for row in run.hosts if row.host == host), None)
    if row is None:
        return "the host is not part of this run"
    if run.state is RunState.CANCELLING and verb is not Verb.RETURN:
        return "the run is being cancelled, and each host goes to its safe point anyway"
    if verb is Verb.RETURN:
        return _return(row, ended=run.ended)
    return _HOST_VERBS[verb](row)


def _pause(run: Run) -> str:
    return "" if run.state is RunState.RUNNING else f"the run is {run.state}"


def _resume(run: Run) -> str:
    if run.state in (RunState.PAUSED, RunState.HELD):
        return ""
    held = any(row.phase == Phase.HELD for row in run.hosts)
    return "" if run.state is RunState.RUNNING and held else f"the run is {run.state}"


def _replan(run: Run) -> str:
    if run.state is RunState.CANCELLING:
        return "the run is being cancelled"
    if run.plan.kind is PlanKind.BALANCE:
        return "its moves are those that were approved: cancel it and balance again"
    if run.plan.kind is not PlanKind.PATCH:
        return f"an {run.plan.kind} run has one host and nothing to put in order"
    waiting = any(row.phase == Phase.PLANNED for row in run.hosts)
    return "" if waiting else "no host waits for its turn any more"


def _cancel(run: Run) -> str:
    return "the run is being cancelled already" if run.state is RunState.CANCELLING else ""


def _abandon(_run: Run) -> str:
    return ""


def _skip(row: HostRow) -> str:
    if row.phase in ENDED_PHASES:
        return f"{row.name} is {row.phase} already"
    if row.asked == "skip":
        return f"{row.name} is being skipped already"
    if row.phase in UNTOUCHED or row.phase == Phase.HELD:
        return ""
    return f"{row.name} is {row.phase}, past the point where it could be handed back as it was"


def _retry(row: HostRow) -> str:
    if row.asked == "skip" and row.phase not in ENDED_PHASES:
        return f"{row.name} is being skipped"
    if row.asked == "return" and row.cordon_taken:
        return f"{row.name} is being returned"
    if row.phase in (Phase.HELD, Phase.SKIPPED, Phase.ROLLED_BACK, Phase.FAILED):
        return ""
    return f"{row.name} is {row.phase}, so there is nothing to try again"


def _return(row: HostRow, *, ended: bool) -> str:
    if row.phase == Phase.HELD and not ended:
        return f"{row.name} is held: `run retry` proves first that it is well, `run skip` goes on without it"
    if row.phase not in ENDED_PHASES and not ended:
        return f"{row.name} is {row.phase}: it is returned when it is done"
    if not row.cordon_taken:
        return f"{row.name} is not cordoned by this run"
    return f"{row.name} is being returned already" if row.asked == "return" else ""


_RUN_VERBS: Mapping[Verb, Callable[[Run], str]] = {
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.REPLAN: _replan,
    Verb.CANCEL: _cancel,
    Verb.ABANDON: _abandon,
}

_HOST_VERBS: Mapping[Verb, Callable[[HostRow], str]] = {
    Verb.SKIP: _skip,
    Verb.RETRY: _retry,
}
