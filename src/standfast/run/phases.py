"""A host's way through a run: for each phase, what is done next about what is seen.

Every handler reads the observation first; none acts because an earlier one had been reached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from standfast.model.hostwork import WorkKind, WorkPhase
from standfast.model.plan import PlanKind
from standfast.model.reasons import Code, Reason
from standfast.model.run import UNTOUCHED, HostRow, Phase, RunState
from standfast.model.units import count, span
from standfast.plan.reboots import compliant, due
from standfast.run import absent, ahead, cordons, draining, examined, restart, silencing, turns, verifying
from standfast.run.actions import Action, Ask, Begin, Question
from standfast.run.seen import View
from standfast.run.steps import SKIP, calls, enter, hold, leaving, note

DOWNLOADING = "downloading its updates"
INSTALLING = "installing its updates"


def silenced(view: View, row: HostRow) -> tuple[Action, ...]:
    """Prepared step by step: updates downloaded, the state before on record, the cordon up.

    A host that is only evacuated needs the cordon alone.
    """
    facts = view.facts(row)
    if facts is None:
        return absent.silent(view, row)
    why = leaving(view, row)
    if why:
        return cordons.give_back(view, row, Phase.ROLLED_BACK, f"given back unpatched: {why}")
    if not view.may_start:
        return ()
    if view.run.plan.kind is PlanKind.PATCH:
        preparing = _prepare(view, row)
        if preparing is not None:
            return preparing
    prepares = silencing.put_up(view, row) or cordons.put_up(view, row)
    if view.run.plan.kind is PlanKind.PATCH:
        prepares = prepares + examined.ask(view, row) or examined.against(view, row)
    return prepares or (enter(view, row, Phase.DRAINING, "evacuating", boot_id_before=facts.boot_id),)


def _prepare(view: View, row: HostRow) -> tuple[Action, ...] | None:
    """Updates downloaded and the state before on record; None once both are and there is work to do."""
    stage = view.work(row, WorkKind.STAGE)
    if stage is None:
        return turns.stage(view, row)
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
    if compliant(row.scan_before, view.policy) and not view.policy.always_reboot:
        return cordons.give_back(view, row, Phase.DONE, "nothing pending and no reboot needed: left alone")
    return None


def empty(view: View, row: HostRow) -> tuple[Action, ...]:
    """No VM is left. Seen again right before the patch unit is asked for; the unit itself looks once more."""
    facts = view.facts(row)
    if facts is None:
        return absent.silent(view, row)
    why = leaving(view, row)
    if why:
        return cordons.give_back(view, row, Phase.ROLLED_BACK, f"given back unpatched: {why}")
    if not draining.is_empty(view, row):
        return (enter(view, row, Phase.DRAINING, "a VM is on it again: evacuating"),)
    if view.run.plan.kind is PlanKind.EVACUATE:
        return (enter(view, row, Phase.DONE, "evacuated: it stays cordoned until `host return`"),)
    if not view.may_start:
        return ()
    updates = len(due(row.scan_before, view.policy)) if row.scan_before else 0
    text = f"no VM on it: installing {count(updates, 'update')}"
    return (enter(view, row, Phase.PATCHING, text, boot_id_before=facts.boot_id, scan_after=None),)


def patching(view: View, row: HostRow) -> tuple[Action, ...]:
    """The unit installs by itself; what it says decides."""
    facts = view.facts(row)
    if facts is None:
        return absent.silent(view, row)
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
    went_down = work.phase is WorkPhase.LOST or facts.boot_id != row.boot_id_before
    if work.phase is not WorkPhase.SUCCEEDED and went_down and row.attempt == 1:
        # Once, as whoever looked at it would; a dpkg that was cut off half-way is refused by the unit itself.
        text = "it went down before all updates were installed, and is up again: once more"
        return (enter(view, row, Phase.EMPTY, text, attempt=row.attempt + 1),)
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
    if scan.reboot_signs or view.policy.always_reboot:
        signs = ", ".join(scan.reboot_signs) or "policy"
        before = {"boot_id_before": facts.boot_id, "kernel_before": facts.kernel}
        return (enter(view, row, Phase.REBOOTING, f"rebooting ({signs})", **before),)
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
        after = {"healthy_since": None, "boot_id_after": facts.boot_id, "reason": None}
        return (enter(view, row, Phase.VERIFYING, text, **after),)
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
    return _not_back(view, row, down=facts is None)


def _not_back(view: View, row: HostRow, *, down: bool) -> tuple[Action, ...]:
    """Told and asked about when it takes long; held with all that is known when it takes too long."""
    took, limit = view.now - row.since, view.policy.reboot_timeout_seconds
    ask = Ask(row.host, Question.CONSOLE)
    if row.host in view.seen.told:
        return absent.heard(view, row)
    if row.reason is None and took > min(view.policy.reboot_warn_seconds, limit):
        words = f"{row.name} is not back {span(took)} after its reboot was asked for."
        return (note(row, "host_slow", words, ask, reason=Reason(Code.REBOOT_TIMEOUT, words, host=row.host)),)
    if took <= limit or ask.key in view.seen.under_way:
        return ()
    seen = "does not answer" if down else "is still in its old boot"
    words = f"{row.name} {seen} {limit:.0f} s after its reboot was asked for.{absent.known(row)}"
    mend = "Look at its console; bring it up by hand, then resume."
    if down and row.kernel_before:
        mend += (
            f" Before, it ran {row.kernel_before}: choose that in its boot menu if the new one doesn't start."
        )
    return hold(view, row, Code.REBOOT_TIMEOUT, words, mend)


def refilling(view: View, row: HostRow) -> tuple[Action, ...]:
    """Healthy: the cordon comes down. VMs come with the next hosts' evacuation and the final spreading."""
    if view.host(row) is None:
        return absent.silent(view, row)
    soak = turns.soak_after(view, row)
    more = f"; the others follow when it has stayed well for {span(soak)}" if soak else ""
    return cordons.give_back(view, row, Phase.DONE, f"done: takes VMs again{more}")


