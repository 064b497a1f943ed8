"""Silences over whole runs: as long as the work, on every way out, and with monitoring that is down."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, RUN, Drive, DriveMaker, open_drives

from standfast.model.hostwork import WorkKind
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import Phase, RunState, Verb
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=3, vms=4)
SOON_SECONDS = 2 * QUICK.tick_seconds
LEASE_SECONDS = 300.0


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    with open_drives(tmp_path) as drives:
        yield begun(drives)


def begun(drives: DriveMaker, policy: Policy = QUICK) -> Drive:
    made = drives(SPEC, policy)
    made.begin()
    return made


def kinds(drive: Drive) -> list[str]:
    return [event.kind for event in drive.store.events(RUN)]


def entered(drive: Drive, host: str, phase: Phase) -> float:
    """When the host entered that phase last."""
    row = next(row for row in drive.run.hosts if row.name == host)
    return next(
        event.at
        for event in reversed(drive.store.events(RUN))
        if event.host == row.host and event.data.get("to") == phase
    )


def silent_now(drive: Drive) -> list[str]:
    now = drive.world.clock.now()
    return [host for host, _, end in drive.world.silences if end > now]


def wait(drive: Drive, seconds: float) -> None:
    """Ticks for that long."""
    end = drive.world.clock.now() + seconds
    drive.until(lambda _: drive.world.clock.now() >= end)


def test_a_host_is_silent_for_exactly_as_long_as_it_is_worked_on(drive: Drive) -> None:
    run = drive.to_the_end()
    drive.assert_kept()
    assert sorted(host for host, _, _ in drive.world.silences) == sorted(row.name for row in run.hosts)
    for host, begin, end in drive.world.silences:
        assert 0 <= entered(drive, host, Phase.DRAINING) - begin <= SOON_SECONDS
        assert 0 <= end - entered(drive, host, Phase.DONE) <= SOON_SECONDS
    assert kinds(drive).count("silenced") == kinds(drive).count("unsilenced") == 3


def test_one_silence_is_renewed_for_work_that_takes_longer_than_its_lease(tmp_path: Path) -> None:
    with open_drives(tmp_path) as drives:
        drive = begun(drives, replace(QUICK, verify_stable_seconds=1000.0, verify_timeout_seconds=5000.0))
        drive.until(lambda run: any(row.phase == Phase.DONE for row in run.hosts))
        (host, begin, end) = drive.world.silences[0]
        assert end - begin > 1000.0
        assert kinds(drive).count("silenced") == 1
        assert [name for name, _, _ in drive.world.silences].count(host) == 1


def test_a_silence_ends_by_itself_when_the_controller_is_dead_for_good(drive: Drive) -> None:
    drive.until_phase(Phase.PATCHING)
    died_at = drive.world.clock.now()
    assert silent_now(drive) == [drive.run.hosts[0].name]
    drive.world.clock.sleep(LEASE_SECONDS)
    assert silent_now(drive) == []
    (_, _, end) = drive.world.silences[0]
    assert end <= died_at + LEASE_SECONDS


def test_the_next_controller_finds_the_silence_and_renews_it(drive: Drive) -> None:
    drive.until_phase(Phase.PATCHING)
    drive.start_controller()
    drive.until_phase(Phase.REBOOTING)
    assert len(drive.world.silences) == 1
    assert "silence found again and renewed" in drive.texts()
    drive.to_the_end()
    drive.assert_kept()


def test_a_controller_that_comes_back_after_the_lease_makes_it_anew(drive: Drive) -> None:
    drive.until_phase(Phase.PATCHING)
    drive.world.clock.sleep(2 * LEASE_SECONDS)
    drive.start_controller()
    drive.until_phase(Phase.REBOOTING)
    assert len(drive.world.silences) == 2
    drive.to_the_end()
    drive.assert_kept()


def test_a_silence_that_somebody_ended_is_made_anew(tmp_path: Path) -> None:
    with open_drives(tmp_path) as drives:
        drive = begun(drives, replace(QUICK, verify_stable_seconds=400.0))
        drive.until_phase(Phase.DRAINING)
        with drive.world.open() as state:
            state.monitoring.silences[0].ends_at = state.now
        wait(drive, LEASE_SECONDS / 2)
        assert "silence made anew" in drive.texts()
        drive.to_the_end()
        drive.assert_kept()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["keep_silence", "lift_silence", "firing"])
def test_calls_that_fail_are_made_again_and_leave_no_second_silence(
    drive: Drive, name: str, when: str
) -> None:
    drive.world.fail_call(name, 3, when=when)  # type: ignore[arg-type]
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()
    assert len(drive.world.silences) == 3
    assert "failed before it acted" in drive.texts() or "failed after it acted" in drive.texts()


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING])
def test_a_held_host_is_loud_at_once_and_silent_again_when_it_goes_on(drive: Drive, phase: Phase) -> None:
    first = drive.run.hosts[0]
    match phase:
        case Phase.DRAINING:
            drive.world.fail_moves(100, source=first.host)
        case Phase.PATCHING:
            drive.world.fail_work(first.host, WorkKind.PATCH)
        case Phase.REBOOTING:
            drive.world.never_return(first.host)
        case _:
            drive.world.unhealthy_after_boot(first.host, mount="/var/lib/images")
    run = drive.until(lambda run: run.hosts[0].phase == Phase.HELD)
    assert run.hosts[0].held_phase == phase
    wait(drive, SOON_SECONDS)
    assert silent_now(drive) == []
    (_, _, end) = drive.world.silences[0]
    assert end - entered(drive, first.name, Phase.HELD) <= SOON_SECONDS
    with drive.world.open() as state:
        state.hosts[first.host].faults.fail_moves_out = 0
    drive.world.power_on(first.host)
    drive.world.heal(first.host)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


@pytest.mark.parametrize("phase", [Phase.SILENCED, Phase.DRAINING, Phase.REBOOTING, Phase.REFILLING])
def test_cancelling_lifts_and_abandoning_lists(drive: Drive, phase: Phase) -> None:
    drive.until_phase(phase)
    drive.until(lambda _: bool(silent_now(drive)))
    drive.say(Verb.CANCEL)
    drive.until(lambda run: run.state is RunState.CANCELLING)
    drive.to_the_end()
    assert silent_now(drive) == []


def test_an_abandoned_run_lists_its_silence_which_then_ends_by_itself(drive: Drive) -> None:
    run = drive.until_phase(Phase.PATCHING)
    drive.say(Verb.ABANDON)
    drive.to_the_end()
    assert f"silence monitoring on {run.hosts[0].name}" in drive.texts()
    drive.world.clock.sleep(LEASE_SECONDS)
    assert silent_now(drive) == []


# --- monitoring that does not answer ------------------------------------------------------------------------


def test_no_host_begins_while_monitoring_does_not_answer(drive: Drive) -> None:
    drive.world.monitoring(down=True)
    run = drive.until_held()
    assert run.reason is not None
    assert run.reason.code is Code.SILENCE_FAILED
    assert "refuses connections" in run.reason.sentence
    wait(drive, LEASE_SECONDS + SOON_SECONDS)
    assert drive.world.not_given_back == ()
    assert not any(row.cordon_taken for row in drive.run.hosts)
    drive.world.monitoring(down=False)
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_resuming_too_early_waits_again_and_holds_again(drive: Drive) -> None:
    drive.world.monitoring(down=True)
    drive.until_held()
    drive.say(Verb.RESUME)
    drive.until(lambda run: run.state is RunState.RUNNING)
    resumed_at = drive.world.clock.now()
    drive.until_held()
    assert drive.world.clock.now() - resumed_at >= QUICK.silence_wait_seconds


def test_a_policy_may_let_hosts_begin_without_silence(tmp_path: Path) -> None:
    with open_drives(tmp_path) as drives:
        drive = begun(drives, replace(QUICK, silence_required=False))
        drive.world.monitoring(down=True)
        assert drive.to_the_end().state is RunState.COMPLETED
        drive.assert_kept()
        assert drive.world.silences == ()
        assert "monitoring can't be asked for alerts" in drive.texts()
        assert "monitoring does not do what it is asked" in drive.texts()


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING])
def test_a_host_that_is_worked_on_goes_on_and_the_next_one_does_not_begin(drive: Drive, phase: Phase) -> None:
    drive.until_phase(phase)
    drive.world.monitoring(down=True)
    run = drive.until_held()
    assert run.hosts[0].phase == Phase.DONE
    assert run.hosts[1].phase == Phase.HELD
    assert run.reason is not None
    assert run.reason.code is Code.SILENCE_FAILED
    first = run.hosts[0].host
    said = [event for event in drive.store.events(RUN) if event.kind == "silence_failing"]
    assert len([event for event in said if event.host == first]) == 1
    wait(drive, LEASE_SECONDS + SOON_SECONDS)
    assert silent_now(drive) == []
    assert "was not seen to be gone; its time is over" in drive.texts()


def test_monitoring_that_comes_back_is_said(tmp_path: Path) -> None:
    with open_drives(tmp_path) as drives:
        drive = begun(drives, replace(QUICK, verify_stable_seconds=400.0))
        drive.until_phase(Phase.DRAINING)
        drive.world.fail_call("keep_silence", 2)
        drive.to_the_end()
        assert kinds(drive).count("silence_failing") == 1
        assert "answers again, silence renewed" in drive.texts()
        assert len(drive.world.silences) == 3


def test_a_silencer_that_left_the_config_is_waited_out(drive: Drive) -> None:
    drive.until_phase(Phase.PATCHING)
    drive.world.outside = replace(drive.world.outside, silencers=())
    drive.start_controller()
    assert drive.to_the_end().state is RunState.COMPLETED
    assert all(entry.given_back_at is not None for entry in drive.run.journal)
    assert silent_now(drive) == []


# --- alerts that the user named -----------------------------------------------------------------------------


def test_an_alert_that_fires_holds_the_next_host_and_says_which(drive: Drive) -> None:
    drive.until_phase(Phase.REBOOTING)
    drive.world.monitoring(firing=("ClusterBroken", "SomethingElse"))
    run = drive.until_held()
    assert [row.phase for row in run.hosts[:2]] == [Phase.DONE, Phase.HELD]
    assert run.reason is not None
    assert run.reason.code is Code.ALERTS_FIRING
    assert run.reason.sentence.endswith("alerts that you named fire: ClusterBroken.")
    assert not run.hosts[1].cordon_taken
    assert len(drive.world.silences) == 1
    drive.world.monitoring(firing=())
    drive.say(Verb.RESUME)
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()


def test_an_alert_that_stops_in_time_only_delays(drive: Drive) -> None:
    drive.world.monitoring(firing=("ClusterBroken",))
    drive.until_phase(Phase.SILENCED)
    wait(drive, QUICK.alert_wait_seconds / 2)
    assert drive.run.hosts[0].phase == Phase.SILENCED
    assert drive.world.silences == ()
    drive.world.monitoring(firing=())
    assert drive.to_the_end().state is RunState.COMPLETED
    drive.assert_kept()
