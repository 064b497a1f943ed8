"""A host's way through a run: for each phase, what is done next about what is seen.

Every handler reads the observation first; none acts because an earlier one had been reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from standfast.model.hostwork import WorkKind, WorkPhase
from standfast.model.reasons import Code
from standfast.model.run import ENDED_PHASES, HostRow, Phase, RunState
from standfast.model.units import count
from standfast.plan import headroom
from standfast.plan.reboots import compliant, due
from standfast.run import ahead, cordons, draining, examined, restart, shutting, silencing, verifying
from standfast.run.actions import Action, Ask, Begin, Question
from standfast.run.seen import View
from standfast.run.steps import calls, enter, hold, hold_for, note

UNREACHABLE_GRACE_SECONDS = 60.0
"""How long a host that should answer may be silent before it is held."""

DOWNLOADING = "downloading its updates"
INSTALLING = "installing its updates"


def planned(view: View, row: HostRow) -> tuple[Action, ...]:
    """Waits for its turn; its updates are downloaded meanwhile, which touches nothing that runs."""
    if view.run.state is RunState.CANCELLING:
        return (enter(view, row, Phase.SKIPPED, "skipped: the run was cancelled before its turn"),)
    if not view.may_start or view.host(row) is None:
        return ()
    before = [
        other for other in view.run.hosts if other.position < row.position and other.phase not in ENDED_PHASES
    ]
    wait = shutting.hold_before(view, row)
    if before:
        return _stage(view, row) or (() if wait is not None else ahead.ahead(view, row, before))
    if any(move.step != row.host for move in view.started):
        return ()
    if wait is not None:
        return hold_for(view, row, wait)
    lacking = headroom.reserve(shutting.without_stops(view, row), view.out | {row.host})
    if lacking is not None:
        return hold_for(view, row, lacking)
    return (enter(view, row, Phase.SILENCED, "its turn: preparing"),)


def _stage(view: View, row: HostRow) -> tuple[Action, ...]:
    begin = Begin(view.order(row, WorkKind.STAGE))
    if view.work(row, WorkKind.STAGE) is not None or not view.free_to_call(row, begin.key):
        return ()
    return calls(begin)


def silenced(view: View, row: HostRow) -> tuple[Action, ...]:
    """Prepared step by step: updates downloaded, the state before on record, the cordon up."""
    if view.run.state is RunState.CANCELLING:
        return cordons.give_back(view, row, Phase.ROLLED_BACK, "rolled back: the run was cancelled")
    facts = view.facts(row)
    if facts is None:
        return _silent(view, row)
    if not view.may_start:
        return ()
    stage = view.work(row, WorkKind.STAGE)
    if stage is None:
        return _stage(view, row)
    if stage.phase is WorkPhase.RUNNING:
        return _late(
            view, row, view.policy.stage_timeout_seconds, Code.STAGE_FAILED, "downloading its updates"
        )
    if stage.phase is not WorkPhase.SUCCEEDED:
        return _work_failed(view, row, Code.STAGE_FAILED, DOWNLOADING, stage.detail)
    if row.scan_before is None or row.health_before is None:
        return ahead.state_before(view, row) + examined.ask(view, row)
    if row.scan_before.interrupted:
        mend = "Run `dpkg --configure -a` on it, then resume."
        words = f"{row.name}: an earlier package operation was interrupted: {row.scan_before.interrupted}."
        return hold(view, row, Code.HOST_PACKAGES_BROKEN, words, mend)
    if compliant(row.scan_before, view.policy) and not _must_reboot(view, row):
        return cordons.give_back(view, row, Phase.DONE, "nothing pending and no reboot needed: left alone")
    prepares = silencing.put_up(view, row) or cordons.put_up(view, row)
    return (
        prepares + examined.ask(view, row)
        or examined.against(view, row)
        or (enter(view, row, Phase.DRAINING, "evacuating", boot_id_before=facts.boot_id),)
    )


def _must_reboot(view: View, row: HostRow) -> bool:
    return view.policy.always_reboot


def empty(view: View, row: HostRow) -> tuple[Action, ...]:
    """No VM is left. Seen again right before the patch unit is asked for; the unit itself looks once more."""
    if view.run.state is RunState.CANCELLING:
        return cordons.give_back(view, row, Phase.ROLLED_BACK, "rolled back: the run was cancelled")
    facts = view.facts(row)
    if facts is None:
        return _silent(view, row)
    if not draining.is_empty(view, row):
        return (enter(view, row, Phase.DRAINING, "a VM is on it again: evacuating"),)
    if not view.may_start:
        return ()
    updates = len(due(row.scan_before, view.policy)) if row.scan_before else 0
    text = f"no VM on it: installing {count(updates, 'update')}"
    return (enter(view, row, Phase.PATCHING, text, boot_id_before=facts.boot_id, scan_after=None),)


def patching(view: View, row: HostRow) -> tuple[Action, ...]:
    """The unit installs by itself; what it says decides."""
    facts = view.facts(row)
    if facts is None:
        return _silent(view, row)
    work = view.work(row, WorkKind.PATCH)
    if work is None:
        begin = Begin(view.order(row, WorkKind.PATCH))
        if not draining.is_empty(view, row):
            return (enter(view, row, Phase.DRAINING, "a VM is on it again: evacuating"),)
        return calls(begin) if view.may_go_on and view.free_to_call(row, begin.key) else ()
    if work.phase is WorkPhase.RUNNING:
        return _late(
            view, row, view.policy.patch_timeout_seconds, Code.PATCH_TIMEOUT, "installing its updates"
        )
    if work.phase is WorkPhase.REFUSED:
        return _refused(view, row, work.detail)
    if work.phase is not WorkPhase.SUCCEEDED:
        return _work_failed(view, row, Code.PATCH_FAILED, INSTALLING, work.detail)
    scan = row.scan_after
    if scan is None:
        answer = view.seen.scans.get(row.host)
        if answer is None or answer.taken_at < row.since:
            ask = Ask(row.host, Question.SCAN)
            return calls(ask) if view.free_to_call(row, ask.key) else ()
        return (
            note(
                row,
                "patched",
                f"{count(len(work.versions_after), 'package')} changed",
                scan_after=answer,
                versions_before=work.versions_before,
                versions_after=work.versions_after,
            ),
        )
    if not view.may_go_on:
        return ()
    if scan.reboot_signs or _must_reboot(view, row):
        signs = ", ".join(scan.reboot_signs) or "policy"
        return (enter(view, row, Phase.REBOOTING, f"rebooting ({signs})", boot_id_before=facts.boot_id),)
    text = "no reboot needed: verifying"
    return (enter(view, row, Phase.VERIFYING, text, healthy_since=None, boot_id_after=facts.boot_id),)


def _refused(view: View, row: HostRow, detail: str) -> tuple[Action, ...]:
    """The guard on the host said no. Most often a VM came back: evacuate again, with new unit names."""
    if not draining.is_empty(view, row):
        text = f"the host refused ({detail}): evacuating again"
        return (enter(view, row, Phase.DRAINING, text, attempt=row.attempt + 1),)
    words = f"{row.name} refused: {detail or 'its guard gave no reason'}."
    return hold(view, row, Code.REBOOT_REFUSED, words)


def rebooting(view: View, row: HostRow) -> tuple[Action, ...]:
    """Down and up again, proven by another boot id; a ping or a login proves nothing."""
    facts = view.facts(row)
    if facts is not None and facts.boot_id != row.boot_id_before:
        text = f"rebooted: boot id {facts.boot_id[:8]}… after {row.boot_id_before[:8]}…: verifying"
        return (enter(view, row, Phase.VERIFYING, text, healthy_since=None, boot_id_after=facts.boot_id),)
    if facts is not None:
        work = view.work(row, WorkKind.REBOOT)
        if work is None:
            begin = Begin(view.order(row, WorkKind.REBOOT))
            if not draining.is_empty(view, row):
                return (enter(view, row, Phase.DRAINING, "a VM is on it again: evacuating"),)
            return calls(begin) if view.may_go_on and view.free_to_call(row, begin.key) else ()
        if work.phase is WorkPhase.REFUSED:
            return _refused(view, row, work.detail)
        if work.phase in (WorkPhase.FAILED, WorkPhase.LOST):
            return _work_failed(view, row, Code.REBOOT_TIMEOUT, "rebooting", work.detail)
    if view.now - row.since > view.policy.reboot_timeout_seconds:
        seen = "is still in its old boot" if facts is not None else "does not answer"
        words = (
            f"{row.name} {seen} {view.policy.reboot_timeout_seconds:.0f} s after its reboot was asked for."
        )
        mend = "Look at its console; bring it up by hand, then resume."
        return hold(view, row, Code.REBOOT_TIMEOUT, words, mend)
    return ()


def refilling(view: View, row: HostRow) -> tuple[Action, ...]:
    """Healthy: the cordon comes down. VMs come with the next hosts' evacuation and the final spreading."""
    return cordons.give_back(view, row, Phase.DONE, "done: takes VMs again")