def held(view: View, row: HostRow) -> tuple[Action, ...]:
    """Waits for an operator. A host that never got as far as its patch is handed back at once.

    One that is being evacuated for good keeps its cordon: nothing shall come back to it.
    """
    untouched = row.held_phase in UNTOUCHED
    why = leaving(view, row)
    if not why:
        started = restart.while_held(view, row, untouched=untouched)
        handed = untouched and view.run.plan.kind is PlanKind.PATCH
        return started or (cordons.take_down(view, row) if handed else ())
    ended = Phase.ROLLED_BACK if untouched else Phase.FAILED
    text = f"{ended}: {why} while it was held"
    if view.host(row) is None:
        return (
            enter(view, row, ended, f"{text}; it does not answer, so its cordon could not be taken back"),
        )
    if ended is Phase.FAILED and row.asked == SKIP and view.run.state is not RunState.CANCELLING:
        return (enter(view, row, ended, f"{text}; it stays empty and cordoned until `host return`"),)
    return cordons.give_back(view, row, ended, text)


def _late(view: View, row: HostRow, limit: float, code: Code, doing: str) -> tuple[Action, ...]:
    if view.now - row.since <= limit:
        return ()
    words = f"{row.name} has been {doing} for {view.now - row.since:.0f} s, longer than {limit:.0f} s."
    return hold(view, row, code, words, "Look at the unit's log on it, then resume.")


def _work_failed(view: View, row: HostRow, code: Code, doing: str, detail: str) -> tuple[Action, ...]:
    words = f"{row.name}: {doing} failed: {detail.rstrip('.') or 'no detail'}."
    return hold(view, row, code, words, "Mend it on the host, then resume.")


Handler = Callable[[View, HostRow], tuple[Action, ...]]

HANDLERS: Mapping[str, Handler] = {
    Phase.SILENCED: silenced,
    Phase.DRAINING: draining.draining,
    Phase.EMPTY: empty,
    Phase.PATCHING: patching,
    Phase.REBOOTING: rebooting,
    Phase.VERIFYING: verifying.verifying,
    Phase.REFILLING: refilling,
    Phase.HELD: held,
}
