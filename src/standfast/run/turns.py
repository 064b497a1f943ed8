"""Whose turn it is: wave after wave, none that would cost the reserve, exceed the budget or end too late.

The hosts of a wave begin together, at a moment when no host is being worked on; so that what is looked at
before they begin (reserve, hosts that are well) holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from standfast.model import window
from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId
from standfast.model.plan import HostStep, PlanKind
from standfast.model.reasons import Code, Reason
from standfast.model.run import ENDED_PHASES, HostRow, Phase, RunState
from standfast.model.units import span
from standfast.plan import headroom
from standfast.plan.finish import p95_seconds
from standfast.run import absent, ahead, health, shutting
from standfast.run.actions import Action, Begin
from standfast.run.seen import View
from standfast.run.steps import SKIP, calls, enter, failed_calls, hold_for, note
from standfast.store.changes import PutHost, PutMove

OPENED_SECONDS = 120.0
"""How long a maintenance window counts as just opened."""

UNWELL_GRACE_SECONDS = 60.0
"""How long a host of the wave before may be unwell, after its soak, before the next one is held for it."""


def waiting(view: View) -> tuple[Action, ...]:
    """What is done about all planned hosts: some begin, are held or skipped, the others fetch updates."""
    rows = [row for row in view.run.in_order if row.phase == Phase.PLANNED]
    if view.run.state is RunState.CANCELLING:
        text = "skipped: the run was cancelled before its turn"
        return tuple(enter(view, row, Phase.SKIPPED, text) for row in rows)
    if not rows or not view.may_start:
        return ()
    counted = [action for row in rows for action in failed_calls(view, row)] if view.seen.failures else []
    turn = counted or _answer_again(view) or _turn(view, view.run.next_wave)
    touched = {change.row.host for action in turn for change in action.changes if isinstance(change, PutHost)}
    if touched or any(row.phase == Phase.SILENCED and row.scan_before is None for row in view.run.hosts):
        return tuple(turn)  # everybody waits for those that prepare: they get the line to themselves
    fetching = [action for row in _unstaged(view, rows) for action in stage(view, row)]
    return (*turn, *(fetching or _ahead(view)))


def _ahead(view: View) -> tuple[Action, ...]:
    """What can be done for the next wave while this one is out."""
    wave = view.run.next_wave
    before = [row for row in view.run.hosts if row.phase not in (*ENDED_PHASES, Phase.PLANNED)]
    if not wave or not before or over_budget(view):
        return ()
    steps = view.run.plan.step_of
    if not _in_window(view, wave, steps):
        return ()
    others = ahead.Before.of(view, before)
    if others.preparing:
        return ()
    found: list[Action] = []
    for row in wave:
        late = _ends_late(view, steps.get(row.host), view.now)  # even if it began now: it will not be begun
        may = view.host(row) is not None and not late and shutting.hold_before(view, row) is None
        actions = ahead.ahead(view, row, others) if may else ()
        begun = [change.row for action in actions for change in action.changes if isinstance(change, PutMove)]
        view = view.with_begun(begun) if begun else view
        found += actions
    return tuple(found)


def _unstaged(view: View, rows: Sequence[HostRow]) -> list[HostRow]:
    """Those of which a host that answers has not seen this run's order to download. Asked of all that wait
    at every tick, so the name of the unit, the same for all of one attempt, is made once."""
    if view.run.plan.kind is not PlanKind.PATCH:
        return []
    of_attempt = {row.attempt: row for row in rows}
    names = {attempt: view.order(row, WorkKind.STAGE).unit for attempt, row in of_attempt.items()}
    hosts, found = view.snapshot.host_by_id, []
    for row in rows:
        host = hosts.get(row.host)
        facts = host.facts if host is not None and host.reachable else None
        if facts is not None and facts.work(names[row.attempt]) is None:
            found.append(row)
    return found


def stage(view: View, row: HostRow) -> tuple[Action, ...]:
    """Download the host's updates, which touches nothing that runs."""
    if view.run.plan.kind is not PlanKind.PATCH or view.host(row) is None:
        return ()
    order = view.order(row, WorkKind.STAGE)
    facts = view.facts(row)
    if facts is not None and facts.work(order.unit) is not None:
        return ()
    begin = Begin(order)
    return calls(begin) if view.free_to_call(row, begin.key) else ()


