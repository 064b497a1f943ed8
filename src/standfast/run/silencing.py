"""Silences: journaled before they are made, renewed while a host is worked on, lifted on every way out.

Level-triggered like all of this: which hosts should be silent now follows from their phases, and what differs
from that is put right at each tick. So every way out (done, held, failed, rolled back, skipped) lifts without
knowing of silences. A host that is being worked on goes on where monitoring can't be reached; one whose turn
begins does not, unless the policy says so.
"""

from __future__ import annotations

from standfast.model.reasons import Code
from standfast.model.run import HostRow, JournalRow, Phase
from standfast.run.actions import WAIT, Action, AskAlerts, Call, KeepSilence, LiftSilence
from standfast.run.monitoring import Alerts, Note
from standfast.run.seen import View
from standfast.run.steps import hold
from standfast.store.changes import GiveJournal, NewEvent, TakeJournal

KIND = "silence"
"""Of the journal's entries."""

WORKED_ON = frozenset(
    {Phase.DRAINING, Phase.EMPTY, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING}
)

ASK_AGAIN_SECONDS = 15.0
"""How old an answer about alerts may be when a host begins."""

RENEWALS = 3
"""In the length of a lease: two may fail before a silence runs out."""

MARGIN_SECONDS = 5.0
"""Added where a silence is taken to be over without anybody having seen it."""


def put_up(view: View, row: HostRow) -> tuple[Action, ...]:
    """Actions until the host may begin: no watched alert fires, and it is silent. Empty once it may."""
    monitoring = view.seen.monitoring
    for name in monitoring.leases:
        if name in monitoring.watching and _entry(view, row, name) is None:
            told = _alerts(view, row, name)
            if told:
                return told
    takes = tuple(
        _take(row, name, lease)
        for name, lease in monitoring.leases.items()
        if _entry(view, row, name) is None
    )
    if takes:
        return takes
    for name, lease in monitoring.leases.items():
        note = monitoring.note(name, row.host, lease)
        if note.holds(view.now) or (note.trouble is not None and not view.policy.silence_required):
            continue
        if note.trouble is not None and _too_long(view, row, note.trouble.since, note.trouble.last_at):
            words = f"{row.name} does not begin, because {name} can't be told to be silent about it: "
            return hold(view, row, Code.SILENCE_FAILED, words + note.trouble.text, _MEND)
        return WAIT
    return ()


_MEND = (
    "Make it answer, then resume. A plan made with the policy `silence_required: false` goes on without it."
)


def _take(row: HostRow, name: str, lease_seconds: float) -> Action:
    before = {"silenced": False, "lease_seconds": lease_seconds}
    return Action((TakeJournal(row.host, KIND, name, before),), (), KeepSilence(row.host, name))


def _alerts(view: View, row: HostRow, name: str) -> tuple[Action, ...]:
    """Empty where a fresh answer names no alert; held where one fires for too long."""
    known = view.seen.monitoring.alerts.get(name, Alerts())
    ask = AskAlerts(row.host, name)
    if known.trouble is not None:
        if not view.policy.silence_required:
            return ()
        if _too_long(view, row, known.trouble.since, known.trouble.last_at):
            words = f"{row.name} does not begin, because {name} can't be asked for alerts: "
            return hold(view, row, Code.SILENCE_FAILED, words + known.trouble.text, _MEND)
        return _call(view, ask, known.trouble.over(view.now, view.policy.call_backoff_seconds))
    if known.asked_at is None or known.asked_at < max(row.since, view.now - ASK_AGAIN_SECONDS):
        return _call(view, ask, True)
    if not known.firing:
        return ()
    waited = view.now - max(row.since, known.firing_since or view.now)
    if waited < view.policy.alert_wait_seconds:
        return WAIT
    words = f"{row.name} does not begin, because alerts that you named fire: {', '.join(known.firing)}."
    return hold(view, row, Code.ALERTS_FIRING, words, "Mend their cause, then resume.")


def _too_long(view: View, row: HostRow, since: float, tried_at: float) -> bool:
    """Trouble lasts, also in this turn of the host: an operator's `resume` has it tried again."""
    return tried_at - max(since, row.since) >= view.policy.silence_wait_seconds


def _call(view: View, call: Call, due: bool) -> tuple[Action, ...]:
    return (Action(call=call),) if due and call.key not in view.seen.under_way else WAIT


def upkeep(view: View) -> tuple[Action, ...]:
    """For every silence on record: renew it while its host is worked on, lift it as soon as it is not."""
    found: list[Action] = []
    for entry in view.run.borrowed.get(KIND, ()):
        row = view.run.row_of.get(entry.host)
        if row is None:
            continue
        if row.phase in WORKED_ON or row.phase == Phase.SILENCED:
            found += _renew(view, row, entry)
        elif row.phase in set(Phase):  # one that only a newer release knows is left alone
            found += _give_back(view, row, entry)
    return tuple(found)


def owed(view: View) -> bool:
    """Some silence is still to be lifted."""
    return bool(view.run.borrowed.get(KIND))


def _renew(view: View, row: HostRow, entry: JournalRow) -> tuple[Action, ...]:
    lease = view.seen.monitoring.leases.get(entry.name)
    if lease is None:
        return ()  # no longer in the config: it runs out by itself
    note = view.seen.monitoring.note(entry.name, row.host, lease)
    fresh = note.holds(view.now) and note.kept_at is not None and view.now < note.kept_at + lease / RENEWALS
    if note.trouble is not None:
        fresh = not note.trouble.over(view.now, view.policy.call_backoff_seconds)
    return () if fresh else _made(view, KeepSilence(row.host, entry.name))


def _give_back(view: View, row: HostRow, entry: JournalRow) -> tuple[Action, ...]:
    """Lifted and seen lifted; or over by itself, where nobody can be asked for as long as it lasts."""
    lease = view.seen.monitoring.leases.get(entry.name)
    note = view.seen.monitoring.note(entry.name, row.host, lease or _lease_of(entry))
    call = LiftSilence(row.host, entry.name)
    if call.key in view.seen.under_way:
        return ()
    if note.lifted:
        return (_given(row, entry, f"{entry.name}: silence lifted, and seen to be gone"),)
    if view.now >= note.ends_at + MARGIN_SECONDS:
        return (_given(row, entry, f"{entry.name}: the silence was not seen to be gone; {_over(note)}"),)
    if lease is None or (
        note.trouble is not None and not note.trouble.over(view.now, view.policy.call_backoff_seconds)
    ):
        return ()
    return (Action(call=call),)


def _over(note: Note) -> str:
    why = f" ({note.trouble.text})" if note.trouble is not None else ""
    return f"its time is over, so it ended by itself{why}"


def _given(row: HostRow, entry: JournalRow, text: str) -> Action:
    event = NewEvent("unsilenced", text, host=row.host, data={"silencer": entry.name})
    return Action((GiveJournal(row.host, KIND, entry.name),), (event,))


def _made(view: View, call: Call) -> tuple[Action, ...]:
    return () if call.key in view.seen.under_way else (Action(call=call),)


def _entry(view: View, row: HostRow, name: str) -> JournalRow | None:
    """The journal's open entry, if the silence is on record as borrowed."""
    for entry in view.run.borrowed.get(KIND, ()):
        if (entry.host, entry.name) == (row.host, name):
            return entry
    return None


def _lease_of(entry: JournalRow) -> float:
    lease = entry.before.get("lease_seconds")
    return float(lease) if isinstance(lease, (int, float)) else 0.0
