"""Whatever goes wrong, whoever says what: nobody is stopped without consent, nothing stays off unsaid."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from run_drive import QUICK, RUN, Died, Drive, open_drives

from standfast.model.cluster import VmState
from standfast.model.hostwork import WorkKind
from standfast.model.run import RunState, Verb
from standfast.model.unmovable import Handling, Said
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec

SPEC = SimSpec(hosts=3, vms=5, local_disks=(1, 2))
STOPPED = ("vm2", "vm3")
PATIENT = replace(
    QUICK, shutdown_timeout_seconds=120.0, reboot_timeout_seconds=300.0, verify_timeout_seconds=60.0
)
VERBS = (Verb.PAUSE, Verb.RESUME, Verb.CANCEL)
TICKS = 400


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_nothing_is_stopped_without_consent_and_nothing_stays_off_unsaid(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as place, open_drives(Path(place)) as make:
        drive = make(SPEC, PATIENT)
        _begin(drive, data)
        _break(drive, data)
        said = data.draw(st.lists(st.tuples(st.integers(1, TICKS), st.sampled_from(VERBS)), max_size=4))
        deaths = data.draw(st.sets(st.integers(0, 300), max_size=6))
        _drive(drive, dict(said), deaths)
        _end(drive)
        _judge(drive)


def _begin(drive: Drive, data: st.DataObject) -> None:
    words: dict[Any, Said] = {}
    for name in STOPPED:
        vm = drive.world.vm_id(name)
        handling = data.draw(st.sampled_from(list(Handling)))
        if handling.consents:
            drive.world.agree(vm, forced=handling is Handling.FORCE)
        words[vm] = Said(vm, handling, "alice", 0.0, "test")
    plan = make_plan(drive.snapshot(scan=True), PATIENT, now=drive.world.clock.now(), said=words)
    drive.begin(plan)


def _break(drive: Drive, data: st.DataObject) -> None:
    world = drive.world
    for name in STOPPED:
        vm = world.vm_id(name)
        world.shutdown_takes(vm, data.draw(st.sampled_from([1.0, 20.0, 110.0, 200.0, None])))
        world.fail_starts(vm, data.draw(st.sampled_from([0, 0, 1, 4, 9])))
    host = world.host_id(data.draw(st.sampled_from(["host2", "host3"])))
    match data.draw(st.sampled_from(["well", "patch", "reboot", "boot", "unwell", "silent"])):
        case "patch":
            world.fail_work(host, WorkKind.PATCH)
        case "reboot":
            world.fail_work(host, WorkKind.REBOOT)
        case "boot":
            world.never_return(host)
        case "unwell":
            world.unhealthy_after_boot(host, link="eth0")
        case "silent":
            world.unreachable(host, 200.0, after=data.draw(st.floats(0.0, 600.0)))
    for call in ("shutdown", "start", "cordon", "uncordon"):
        if data.draw(st.booleans()):
            times = data.draw(st.integers(1, 3))
            world.fail_call(call, times, when="before" if data.draw(st.booleans()) else "after")


def _drive(drive: Drive, said: dict[int, Verb], deaths: set[int]) -> None:
    commits = iter(range(10**9))

    def deadly(_where: str) -> None:
        if next(commits) in deaths:
            raise Died

    drive.hook = deadly
    for tick in range(TICKS):
        if drive.run.ended:
            return
        if tick in said:
            drive.say(said[tick])
        if not drive.tick():
            drive.world.clock.sleep(PATIENT.tick_seconds)
        assert drive.world.violations == ()


def _ended(drive: Drive) -> bool:
    return drive.run.ended


def _end(drive: Drive) -> None:
    """Everything is mended, and an operator says so until the run has ended."""
    drive.hook = None
    for host in drive.world.names:
        drive.world.heal(host)
        drive.world.power_on(host)
    for vm in STOPPED:
        drive.world.fail_starts(drive.world.vm_id(vm), 0)
        drive.world.shutdown_takes(drive.world.vm_id(vm), 20.0)
    drive.world.clock.sleep(600.0)
    for _ in range(6):
        if _ended(drive):
            return
        drive.say(Verb.CANCEL if drive.run.state is not RunState.CANCELLING else Verb.RESUME)
        for _ in range(300):
            if not _ended(drive) and not drive.tick():
                drive.world.clock.sleep(PATIENT.tick_seconds)
    assert drive.run.ended, drive.texts()[-2000:]


def _judge(drive: Drive) -> None:
    drive.world.clock.sleep(3600.0)
    owed = {entry.before.get("vm") for entry in drive.store.run(RUN).journal if entry.given_back_at is None}
    assert drive.world.violations == ()
    with drive.world.open(write=False) as state:
        off = {vm.base.name for vm in state.vms.values() if vm.state is not VmState.RUNNING}
    late = {line.split(" ")[1] for line in drive.texts().splitlines() if "is left running" in line}
    late |= {line.partition(":")[0] for line in drive.texts().splitlines() if "is left running" in line}
    assert off <= owed | late, (off, owed, drive.texts()[-3000:])