def over_budget(view: View) -> bool:
    """More hosts are held than the policy lets be; during the first wave that is any.

    One that an operator has given up (`skip`) is no longer held, and not counted.
    """
    held = sum(in_trouble(row) for row in view.run.held)
    return held > (0 if _in_first_wave(view) else view.policy.failed_hosts_max)


def in_trouble(row: HostRow) -> bool:
    """Held, and nobody has said yet what to do about it."""
    return row.phase == Phase.HELD and row.asked != SKIP


def _in_first_wave(view: View) -> bool:
    if view.policy.canary_hosts <= 0 or len(view.run.plan.waves) < 2:
        return False
    first = {step.host for step in view.run.plan.waves[0].hosts}
    return any(row.host in first and row.phase not in ENDED_PHASES for row in view.run.hosts)


def _turn(view: View, wave: Sequence[HostRow]) -> tuple[Action, ...]:
    """The next wave, if it may begin now."""
    going = {row.host for row in wave}
    if over_budget(view) or _working(view) or any(move.step not in going for move in view.started):
        return ()
    steps = view.run.plan.step_of
    number = _wave(steps, wave[0])
    soaked_at = _soaked_at(view, steps, number)
    late = [row for row in wave if _ends_late(view, steps.get(row.host), max(view.now, soaked_at))]
    if late:
        return tuple(_too_late(view, row, steps.get(row.host)) for row in late)
    if view.now < soaked_at or not _in_window(view, wave, steps):
        return ()
    quiet = [row for row in wave if view.host(row) is None]
    if quiet:
        return tuple(action for row in quiet for action in absent.silent(view, row))
    asked = [(row, shutting.hold_before(view, row)) for row in wave]
    stopped = [hold_for(view, row, why) for row, why in asked if why is not None]
    if stopped:
        return tuple(action for actions in stopped for action in actions)
    unwell = _unwell(view, steps, number)
    if unwell is not None:
        return hold_for(view, wave[0], unwell) if view.now > soaked_at + UNWELL_GRACE_SECONDS else ()
    return _begin(view, wave)


def _working(view: View) -> bool:
    """Some host is between its begin and its end."""
    idle = {*ENDED_PHASES, Phase.PLANNED, Phase.HELD}
    return any(row.phase not in idle for row in view.run.hosts)


def _wave(steps: Mapping[HostId, HostStep], row: HostRow) -> int:
    step = steps.get(row.host)
    return step.wave if step is not None else 0


def _begin(view: View, wave: Sequence[HostRow]) -> tuple[Action, ...]:
    """As many of the wave as the reserve lets be out together now; the others when these are back."""
    if view.run.plan.spends_reserve:
        return tuple(enter(view, row, Phase.SILENCED, "its turn: preparing") for row in wave)
    lacking: Reason | None = None
    for size in range(len(wave), 0, -1):
        out = view.out | {row.host for row in wave[:size]}
        lacking = headroom.reserve(shutting.without_stops(view, wave[:size]), out)
        if lacking is None:
            return tuple(enter(view, row, Phase.SILENCED, "its turn: preparing") for row in wave[:size])
    assert lacking is not None, "a wave has a host"
    awaited = _silent_for_a_moment(view, wave)
    return hold_for(view, wave[0], lacking) if awaited is None else awaited


def _silent_for_a_moment(view: View, wave: Sequence[HostRow]) -> tuple[Action, ...] | None:
    """A host that does not answer carries nothing, and is most often back in a moment: the reserve is judged
    without it only after a while. None where that is over, or none is silent."""
    counted_on = [row for row in view.run.hosts if row not in wave and row.host not in view.out]
    quiet = [row for row in counted_on if view.host(row) is None]
    new = [row for row in quiet if row.unreachable_since is None or row.unreachable_since < row.since]
    if new:
        return tuple(note(row, "host_silent", "does not answer", unreachable_since=view.now) for row in new)
    grace = absent.UNREACHABLE_GRACE_SECONDS
    return () if any(view.now - (row.unreachable_since or 0.0) < grace for row in quiet) else None


