"""VMs that we shut down, started again on every way out of their host's turn, once the host can carry them.

Where the host is past its patch and held, that is when it is as well as it was before. The cordon stays up
for everybody else, and lets nothing be restored from saved state. A start that fails is tried again for as
long as the host is held; a run that is cancelled gives up after some attempts and says what is still off.
"""

from __future__ import annotations

from dataclasses import replace

from standfast.model.cluster import Host
from standfast.model.hostwork import WorkPhase
from standfast.model.ids import VmId
from standfast.model.reasons import Code, Reason
from standfast.model.run import ENDED_PHASES, RESTORED, UNTOUCHED, HostRow, JournalRow, Phase, RunState
from standfast.run import health, owed
from standfast.run.actions import WAIT, Action, Ask, Question, Start
from standfast.run.seen import Failure, View
from standfast.run.steps import hold_for
from standfast.store.changes import GiveJournal, NewEvent, PutHost

AGAIN_SECONDS = 10.0
"""After a start that raised nothing, the VM is seen running, or it is tried again."""
SLOWEST_SECONDS = 60.0
BY_HAND_SECONDS = 300.0
"""A VM that goes off while its host is held may have been shut down by an operator about to resume."""


def bring_back(view: View, row: HostRow) -> tuple[Action, ...]:
    """On a way out: start what is owed and wait until it runs. Empty once it does, or nothing more helps."""
    found = _failed(view, row)
    if found:
        return found
    off = owed.entries(view, owed.OFF, row.host)
    if off and not _given_up(view, row):
        return _start_all(view, row, off)
    return _never_went_off(view, row)


def while_waiting(view: View, row: HostRow) -> tuple[Action, ...]:
    """What is started again while its host stands still: before its turn or after it, or as nothing new may
    start. A host that goes on, or is held itself, sees to that in its own turn."""
    if not view.run.borrowed.get(owed.OFF):
        return ()  # of nobody: asked for each host of the run at each tick
    if view.run.state is RunState.PAUSED:
        stands = row.phase not in (Phase.HELD, Phase.VERIFYING, Phase.REFILLING)
    elif view.run.state is RunState.HELD:  # a host past its safe point goes on
        stands = row.phase in UNTOUCHED or row.phase in ENDED_PHASES
    else:
        stands = row.phase == Phase.PLANNED or row.phase in ENDED_PHASES
    off = owed.entries(view, owed.OFF, row.host) if stands else ()
    if not any(_long_off(view, entry) for entry in off):
        return ()
    # A host that was skipped before its turn was never looked at: there is nothing to compare it with.
    untouched = row.phase in UNTOUCHED or row.health_before is None
    return _failed(view, row) or _when_well(view, row, off, untouched=untouched)


def _long_off(view: View, entry: JournalRow) -> bool:
    """So long that nobody is about to resume; one found off after the store was put back has been, too."""
    return view.now - entry.taken_at >= BY_HAND_SECONDS or entry.before.get("cause") == RESTORED


def while_held(view: View, row: HostRow, *, untouched: bool) -> tuple[Action, ...]:
    """What can be started on a held host now. Empty: nothing, or it is to be tried again later."""
    found = _failed(view, row)
    if found:
        return found
    off = tuple(entry for entry in owed.entries(view, owed.OFF, row.host) if _due(view, row, entry))
    return _when_well(view, row, off, untouched=untouched)


def _when_well(
    view: View, row: HostRow, off: tuple[JournalRow, ...], *, untouched: bool
) -> tuple[Action, ...]:
    """Start them where the host, if it has been patched, is as well as before. Empty: nothing to do now."""
    if not off or view.host(row) is None:
        return ()
    if any(_call(view, row, entry).key in view.seen.under_way for entry in off):
        return WAIT
    if not untouched:
        if row.host not in view.seen.healths:
            return _ask(view, row)
        if not _as_before(view, row):
            return ()
        row = replace(row, next_call_at=0.0)  # it was spent on the question
    elif view.now < row.next_call_at:
        return () if row.call_failures else WAIT
    started = _start_all(view, row, off)
    return () if started == WAIT else started


def _start_all(view: View, row: HostRow, off: tuple[JournalRow, ...]) -> tuple[Action, ...]:
    host = view.host(row)
    if host is None or not _can_carry(view, row, host):
        return WAIT
    calls = [_call(view, row, entry) for entry in off]
    if not all(view.free_to_call(row, call.key) for call in calls):
        return WAIT
    later = PutHost(replace(row, next_call_at=view.now + AGAIN_SECONDS))
    return tuple(
        Action((later,), () if row.call_failures else (_starting(row, entry),), call)
        for entry, call in zip(off, calls, strict=True)
    )


def _starting(row: HostRow, entry: JournalRow) -> NewEvent:
    text = f"{owed.name(entry)}: starting it again"
    return NewEvent("vm_start", text, host=row.host, vm=VmId(entry.name))


