"""Proof that a host is whole again: up, as well as before, nothing pending, and stable for a while."""

from __future__ import annotations

from standfast.model.cluster import Host
from standfast.model.hostwork import UpdateState
from standfast.model.reasons import Code
from standfast.model.run import HostRow, Phase, RunState
from standfast.model.units import count
from standfast.plan.reboots import compliant, due
from standfast.run import health
from standfast.run.actions import WAIT, Action, Ask, Question
from standfast.run.seen import View
from standfast.run.steps import enter, hold, note

ROUNDS = 3
"""How often a host is patched again because a new scan still finds something (follow-on updates)."""


def verifying(view: View, row: HostRow) -> tuple[Action, ...]:
    """Ends in `refilling`, in another round of patching, or held with what is missing."""
    host = view.host(row)
    if host is None:
        return _give_up(view, row, ("it does not answer",))
    assert host.facts is not None
    if host.facts.boot_id != row.boot_id_after:
        again = "booted once more: verifying anew"
        return (note(row, "rebooted_again", again, boot_id_after=host.facts.boot_id, healthy_since=None),)
    missing = health.not_up(host.facts)
    if missing:
        return _unwell(view, row, missing)
    scanned = _scanned(view, row, host)
    if not scanned:
        return _healthy(view, row)
    waits = not any(action.changes for action in scanned)
    # The first look at its health need not wait for the scan; the second one comes after it.
    return scanned + (_healthy(view, row) if waits and row.healthy_since is None else ())


def _scanned(view: View, row: HostRow, host: Host) -> tuple[Action, ...]:
    """A scan of this boot that finds nothing; empty once it is on record."""
    assert host.facts is not None
    scan = row.scan_after
    if scan is None or scan.boot_id != host.facts.boot_id:
        answer = view.seen.scans.get(row.host)
        if answer is None or answer.boot_id != host.facts.boot_id:
            ask = Ask(row.host, Question.SCAN)
            return (Action(call=ask),) if view.free_to_call(row, ask.key) else _unwell(view, row, ())
        text = _pending(view, answer)
        return (note(row, "scanned_after", text, scan_after=answer),)
    if compliant(scan, view.policy):
        return ()
    what = ", ".join(update.package for update in due(scan, view.policy)[:5]) or ", ".join(scan.reboot_signs)
    if row.attempt < ROUNDS and view.run.state in (RunState.PAUSED, RunState.HELD):
        return WAIT
    if row.attempt < ROUNDS and view.may_start:
        text = f"still to do: {what}: another round"
        return (enter(view, row, Phase.EMPTY, text, attempt=row.attempt + 1),)
    words = f"{row.name} is not compliant after {row.attempt} rounds: {what}."
    return hold(view, row, Code.STILL_PENDING, words, "Mend it on the host, then resume.")


def _pending(view: View, scan: UpdateState) -> str:
    """What a scan has found, in words; what is not due is not hidden."""
    left, rest = due(scan, view.policy), len(scan.pending) - len(due(scan, view.policy))
    text = f"{count(len(left), 'update')} still pending" if left else "nothing pending"
    return f"{text}, but {count(rest, 'update')} not for security" if rest else text


def _healthy(view: View, row: HostRow) -> tuple[Action, ...]:
    """Well at two looks, `verify_stable_seconds` apart."""
    ask = Ask(row.host, Question.HEALTH)
    answer = view.seen.healths.get(row.host)
    if answer is None or answer.boot_id != row.boot_id_after:
        stable_at = (row.healthy_since or view.now) + view.policy.verify_stable_seconds
        due = row.healthy_since is None or view.now >= stable_at
        return (Action(call=ask),) if due and view.free_to_call(row, ask.key) else ()
    assert row.health_before is not None, "no host is patched without its state before on record"
    missing = health.worse(row.health_before, answer, view.policy)
    if missing:
        return _unwell(view, row, missing)
    if row.healthy_since is None:
        return (note(row, "healthy", "healthy: watching it for a while", healthy_since=view.now),)
    if view.now < row.healthy_since + view.policy.verify_stable_seconds:
        return ()
    return (enter(view, row, Phase.REFILLING, "healthy and compliant"),)


def _unwell(view: View, row: HostRow, missing: tuple[str, ...]) -> tuple[Action, ...]:
    """Not well: the stable time begins anew; asked again until the time is over."""
    if missing and row.healthy_since is not None:
        return (note(row, "unwell", "; ".join(missing), healthy_since=None),)
    late = _give_up(view, row, missing)
    ask = Ask(row.host, Question.HEALTH)
    if late or not missing or not view.free_to_call(row, ask.key):
        return late
    return (Action(call=ask),)


def _give_up(view: View, row: HostRow, missing: tuple[str, ...]) -> tuple[Action, ...]:
    if view.now - row.since <= view.policy.verify_timeout_seconds:
        return ()
    after = view.now - row.since
    words = f"{row.name} is not well {after:.0f} s after its boot: {'; '.join(missing) or 'no answer'}."
    mend = "It stays empty and cordoned. Mend it, then resume."
    return hold(view, row, Code.UNHEALTHY, words, mend)