def _answer_again(view: View) -> tuple[Action, ...]:
    """Hosts whose turn is over and that were noted as silent, and answer."""
    return tuple(
        action
        for row in view.run.hosts
        if row.phase in ENDED_PHASES and (row.unreachable_since or 0.0) > row.since
        if view.host(row) is not None
        for action in absent.answers_again(row)
    )


def _soaked_at(view: View, steps: Mapping[HostId, HostStep], number: int) -> float:
    """When all soaks of earlier waves are over; 0 if there is none."""
    ends = [0.0]
    for before, wave in enumerate(view.run.plan.waves[:number]):
        if wave.soak_seconds > 0:
            done = [row.since for row in _done(view, steps, before)]
            ends.append(max(done) + wave.soak_seconds if done else 0.0)
    return max(ends)


def soak_left_seconds(view: View) -> float:
    """How much longer the run waits for a soak; 0 if it waits for none."""
    rows = [row for row in view.run.hosts if row.phase == Phase.PLANNED]
    if not rows or view.run.state is not RunState.RUNNING or _working(view):
        return 0.0
    steps = view.run.plan.step_of
    until = _soaked_at(view, steps, _wave(steps, view.run.next_wave[0]))
    return max(0.0, until - view.now)


def soak_after(view: View, row: HostRow) -> float:
    """How long the wave has to stay well, in seconds, if this host is its last and others wait; else 0."""
    steps = view.run.plan.step_of
    number = _wave(steps, row)
    others = [other for other in view.run.hosts if other.host != row.host]
    first = any(other.phase not in ENDED_PHASES for other in others if _wave(steps, other) == number)
    more = any(other.phase == Phase.PLANNED for other in others)
    waves = view.run.plan.waves
    return waves[number].soak_seconds if more and not first and number < len(waves) else 0.0


def _done(view: View, steps: Mapping[HostId, HostStep], number: int) -> list[HostRow]:
    return [row for row in view.run.hosts if row.phase == Phase.DONE and _wave(steps, row) == number]


def _unwell(view: View, steps: Mapping[HostId, HostStep], number: int) -> Reason | None:
    """A host of the soaked wave before that does not answer or is not up, and why; None if all are well."""
    before = number - 1
    if before < 0 or view.run.plan.waves[before].soak_seconds <= 0:
        return None
    for row in _done(view, steps, before):
        facts = view.facts(row)
        missing = health.not_up(facts) if facts is not None else ("it does not answer",)
        if missing:
            return Reason(
                Code.UNHEALTHY,
                f"{row.name} went first and is not well after its soak: {'; '.join(missing)}.",
                "Find out why before other hosts follow, then resume.",
                host=row.host,
            )
    return None


def _ends_late(view: View, step: HostStep | None, begin: float) -> bool:
    by = view.run.plan.finish_by
    return by is not None and step is not None and begin + p95_seconds(step) > by


def _in_window(view: View, wave: Sequence[HostRow], steps: Mapping[HostId, HostStep]) -> bool:
    """A maintenance window is open, for long enough for these; else they wait for the next one.

    A turn that is longer than any window would wait for ever, so that it may begin with the window.
    """
    policy = view.policy
    if not policy.windows:
        return True
    closes = window.closes_at(policy.windows, policy.windows_timezone, view.now)
    if closes is None:
        return False
    longest = max((p95_seconds(steps[row.host]) for row in wave if row.host in steps), default=0.0)
    opened_now = window.closes_at(policy.windows, policy.windows_timezone, view.now - OPENED_SECONDS) is None
    return view.now + longest <= closes or opened_now


def window_opens_at(view: View) -> float | None:
    """When the window opens that the next wave waits for, in Unix seconds; None if it waits for none."""
    wave, policy = view.run.next_wave, view.policy
    if not wave or not policy.windows or view.run.state is not RunState.RUNNING or _working(view):
        return None
    if _in_window(view, wave, view.run.plan.step_of):
        return None
    return window.opens_at(policy.windows, policy.windows_timezone, view.now)


def _too_late(view: View, row: HostRow, step: HostStep | None) -> Action:
    assert step is not None
    words = f"{row.name} is not begun: its turn may take {span(p95_seconds(step))}, past its time to finish."
    reason = Reason(Code.FINISH_BY, words, "Plan it for the next window.", host=row.host)
    return enter(view, row, Phase.SKIPPED, f"skipped: {words}", reason=reason)