def _call(view: View, row: HostRow, entry: JournalRow) -> Start:
    """Where its definition is seen now; all that is owed on the host is admitted past its cordon."""
    vm = view.seen.snapshot.vm(VmId(entry.name))
    place = vm.host if vm is not None else row.host
    host = view.snapshot.host_by_id.get(place)
    ours = host is not None and host.cordoned and host.cordoned_by == view.run.id
    admit = frozenset(VmId(other.name) for other in owed.entries(view, owed.OFF, row.host))
    return Start(place, VmId(entry.name), owed.name(entry), admit if ours else None)


def _can_carry(view: View, row: HostRow, host: Host) -> bool:
    """Its hypervisor answers, and nothing that a VM would be in the way of is under way or about to be."""
    assert host.facts is not None
    busy = any(
        work.phase is WorkPhase.RUNNING and not work.unit.rpartition("-")[0].endswith("-stage")
        for work in host.facts.works
    )
    begins = any(key[0].startswith("begin") and key[1] == row.host for key in view.seen.under_way)
    return host.facts.hypervisor_up and not busy and not begins


def _as_before(view: View, row: HostRow) -> bool:
    """The host's boot has ended and nothing is missing that was there before it was worked on."""
    facts, answer = view.facts(row), view.seen.healths.get(row.host)
    if facts is None or answer is None or row.health_before is None or answer.boot_id != facts.boot_id:
        return False
    return not health.not_up(facts) and not health.worse(row.health_before, answer, view.policy)


def _ask(view: View, row: HostRow) -> tuple[Action, ...]:
    ask = Ask(row.host, Question.HEALTH)
    if not view.free_to_call(row, ask.key):
        return ()
    return (Action((PutHost(replace(row, next_call_at=view.now + AGAIN_SECONDS)),), (), ask),)


def _due(view: View, row: HostRow, entry: JournalRow) -> bool:
    """Off since before the host was held, or for longer than an operator would take to resume."""
    return entry.taken_at <= row.since or view.now - entry.taken_at >= BY_HAND_SECONDS


def _never_went_off(view: View, row: HostRow) -> tuple[Action, ...]:
    """What was asked and still runs may go off at any moment: waited for until its time is over."""
    asked = owed.entries(view, owed.ASKED, row.host)
    late = [each for each in asked if view.now - each.taken_at >= view.policy.shutdown_timeout_seconds]
    if len(late) < len(asked):
        return WAIT
    return tuple(
        Action((GiveJournal(row.host, owed.ASKED, each.name),), (_runs_on(row, each),)) for each in late
    )


def _runs_on(row: HostRow, entry: JournalRow) -> NewEvent:
    text = f"{owed.name(entry)}: was asked to shut down, has not, and is left running"
    return NewEvent("vm_ran_on", text, host=row.host, vm=VmId(entry.name))


def _given_up(view: View, row: HostRow) -> bool:
    return view.run.state is RunState.CANCELLING and row.call_failures >= view.policy.call_attempts


def _failed(view: View, row: HostRow) -> tuple[Action, ...]:
    """Starts that raised: counted, and told as long as they are few. A host not held yet is in the end."""
    owes = {entry.name for entry in owed.entries(view, owed.OFF, row.host)}
    failures = [each for each in view.seen.failures if each.key[0] == Start.WHAT and each.key[1] in owes]
    if not failures:
        return ()
    last, count = failures[-1], row.call_failures + 1
    if count < view.policy.call_attempts:
        return (_counted(view, row, last, count),)
    if row.phase != Phase.HELD and row.phase not in ENDED_PHASES:
        return hold_for(view, row, _not_started(view, row, last))
    if view.run.state is RunState.CANCELLING:
        return (_counted(view, row, last, count),)
    # Held or over, and tried again for ever: the count stays, so that a cancel has one more attempt.
    return (Action((PutHost(replace(row, next_call_at=view.now + SLOWEST_SECONDS)),)),)


def _counted(view: View, row: HostRow, failure: Failure, count: int) -> Action:
    wait = min(SLOWEST_SECONDS, view.policy.call_backoff_seconds * count)
    changed = replace(row, call_failures=count, next_call_at=view.now + wait)
    text = f"start failed ({count} of {view.policy.call_attempts}): {failure.text}"
    return Action(
        (PutHost(changed),), (NewEvent("call_failed", text, host=row.host, vm=VmId(failure.key[1])),)
    )


def _not_started(view: View, row: HostRow, failure: Failure) -> Reason:
    entry = owed.entry_of(view, owed.OFF, VmId(failure.key[1]))
    name = owed.name(entry) if entry is not None else failure.key[1]
    words = f"{name} was shut down by this run and can't be started again on {row.name}: {failure.text}"
    mend = "It is tried again once a minute. Mend the cause, or start it by hand, then resume."
    return Reason(Code.VM_NOT_STARTED, words, mend, host=row.host, vm=VmId(failure.key[1]))