def held(view: View, row: HostRow) -> tuple[Action, ...]:
    """Waits for an operator. A host that never got as far as its patch is handed back at once."""
    untouched = row.held_phase in (Phase.PLANNED, Phase.SILENCED, Phase.DRAINING)
    if view.run.state is not RunState.CANCELLING:
        back = restart.while_held(view, row, untouched=untouched)
        return back or (cordons.take_down(view, row) if untouched else ())
    ended = Phase.ROLLED_BACK if untouched else Phase.FAILED
    text = f"{ended}: the run was cancelled while it was held"
    if view.host(row) is None:
        return (
            enter(view, row, ended, f"{text}; it does not answer, so its cordon could not be taken back"),
        )
    return cordons.give_back(view, row, ended, text)


def _silent(view: View, row: HostRow) -> tuple[Action, ...]:
    """A host that should answer and doesn't: remembered since when, held after a while."""
    if row.unreachable_since is None or row.unreachable_since < row.since:
        return (note(row, "host_silent", "does not answer", unreachable_since=view.now),)
    if view.now - row.unreachable_since < UNREACHABLE_GRACE_SECONDS:
        return ()
    why = next((host.unreachable_why for host in view.snapshot.hosts if host.id == row.host), "")
    silent = view.now - row.unreachable_since
    words = f"{row.name} has not answered for {silent:.0f} s: {why or 'no cause known'}."
    mend = "Bring it back or look at its console, then resume."
    return hold(view, row, Code.HOST_UNREACHABLE, words, mend)


def _late(view: View, row: HostRow, limit: float, code: Code, doing: str) -> tuple[Action, ...]:
    if view.now - row.since <= limit:
        return ()
    words = f"{row.name} has been {doing} for {view.now - row.since:.0f} s, longer than {limit:.0f} s."
    return hold(view, row, code, words, "Look at the unit's log on it, then resume.")


def _work_failed(view: View, row: HostRow, code: Code, doing: str, detail: str) -> tuple[Action, ...]:
    words = f"{row.name}: {doing} failed: {detail or 'no detail'}."
    return hold(view, row, code, words, "Mend it on the host, then resume.")


Handler = Callable[[View, HostRow], tuple[Action, ...]]

HANDLERS: Mapping[str, Handler] = {
    Phase.PLANNED: planned,
    Phase.SILENCED: silenced,
    Phase.DRAINING: draining.draining,
    Phase.EMPTY: empty,
    Phase.PATCHING: patching,
    Phase.REBOOTING: rebooting,
    Phase.VERIFYING: verifying.verifying,
    Phase.REFILLING: refilling,
    Phase.HELD: held,
}
