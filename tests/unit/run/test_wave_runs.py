"""Whole runs in waves on the simulated cluster, judged by the world's own record."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_drive import QUICK, Died, DriveMaker, open_drives

from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import ENDED_PHASES, Phase, Run, RunState, Verb
from standfast.platforms.simulated import SimSpec

FIVE = SimSpec(hosts=5, vms=14, anti_affinity=((1, 2), (4, 5)), seed=3)
LENIENT = replace(QUICK, failed_hosts_max=1)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def out(run: Run) -> list[str]:
    """Hosts that are being worked on."""
    return [row.name for row in run.hosts if row.phase not in {*ENDED_PHASES, Phase.PLANNED, Phase.HELD}]


def test_two_of_five_hosts_are_out_together_and_every_rule_holds(drives: DriveMaker) -> None:
    the_drive = drives(FIVE)
    the_drive.begin()
    together: set[tuple[str, ...]] = set()

    def watched(run: Run) -> bool:
        together.add(tuple(out(run)))
        return run.ended

    run = the_drive.until(watched)
    assert run.state is RunState.COMPLETED
    assert [len(wave.hosts) for wave in run.plan.waves] == [1, 2, 2]
    assert max(map(len, together)) == 2
    the_drive.assert_kept()


def test_the_canary_soaks_before_others_follow(drives: DriveMaker) -> None:
    the_drive = drives(FIVE)
    the_drive.begin()
    run = the_drive.to_the_end()
    events = the_drive.store.events(run.id)
    ends = {event.host: event.at for event in events if event.data.get("to") == "done"}
    begins = [event.at for event in events if event.data.get("to") == "silenced"]
    canary = run.plan.steps[0].host
    assert min(at for at in begins if at > ends[canary]) - ends[canary] >= QUICK.canary_soak_seconds


@pytest.mark.parametrize("seed", range(3))
def test_a_controller_that_dies_at_every_commit_gets_every_wave_done(drives: DriveMaker, seed: int) -> None:
    the_drive = drives(
        replace(FIVE, hosts=6, vms=18, seed=seed), replace(QUICK, canary_soak_seconds=0.0, move_attempts=8)
    )
    chance = random.Random(seed)

    def sometimes(_where: str) -> None:
        if chance.random() < 0.3:
            raise Died

    the_drive.hook = sometimes
    the_drive.begin()
    assert the_drive.to_the_end().state is RunState.COMPLETED
    assert the_drive.deaths > 20
    the_drive.assert_kept()


def test_a_host_that_fails_holds_the_run_while_its_neighbour_in_the_wave_is_finished(
    drives: DriveMaker,
) -> None:
    the_drive = drives(FIVE)
    the_drive.begin()
    lost, neighbour = (step.host for step in the_drive.run.plan.waves[1].hosts)
    the_drive.world.never_return(lost)
    the_drive.until_held()
    run = the_drive.until(lambda run: run.row(neighbour).phase == Phase.DONE)
    assert run.state is RunState.HELD
    assert run.row(lost).reason is not None
    assert all(run.row(step.host).phase == Phase.PLANNED for step in run.plan.waves[2].hosts)
    the_drive.world.power_on(lost)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_the_rest_of_the_run_goes_on_without_a_lost_host_where_the_reserve_holds(drives: DriveMaker) -> None:
    the_drive = drives(FIVE, LENIENT)
    the_drive.begin()
    lost = the_drive.run.plan.waves[1].hosts[0].host
    the_drive.world.never_return(lost)
    run = the_drive.until_held()
    assert [row.phase for row in run.hosts if row.host != lost] == [Phase.DONE] * 4
    assert run.row(lost).phase == Phase.HELD
    the_drive.world.power_on(lost)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_without_its_reserve_the_rest_of_the_run_waits_for_the_lost_host(drives: DriveMaker) -> None:
    """Three hosts: with one lost and one out, the last can't be spared."""
    the_drive = drives(SimSpec(hosts=3, vms=6), replace(LENIENT, canary_hosts=0))
    the_drive.begin()
    lost = the_drive.run.hosts[0].host
    the_drive.world.never_return(lost)
    run = the_drive.until_held()
    codes = {row.reason.code for row in run.hosts if row.reason is not None}
    assert codes == {Code.REBOOT_TIMEOUT, Code.NO_RESERVE}
    assert Phase.DONE not in [row.phase for row in run.hosts]
    the_drive.world.power_on(lost)
    the_drive.say(Verb.RESUME)
    assert the_drive.to_the_end().state is RunState.COMPLETED
    the_drive.assert_kept()


def test_hosts_that_would_end_after_the_time_to_finish_by_are_not_begun(drives: DriveMaker) -> None:
    the_drive = drives(FIVE, replace(QUICK, canary_soak_seconds=0.0))
    plan = the_drive.plan()
    until = the_drive.world.clock.now() + 1.5 * plan.waves[0].hosts[0].p95_seconds
    the_drive.begin(replace(plan, finish_by=until))
    run = the_drive.to_the_end()
    assert run.state is RunState.DEGRADED
    phases = [row.phase for row in run.hosts]
    assert Phase.DONE in phases
    assert Phase.SKIPPED in phases
    ends = [event.at for event in the_drive.store.events(run.id) if event.data.get("to") == "done"]
    assert max(ends) <= until
    the_drive.assert_kept()


def test_waves_of_a_larger_cluster_widen(drives: DriveMaker) -> None:
    policy = Policy(tick_seconds=5.0, verify_stable_seconds=5.0, wave_hosts_fraction=0.25)
    the_drive = drives(SimSpec(hosts=16, vms=60, compliant=(0, 1)), policy)
    the_drive.begin()
    run = the_drive.to_the_end()
    assert run.state is RunState.COMPLETED
    assert [len(wave.hosts) for wave in run.plan.waves] == [1, 2, 4, 4, 3]
    the_drive.assert_kept()
