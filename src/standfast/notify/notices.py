"""Which events somebody is told of, and in what words."""

from __future__ import annotations

from standfast.model.notice import Notice, Occasion
from standfast.model.run import EventRow, Phase, Run, RunState

KINDS = frozenset({"run_created", "host_held", "run_held", "host_phase", "run_ended"})
"""Kinds of events of which some are told."""


def may_be_told(event: EventRow) -> bool:
    """Whether `notice_of` might make something of it; cheap, because most events say that a phase changed."""
    return event.kind in KINDS and (event.kind != "host_phase" or event.data.get("to") == Phase.FAILED)


def notice_of(event: EventRow, run: Run) -> Notice | None:
    """The notice that the event makes, or None if it makes none. `run` is as it is now."""
    match event.kind:
        case "run_created":
            return _notice(event, run, ("started",), "a run has started", event.text, _show(run))
        case "host_held":
            why = str(event.data.get("why") or event.text)
            what = f"{_name(event, run)} is held while {event.data.get('from', 'being worked on')}"
            return _notice(event, run, ("held",), what, why, str(event.data.get("do") or _show(run)))
        case "run_held" if not event.data.get("because"):  # else the host has been told already
            return _notice(event, run, ("held",), "the run is held", event.text, _show(run))
        case "host_phase" if may_be_told(event):
            what = f"{_name(event, run)} has failed"
            return _notice(event, run, ("failed",), what, event.text, _show(run))
        case "run_ended":
            return _ended(event, run)
    return None


def _ended(event: EventRow, run: Run) -> Notice:
    bad = run.state is RunState.DEGRADED
    occasions: tuple[Occasion, ...] = ("done", "failed") if bad else ("done",)
    do = f"Read it with `standfast run report {run.id}`."
    return _notice(event, run, occasions, f"the run is {run.state}", event.text, do)


def _notice(
    event: EventRow, run: Run, occasions: tuple[Occasion, ...], what: str, why: str, do: str
) -> Notice:
    return Notice(
        key=f"standfast-{run.id}-{event.id}",
        occasions=occasions,
        at=event.at,
        cluster=run.cluster,
        run=str(run.id),
        host=_name(event, run) if event.host is not None else "",
        what=what,
        why=why,
        do=do,
    )


def _show(run: Run) -> str:
    return f"See `standfast run show {run.id}`."


def _name(event: EventRow, run: Run) -> str:
    return next((row.name for row in run.hosts if row.host == event.host), str(event.host))
