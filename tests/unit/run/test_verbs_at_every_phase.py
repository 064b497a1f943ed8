"""Every verb at every phase of a host, on the simulated cluster with the real controller and store.

A verb that makes sense does what it says; one that doesn't says so and changes nothing. Whatever is said, the
run ends, no VM is interrupted, and all that was borrowed is given back or is the operator's to return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from run_drive import QUICK, RUN, Drive, DriveMaker, open_drives

from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId
from standfast.model.run import ENDED_PHASES, ENDED_STATES, Phase, Run, RunState, Verb
from standfast.platforms.simulated import SimSpec

FAST = replace(QUICK, canary_soak_seconds=0.0, reboot_timeout_seconds=300.0, verify_timeout_seconds=300.0)
WORLD = SimSpec(hosts=4, vms=8)
SILENCE_SECONDS = 300.0
HOST_VERBS = (Verb.SKIP, Verb.RETRY, Verb.RETURN)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


Going = Callable[[Drive, HostId], None]
"""Brings a run to a moment of one of its hosts."""


def reach(phase: Phase) -> Going:
    def go(the_drive: Drive, host: HostId) -> None:
        the_drive.until(lambda run: run.row(host).phase == phase)

    return go


def held(fault: Going) -> Going:
    def go(the_drive: Drive, host: HostId) -> None:
        fault(the_drive, host)
        the_drive.until(lambda run: run.row(host).phase == Phase.HELD)
        the_drive.until(lambda run: run.state is RunState.HELD)

    return go


def ended_by(verb: Verb, before: Going, phase: Phase) -> Going:
    def go(the_drive: Drive, host: HostId) -> None:
        before(the_drive, host)
        the_drive.say(verb, host)
        the_drive.until(lambda run: run.row(host).phase == phase)

    return go


def _no_move(the_drive: Drive, host: HostId) -> None:
    the_drive.world.fail_moves(3, source=host)


def _no_patch(the_drive: Drive, host: HostId) -> None:
    the_drive.world.fail_work(host, WorkKind.PATCH)


def _no_return(the_drive: Drive, host: HostId) -> None:
    the_drive.world.never_return(host)


def _unwell(the_drive: Drive, host: HostId) -> None:
    the_drive.world.unhealthy_after_boot(host, mount="/var/lib/images")


MOMENTS: dict[str, Going] = {
    "planned": lambda _drive, _host: None,
    **{
        str(phase): reach(phase)
        for phase in (
            *(Phase.SILENCED, Phase.DRAINING, Phase.EMPTY, Phase.PATCHING),
            *(Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING, Phase.DONE),
        )
    },
    "held draining": held(_no_move),
    "held patching": held(_no_patch),
    "held rebooting": held(_no_return),
    "held verifying": held(_unwell),
    "skipped": ended_by(Verb.SKIP, lambda _drive, _host: None, Phase.SKIPPED),
    "rolled back": ended_by(Verb.SKIP, reach(Phase.DRAINING), Phase.ROLLED_BACK),
    "failed": ended_by(Verb.SKIP, held(_no_patch), Phase.FAILED),
}

HELD = {"held draining", "held patching", "held rebooting", "held verifying"}
GIVEN_UP = {"skipped", "rolled back", "failed"}
BEFORE_PATCH = {"planned", "silenced", "draining", "empty"}
ALL = set(MOMENTS)

MAKES_SENSE: dict[Verb, set[str]] = {
    Verb.PAUSE: ALL - HELD,
    Verb.RESUME: HELD,
    Verb.REPLAN: ALL,
    Verb.CANCEL: ALL,
    Verb.ABANDON: ALL,
    Verb.SKIP: BEFORE_PATCH | HELD,
    Verb.RETRY: HELD | GIVEN_UP,
    Verb.RETURN: {"failed"},
}


def told(the_drive: Drive, command: int) -> tuple[str, bool]:
    """What became of the word, ticking until it is taken up."""
    for _ in range(10):
        outcome = the_drive.store.outcome(command)
        if outcome is not None:
            return outcome
        the_drive.tick()
    raise AssertionError("nobody took the word up")


def mend(the_drive: Drive, host: HostId) -> None:
    the_drive.world.power_on(host)
    the_drive.world.heal(host)


def to_the_end(the_drive: Drive) -> Run:
    """As an operator who mends and goes on would."""
    for _ in range(8):
        run = the_drive.until(lambda run: run.ended or run.state in (RunState.PAUSED, RunState.HELD))
        if run.ended:
            return run
        return_what_failed(the_drive)
        the_drive.say(Verb.RESUME)
        the_drive.until(lambda run: not run.commands)
    raise AssertionError(f"the run is {the_drive.run.state} for ever: {the_drive.texts()}")


def return_what_failed(the_drive: Drive) -> None:
    """Without a host that is lost there may be no room to go on."""
    lost = [row for row in the_drive.run.hosts if row.phase == Phase.FAILED and row.cordon_taken]
    for row in lost:
        the_drive.say(Verb.RETURN, row.host)
    the_drive.until(lambda run: not any(run.row(row.host).cordon_taken for row in lost))


def return_what_is_cordoned(the_drive: Drive) -> None:
    """`host return` for each host that the run has left cordoned, also after its end."""
    for _ in range(30):
        rows = [row for row in the_drive.run.hosts if row.cordon_taken]
        if not rows:
            return
        for row in rows:
            if row.asked != "return":
                the_drive.say(Verb.RETURN, row.host)
        assert RUN in the_drive.store.runs_to_drive()
        the_drive.tick()
        the_drive.world.clock.sleep(60.0)
    raise AssertionError("a host was never returned")


def name(value: object) -> str:
    return str(value).replace(" ", "-")


@pytest.mark.parametrize(("moment", "verb"), list(product(MOMENTS, Verb)), ids=name)
def test_every_verb_at_every_phase(drives: DriveMaker, moment: str, verb: Verb) -> None:
    the_drive = drives(WORLD, FAST)
    the_drive.begin()
    host = the_drive.run.hosts[0].host
    MOMENTS[moment](the_drive, host)
    before = the_drive.run
    outcome, done = told(the_drive, the_drive.say(verb, host if verb in HOST_VERBS else None))
    assert done is (moment in MAKES_SENSE[verb]), outcome
    if not done:
        assert outcome.startswith(f"{verb} changes nothing: ")
        assert the_drive.run.state is before.state
        assert the_drive.run.plan_digest == before.plan_digest
    mend(the_drive, host)
    run = to_the_end(the_drive)
    row = run.row(host)
    if verb is Verb.CANCEL:
        assert run.state is RunState.CANCELLED
    elif verb is Verb.ABANDON:
        assert run.state is RunState.ABANDONED
    elif verb is Verb.SKIP and done:
        ended = Phase.FAILED if moment in HELD - {"held draining"} else Phase.ROLLED_BACK
        assert row.phase == (Phase.SKIPPED if moment == "planned" else ended)
        assert [other.phase for other in run.hosts if other.host != host] == [Phase.DONE] * 3
    elif verb is Verb.RETRY or moment not in GIVEN_UP:
        assert [other.phase for other in run.hosts] == [Phase.DONE] * 4
        assert run.state is RunState.COMPLETED
    return_what_is_cordoned(the_drive)
    the_drive.world.clock.sleep(SILENCE_SECONDS)  # an abandoned run's silences end by themselves
    the_drive.assert_kept()
    assert the_drive.store.runs_to_drive() == ()


AT = ("planned", "draining", "patching", "held rebooting")


@pytest.mark.parametrize(("moment", "first", "second"), list(product(AT, Verb, Verb)), ids=name)
def test_two_operators_at_once(drives: DriveMaker, moment: str, first: Verb, second: Verb) -> None:
    """Both words are left before either is taken up: the second one is judged by what the first has done."""
    the_drive = drives(SimSpec(hosts=3, vms=4), FAST)
    the_drive.begin()
    host = the_drive.run.hosts[0].host
    MOMENTS[moment](the_drive, host)
    words = [the_drive.say(verb, host if verb in HOST_VERBS else None) for verb in (first, second)]
    outcomes = []
    for word in words:
        if the_drive.run.ended and the_drive.store.outcome(word) is None:
            break  # it was abandoned before
        outcomes.append(told(the_drive, word))
    if first is second and first is not Verb.REPLAN and len(outcomes) == 2:
        assert not outcomes[1][1], outcomes
    mend(the_drive, host)
    run = to_the_end(the_drive)
    assert run.state in ENDED_STATES
    if Verb.ABANDON not in (first, second):
        assert all(row.phase in ENDED_PHASES for row in run.hosts)
    return_what_is_cordoned(the_drive)
    the_drive.world.clock.sleep(SILENCE_SECONDS)  # an abandoned run's silences end by themselves
    the_drive.assert_kept()
