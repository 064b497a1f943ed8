"""Whole runs of the real controller on the simulated cluster, judged by the world's own record."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, Died, Drive, DriveMaker, open_drives

from standfast.model.hostwork import PendingUpdate, WorkKind, WorkPhase
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import MoveState, Phase, RunState, Verb
from standfast.platforms.simulated import SimSpec


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    """Makes drives, and closes their stores."""
    with open_drives(tmp_path) as make:
        yield make


def compliant(the_drive: Drive) -> bool:
    return all(
        host.updates is not None and host.updates.compliant for host in the_drive.snapshot(scan=True).hosts
    )


def test_every_host_is_patched_and_no_vm_is_interrupted(drives: DriveMaker) -> None:
    the_drive = drives(policy=replace(QUICK, wave_hosts_max=1))
    before = {host.id: host.facts.boot_id for host in the_drive.snapshot().hosts if host.facts}
    the_drive.begin()
    run = the_drive.to_the_end()
    the_drive.assert_kept()
    assert run.state is RunState.COMPLETED
    assert compliant(the_drive)
    for row in run.hosts:
        assert row.boot_id_after not in ("", before[row.host])
        assert row.versions_after != row.versions_before
    done = [move for move in run.moves if move.state is MoveState.DONE]
    assert len(done) == len(run.plan.moves) == 12
    assert all(move.record is not None and move.record.blackout_seconds is not None for move in done)


def test_security_only_installs_those_updates_and_is_content_with_the_others_pending(
    drives: DriveMaker,
) -> None:
    kernel = PendingUpdate("linux-image-amd64", "6.1.140-1", "6.1.147-1", security=True)
    tool = PendingUpdate("less", "590-1", "590-2")
    the_drive = drives(
        SimSpec(hosts=3, vms=4, packages=(kernel, tool)), policy=replace(QUICK, security_only=True)
    )
    the_drive.begin()
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    for row in run.hosts:
        assert dict(row.versions_after) == {"linux-image-amd64": "6.1.147-1"}
        assert row.scan_after is not None
        assert row.scan_after.pending == (tool,)
    texts = [event.text for event in the_drive.store.events(run.id)]
    assert texts.count("no VM on it: installing 1 update") == 3
    assert texts.count("nothing pending, but 1 update not for security") == 3
    the_drive.assert_kept()


def test_rules_hold_in_every_intermediate_state(drives: DriveMaker) -> None:
    spec = SimSpec(hosts=5, vms=14, anti_affinity=((1, 2, 3), (4, 5)), pins=((6, (1, 2, 3)),), seed=3)
    the_drive = drives(spec)
    the_drive.begin()
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_a_controller_that_dies_at_every_commit_still_gets_there(drives: DriveMaker) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=6))
    chance = random.Random(1)

    def sometimes(_where: str) -> None:
        if chance.random() < 0.3:
            raise Died

    the_drive.hook = sometimes
    the_drive.begin()
    run = the_drive.to_the_end()
    assert the_drive.deaths > 20
    assert run.state is RunState.COMPLETED
    assert compliant(the_drive)
    the_drive.assert_kept()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["start_move", "cordon", "uncordon", "begin", "scan", "health", "look"])
def test_calls_that_fail_once_are_made_again(drives: DriveMaker, name: str, when: str) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=4))
    the_drive.begin()
    the_drive.world.fail_call(name, 2, when=when)  # type: ignore[arg-type]
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_platform_that_can_not_say_what_became_of_a_move_is_asked_again(
    drives: DriveMaker, when: str
) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=4))
    the_drive.begin()
    the_drive.until(lambda run: any(move.state is MoveState.STARTED for move in run.moves))
    the_drive.world.fail_call("move_outcome", 7, when=when)  # type: ignore[arg-type]
    the_drive.start_controller()
    assert the_drive.to_the_end().state is RunState.COMPLETED
    assert all(move.state is MoveState.DONE for move in the_drive.run.moves)
    the_drive.assert_kept()


def test_a_failed_move_is_tried_again(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.world.fail_moves(2, vm=the_drive.world.vm_id("vm05"))
    the_drive.begin()
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert sum(move.state is MoveState.FAILED for move in run.moves) == 2
    the_drive.assert_kept()


def test_a_drain_that_fails_for_good_hands_the_host_back_and_holds_the_run(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.world.fail_moves(3, vm=the_drive.world.vm_id("vm01"))
    the_drive.begin()
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.MOVE_FAILED
    run = the_drive.until(lambda run: not any(row.cordon_taken for row in run.hosts))
    the_drive.assert_kept()
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_a_move_that_never_ends_is_ended_and_tried_again(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.world.stall_moves(the_drive.world.vm_id("vm02"))
    the_drive.begin()
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert "not finished after" in the_drive.texts()
    the_drive.assert_kept()


@pytest.mark.parametrize(
    ("kind", "code"), [(WorkKind.STAGE, Code.STAGE_FAILED), (WorkKind.PATCH, Code.PATCH_FAILED)]
)
def test_failed_work_holds_the_run_and_resume_gets_it_done(
    drives: DriveMaker, kind: WorkKind, code: Code
) -> None:
    the_drive = drives()
    the_drive.begin()
    the_drive.world.fail_work(the_drive.run.hosts[0].host, kind)
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is code
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_a_host_whose_power_fails_for_a_moment_while_it_is_patched_needs_nobody(drives: DriveMaker) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=4))
    the_drive.begin()
    run = the_drive.until(lambda now: any(row.phase == Phase.PATCHING for row in now.hosts))
    [out] = [row for row in run.hosts if row.phase == Phase.PATCHING]
    the_drive.until(lambda _: the_drive.world.work.look(out.host).works[-1].phase is WorkPhase.RUNNING)
    the_drive.world.lose_power(out.host, 20.0)
    ended = the_drive.to_the_end()
    assert (ended.state, ended.row(out.host).attempt) == (RunState.COMPLETED, 2)
    assert compliant(the_drive)
    the_drive.assert_kept()


def test_a_host_that_does_not_come_back_is_held_and_finished_by_hand(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.begin()
    first = the_drive.run.hosts[0].host
    the_drive.world.never_return(first)
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.REBOOT_TIMEOUT
    the_drive.world.power_on(first)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_a_host_that_answers_with_its_old_boot_id_is_not_taken_for_rebooted(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.begin()
    the_drive.world.keep_boot(the_drive.run.hosts[0].host)
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.REBOOT_TIMEOUT
    assert the_drive.world.violations == ()


def test_a_host_that_comes_back_worse_stays_empty_until_it_is_mended(drives: DriveMaker) -> None:
    the_drive = drives()
    the_drive.begin()
    first = the_drive.run.hosts[0].host
    the_drive.world.unhealthy_after_boot(first, mount="/var/lib/images")
    run = the_drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.UNHEALTHY
    assert "/var/lib/images" in run.reason.sentence
    assert the_drive.snapshot().vms_on(first) == ()
    the_drive.world.heal(first)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


@pytest.mark.parametrize(
    "phase",
    [
        Phase.SILENCED,
        Phase.DRAINING,
        Phase.EMPTY,
        Phase.PATCHING,
        Phase.REBOOTING,
        Phase.VERIFYING,
        Phase.DONE,
    ],
)
def test_cancel_at_any_phase_gives_everything_back(drives: DriveMaker, phase: Phase) -> None:
    the_drive = drives()
    the_drive.begin()
    the_drive.until_phase(phase)
    the_drive.say(Verb.CANCEL)
    run = the_drive.to_the_end()
    assert run.state is RunState.CANCELLED
    assert all(row.phase in (Phase.DONE, Phase.ROLLED_BACK, Phase.SKIPPED) for row in run.hosts)
    the_drive.assert_kept()


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING])
def test_a_paused_run_stands_still_and_goes_on(drives: DriveMaker, phase: Phase) -> None:
    the_drive = drives()
    the_drive.begin()
    the_drive.until_phase(phase)
    the_drive.say(Verb.PAUSE)
    the_drive.until(lambda run: run.state is RunState.PAUSED)
    for _ in range(200):
        the_drive.tick()
        the_drive.world.clock.sleep(10.0)
    still = the_drive.run
    assert still.state is RunState.PAUSED
    assert sum(row.phase == Phase.DONE for row in still.hosts) <= 1
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_a_compliant_host_is_left_alone(drives: DriveMaker) -> None:
    the_drive = drives(SimSpec(compliant=(2,)))
    boot = {host.name: host.facts.boot_id for host in the_drive.snapshot().hosts if host.facts}
    the_drive.begin()
    run = the_drive.to_the_end()
    assert len(run.hosts) == 3
    after = {host.name: host.facts.boot_id for host in the_drive.snapshot().hosts if host.facts}
    assert boot["host3"] == after["host3"]
    the_drive.assert_kept()


def test_a_host_that_was_patched_by_hand_meanwhile_is_not_drained(drives: DriveMaker) -> None:
    the_drive = drives()
    plan = the_drive.plan()
    the_drive.begin(plan)
    last = plan.steps[-1].host
    with the_drive.world.open() as state:
        state.hosts[last].pending = ()
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert not any(move.step == last for move in run.moves)
    the_drive.assert_kept()


def test_the_same_world_gives_the_same_run(drives: DriveMaker) -> None:
    logs = []
    for _turn in range(2):
        the_drive = drives(SimSpec(seed=5))
        the_drive.begin()
        the_drive.to_the_end()
        logs.append(the_drive.texts())
    assert logs[0] == logs[1]


def test_a_longer_stable_time_is_waited_for(drives: DriveMaker) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=3), Policy(tick_seconds=1.0, verify_stable_seconds=300.0))
    the_drive.begin()
    began = the_drive.until_phase(Phase.VERIFYING).hosts[0].since
    ended = the_drive.until_phase(Phase.DONE).hosts[0].since
    assert ended - began >= 300.0
    assert QUICK.verify_stable_seconds < 300.0
