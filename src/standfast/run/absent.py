"""Hosts that should answer and don't: noticed, asked about elsewhere, held with what is known."""

from __future__ import annotations

from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow
from standfast.run.actions import Action, Ask, Question
from standfast.run.seen import View
from standfast.run.steps import hold, note

UNREACHABLE_GRACE_SECONDS = 60.0
"""How long a host that should answer may be silent before it is held."""


def silent(view: View, row: HostRow) -> tuple[Action, ...]:
    """A host that should answer and doesn't: remembered since when, held after a while."""
    ask = Ask(row.host, Question.CONSOLE)
    if row.unreachable_since is None or row.unreachable_since < row.since:
        return (note(row, "host_silent", "does not answer", ask, unreachable_since=view.now),)
    if row.host in view.seen.told:
        return heard(view, row)
    if view.now - row.unreachable_since < UNREACHABLE_GRACE_SECONDS or ask.key in view.seen.under_way:
        return ()
    about = view.snapshot.host_by_id.get(row.host)
    why = about.unreachable_why if about is not None else ""
    quiet = view.now - row.unreachable_since
    words = f"{row.name} has not answered for {quiet:.0f} s: {why or 'no cause known'}.{known(row)}"
    mend = "Bring it back or look at its console, then resume."
    return hold(view, row, Code.HOST_UNREACHABLE, words, mend)


def heard(view: View, row: HostRow) -> tuple[Action, ...]:
    """The operator's own command has answered about the host: kept for whoever has to act on it."""
    told = view.seen.told[row.host]
    reason = Reason(Code.HOST_SIGNS, f"Asked about {row.name}, its console says: {told}", host=row.host)
    return (note(row, "console", reason.sentence, reason=reason),)


def known(row: HostRow) -> str:
    """What has been heard about the host, as a sentence to add."""
    return f" {row.reason.sentence}" if row.reason and row.reason.code is Code.HOST_SIGNS else ""


def answers_again(row: HostRow) -> tuple[Action, ...]:
    """A host that was silent for a moment: the next silence is counted from its own beginning."""
    return (note(row, "host_answers", "answers again", unreachable_since=None, reason=None),)
