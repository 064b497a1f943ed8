"""A VM that can't move, under each thing said beforehand: on the simulated cluster, judged by its record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, Died, Drive, DriveMaker, open_drives

from standfast.model.cluster import VmState
from standfast.model.hostwork import WorkKind
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import HostRow, Phase, Run, RunState, Verb
from standfast.model.unmovable import Handling, Said
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=3, vms=5, local_disks=(1,))
PATIENT = replace(
    QUICK, shutdown_timeout_seconds=120.0, reboot_timeout_seconds=300.0, verify_timeout_seconds=60.0
)
DB = "vm2"
"""The VM with the disk on its host alone, host2, where vm4 is as well."""
HOST = "host2"


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def planned(drive: Drive, handling: Handling = Handling.CONSENT, vm: str = DB) -> Plan:
    said = Said(drive.world.vm_id(vm), handling, "alice", drive.world.clock.now(), "--unmovable")
    now = drive.world.clock.now()
    return make_plan(drive.snapshot(scan=True), drive.policy, now=now, said={said.vm: said})


def begun(
    drives: DriveMaker,
    handling: Handling = Handling.CONSENT,
    spec: SimSpec = SPEC,
    policy: Policy = PATIENT,
    agreed: bool = True,
) -> Drive:
    drive = drives(spec, policy)
    if agreed:
        drive.world.agree(drive.world.vm_id(DB), forced=handling is Handling.FORCE)
    drive.begin(planned(drive, handling))
    return drive


def row_of(drive: Drive, run: Run, host: str = HOST) -> HostRow:
    return run.row(drive.world.host_id(host))


def vm_now(drive: Drive, vm: str = DB) -> VmState:
    with drive.world.open(write=False) as state:
        return state.vms[drive.world.vm_id(vm)].state


def runs(drive: Drive, vm: str = DB) -> bool:
    return vm_now(drive, vm) is VmState.RUNNING


def until_off(drive: Drive) -> None:
    drive.until(lambda _run: not runs(drive))


def until_phase(drive: Drive, phase: Phase, host: str = HOST) -> Run:
    return drive.until(lambda run: row_of(drive, run, host).phase == phase)


def until_running(drive: Drive) -> None:
    drive.until(lambda _run: runs(drive))


def kinds(drive: Drive, vm: str = DB) -> list[str]:
    """What was said of the VM, in order."""
    wanted = drive.world.vm_id(vm)
    return [event.kind for event in drive.store.events(drive.run.id) if event.vm == wanted]


def nothing_is_owed(run: Run) -> bool:
    return all(entry.given_back_at is not None for entry in run.journal)


# --- the three things that can be said ----------------------------------------------------------------------


def test_a_consented_vm_is_shut_down_last_and_started_again_after_its_host(drives: DriveMaker) -> None:
    drive = begun(drives)
    run = drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert all(row.phase == Phase.DONE for row in run.hosts)
    drive.assert_kept()
    assert nothing_is_owed(run)
    assert kinds(drive) == ["consent", "vm_shutdown", "vm_off", "vm_start", "vm_running"]
    assert drive.world.vm_id(DB) not in {move.vm for move in run.moves}
    log = [line.split(" ", 1)[1] for line in drive.world.log]
    order = [
        log.index(line)
        for line in (
            "vm2 is asked to shut down",
            "vm2 is off (shutdown)",
            "patch on host2 begins",
            "host2 goes down",
            "host2 is back",
            "vm2 boots on host2",
            "host2 is uncordoned",
        )
    ]
    assert order == sorted(order)
    left = max(place for place, line in enumerate(log) if "leaves host2" in line)
    assert left < order[0]


def test_a_host_is_skipped_where_that_was_said(drives: DriveMaker) -> None:
    drive = begun(drives, Handling.SKIP, agreed=False)
    boot = {host.name: host.facts.boot_id for host in drive.snapshot().hosts if host.facts}
    run = drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert HOST not in {row.name for row in run.hosts}
    assert {host.name: host.facts.boot_id for host in drive.snapshot().hosts if host.facts}[HOST] == boot[
        HOST
    ]
    [alone] = [alone for alone in run.plan.left_alone if alone.name == HOST]
    assert alone.reason is not None
    assert "as alice said" in alone.reason.sentence
    drive.assert_kept()


def test_the_run_holds_before_it_touches_the_host_where_that_was_said(drives: DriveMaker) -> None:
    drive = begun(drives, Handling.HOLD, agreed=False)
    run = drive.until_held()
    assert row_of(drive, run).reason is not None
    assert row_of(drive, run).held_phase == Phase.PLANNED
    assert run.reason is not None
    assert run.reason.code is Code.VM_LOCAL_DISK
    assert not any(move.step == drive.world.host_id(HOST) for move in run.moves)
    drive.say(Verb.RESUME)
    again = drive.until_held()
    assert row_of(drive, again).held_phase == Phase.PLANNED
    with drive.world.open() as state:  # the operator shuts it down from inside
        state.place(state.vms[drive.world.vm_id(DB)], drive.world.host_id(HOST), VmState.SHUT_OFF)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    assert not runs(drive)  # theirs to start
    drive.assert_kept()


def test_without_a_word_the_plan_refuses_and_says_how_to_give_one(drives: DriveMaker) -> None:
    [refusal] = drives(SPEC).plan().refusals
    assert refusal.code is Code.VM_LOCAL_DISK
    assert "--unmovable vm2=skip, hold or consent" in refusal.mend


def test_who_consented_and_who_approved_is_on_record_for_the_run(drives: DriveMaker) -> None:
    drive = begun(drives, Handling.FORCE)
    [event] = [event for event in drive.store.events(drive.run.id) if event.kind == "consent"]
    assert event.actor == "tester"
    assert event.vm == drive.world.vm_id(DB)
    assert event.data == {"by": "alice", "at": event.at, "where": "--unmovable", "handling": "force"}
    assert (
        "alice consented (--unmovable) to a clean shutdown and a cold start around the reboot of host2"
        in (event.text)
    )
    assert "cutting its power" in event.text


# --- guests that don't heed it ------------------------------------------------------------------------------


def test_a_guest_that_does_not_shut_down_is_never_forced_and_holds_its_host(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.shutdown_takes(drive.world.vm_id(DB), None)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.VM_NOT_SHUT_DOWN
    assert runs(drive)
    asked = [line for line in drive.world.log if "asked to shut down" in line]
    assert 3 <= len(asked) <= 5  # again and again, as one that was just booting has missed it
    run = drive.until(lambda run: not row_of(drive, run).cordon_taken)
    drive.say(Verb.CANCEL)
    run = drive.to_the_end()
    assert run.state is RunState.CANCELLED
    assert nothing_is_owed(run)
    drive.assert_kept()


def test_its_power_is_cut_only_where_that_was_consented_to(drives: DriveMaker) -> None:
    drive = begun(drives, Handling.FORCE)
    drive.world.shutdown_takes(drive.world.vm_id(DB), None)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()
    assert sum("(destroyed)" in line for line in drive.world.log) == 1
    assert "its power is cut (consent of alice" in drive.texts()


def test_its_power_is_cut_when_its_time_is_over_and_not_when_it_would_be_asked_again(
    drives: DriveMaker,
) -> None:
    drive = begun(drives, Handling.FORCE, policy=replace(PATIENT, shutdown_timeout_seconds=12.0))
    drive.world.shutdown_takes(drive.world.vm_id(DB), None)
    drive.to_the_end()
    events = drive.store.events(drive.run.id)
    asked_at, cut_at = (event.at for event in events if event.kind == "vm_shutdown")
    assert 12.0 <= cut_at - asked_at <= 12.0 + 2 * PATIENT.tick_seconds


def test_a_guest_that_heeds_it_late_is_started_again_though_its_host_is_held(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.shutdown_takes(drive.world.vm_id(DB), 400.0)
    drive.until_held()
    assert runs(drive)
    until_off(drive)
    until_running(drive)
    assert drive.run.state is RunState.HELD
    drive.world.shutdown_takes(drive.world.vm_id(DB), 20.0)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_one_that_goes_off_in_a_hold_is_left_off_for_an_operator_about_to_resume(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.shutdown_takes(drive.world.vm_id(DB), 200.0)
    drive.until_held()
    until_off(drive)
    drive.tick()
    drive.say(Verb.RESUME)
    boots = sum("vm2 boots" in line for line in drive.world.log)
    run = drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert sum("vm2 boots" in line for line in drive.world.log) == boots + 1
    drive.assert_kept()


# --- starts that fail ---------------------------------------------------------------------------------------


def test_a_start_that_fails_is_tried_again(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.fail_starts(drive.world.vm_id(DB), 3)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()
    assert "start failed (3 of 5)" in drive.texts()


def test_a_vm_that_can_not_be_started_holds_its_host_and_is_tried_on(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.fail_starts(drive.world.vm_id(DB), 20)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.VM_NOT_STARTED
    until_running(drive)
    told = drive.texts().count("start failed")
    assert told < 10  # not once a minute for ever
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_a_cancel_that_can_not_start_it_says_what_is_still_off(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.world.fail_starts(drive.world.vm_id(DB), 10_000)
    drive.until_held()
    drive.say(Verb.CANCEL)
    run = drive.to_the_end()
    assert run.state is RunState.CANCELLED
    assert "Still changed: vm2 shut off, which ran before" in drive.texts()
    assert [entry.told for entry in run.journal if entry.given_back_at is None] == [
        "vm2 shut off, which ran before"
    ]


def test_a_vm_with_a_saved_state_is_not_started_from_it(drives: DriveMaker) -> None:
    drive = begun(drives)
    until_off(drive)
    with drive.world.open() as state:
        vm = state.vms[drive.world.vm_id(DB)]
        vm.base = replace(vm.base, managed_save=True)
    run = drive.until_held()
    assert run.reason is not None
    assert "saved state" in run.reason.sentence
    assert not runs(drive)


# --- every way out ------------------------------------------------------------------------------------------

PHASES = [Phase.EMPTY, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING]


@pytest.mark.parametrize("phase", PHASES)
def test_a_cancel_in_any_phase_starts_it_again(drives: DriveMaker, phase: Phase) -> None:
    drive = begun(drives)
    until_phase(drive, phase)
    assert not runs(drive)
    drive.say(Verb.CANCEL)
    run = drive.to_the_end()
    assert run.state is RunState.CANCELLED
    assert runs(drive)
    assert nothing_is_owed(run)
    drive.assert_kept()


def test_a_cancel_while_it_shuts_down_starts_it_again(drives: DriveMaker) -> None:
    drive = begun(drives)
    drive.until(lambda run: any(entry.kind == "shutdown" for entry in run.journal))
    assert runs(drive)
    drive.say(Verb.CANCEL)
    run = drive.to_the_end()
    drive.world.clock.sleep(3600.0)
    assert runs(drive)
    assert nothing_is_owed(run)
    drive.assert_kept()


@pytest.mark.parametrize("phase", [Phase.EMPTY, Phase.PATCHING, Phase.REBOOTING])
def test_an_abandoned_run_says_that_it_is_off(drives: DriveMaker, phase: Phase) -> None:
    drive = begun(drives)
    until_phase(drive, phase)
    drive.say(Verb.ABANDON)
    drive.to_the_end()
    assert "vm2 shut off, which ran before on host2" in drive.texts()


@pytest.mark.parametrize(
    ("kind", "code"), [(WorkKind.PATCH, Code.PATCH_FAILED), (WorkKind.REBOOT, Code.REBOOT_TIMEOUT)]
)
def test_a_host_held_after_failed_work_gets_it_back_and_is_done_later(
    drives: DriveMaker, kind: WorkKind, code: Code
) -> None:
    drive = begun(drives)
    drive.world.fail_work(drive.world.host_id(HOST), kind)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is code
    until_running(drive)
    assert drive.run.state is RunState.HELD
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_a_failed_boot_gets_it_back_when_its_host_returns(drives: DriveMaker) -> None:
    drive = begun(drives)
    host = drive.world.host_id(HOST)
    drive.world.never_return(host)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.REBOOT_TIMEOUT
    drive.world.power_on(host)
    until_running(drive)
    assert drive.run.state is RunState.HELD
    with drive.world.open(write=False) as state:
        assert state.hosts[host].cordoned_by  # for everybody else
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_a_host_that_came_back_unwell_gets_it_back_only_once_it_is_mended(drives: DriveMaker) -> None:
    drive = begun(drives)
    host = drive.world.host_id(HOST)
    drive.world.unhealthy_after_boot(host, mount="/var/lib/images")
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.UNHEALTHY
    for _ in range(100):
        if not drive.tick():
            drive.world.clock.sleep(5.0)
    assert not runs(drive)
    drive.world.heal(host)
    until_running(drive)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


@pytest.mark.parametrize("phase", [Phase.EMPTY, Phase.PATCHING])
def test_a_long_pause_gets_it_back_and_a_resume_shuts_it_down_again(drives: DriveMaker, phase: Phase) -> None:
    drive = begun(drives)
    until_phase(drive, phase)
    drive.say(Verb.PAUSE)
    until_running(drive)
    assert drive.run.state is RunState.PAUSED
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


# --- the controller dies ------------------------------------------------------------------------------------


def test_a_controller_that_dies_at_any_commit_or_call_of_it_brings_it_back(drives: DriveMaker) -> None:
    """Each run dies once, at another place, from when the VM is asked until it runs again."""
    for place in range(200):
        drive = drives(replace(SPEC, hosts=2, vms=3, reserve_hosts=0), PATIENT)
        drive.world.agree(drive.world.vm_id(DB))
        drive.begin(planned(drive))
        death = _Death(drive, place)
        run = drive.to_the_end()
        assert run.state is RunState.COMPLETED, place
        assert nothing_is_owed(run), place
        assert sum("vm2 boots" in line for line in drive.world.log) == 1, place
        drive.assert_kept()
        if drive.deaths == 0:
            break
    assert drive.deaths == 0
    assert place > 30
    assert death.near_the_platform == 4


class _Death:
    """Kills the controller once, at the n-th of the places that matter: before and after each commit while
    the VM is asked, off or started, and each call of the platform's that stops or starts it."""

    def __init__(self, drive: Drive, place: int) -> None:
        self.left = place
        self.near_the_platform = 0
        self._drive = drive
        self._over = False
        drive.hook = self._commit
        platform = drive.world.outside.platform
        for name in ("shutdown", "start"):
            setattr(platform, name, self._deadly(getattr(platform, name)))

    def _commit(self, _where: str) -> None:
        mine = [entry for entry in self._drive.run.journal if entry.name == self._drive.world.vm_id(DB)]
        if any(entry.given_back_at is None for entry in mine) or not mine:
            self._count(bool(mine) or self._drive.run.hosts[1].phase == Phase.DRAINING)

    def _deadly(self, act: Callable[..., None]) -> Callable[..., None]:
        def dying(*args: object, **more: object) -> None:
            self.near_the_platform += 1
            self._count(True)
            act(*args, **more)
            self.near_the_platform += 1
            self._count(True)

        return dying

    def _count(self, matters: bool) -> None:
        self.left -= matters
        if self.left < 0 and not self._over:
            self._over = True
            raise Died


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["shutdown", "start", "cordon"])
def test_calls_that_raise_are_made_again(drives: DriveMaker, name: str, when: str) -> None:
    drive = begun(drives)
    until_phase(drive, Phase.DRAINING)
    drive.world.fail_call(name, 2, when=when)  # type: ignore[arg-type]
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()
