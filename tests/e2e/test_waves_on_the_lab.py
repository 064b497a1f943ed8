"""Hosts in waves, and one that does not come back, on a real lab of five hosts, judged by its observer."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_program import Program, lab_of

from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.model.run import ENDED_PHASES, Phase, Run, RunState
from standfast.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

HELD, LIMIT_SECONDS = 4, 600.0
QUICK = (
    "policy: {verify_stable_seconds: 1, canary_soak_seconds: 2, tick_seconds: 0.5, reboot_warn_seconds: 5, "
    "reboot_timeout_seconds: 25}\n"
    "    commands: {console: [echo, 'chassis of {host}: power is off']}"
)


@pytest.fixture(scope="module")
def five() -> Iterator[Lab]:
    name = f"w{os.getpid()}"
    with lab_of(LabSpec(name=name, hosts=default_hosts(5), vms=default_vms(7))) as up:
        yield up


@pytest.fixture
def program(five: Lab, tmp_path: Path) -> Program:
    text, count = re.subn(r"policy: \{.*\}", QUICK, five.config_path.read_text())
    assert count == 1
    config = tmp_path / "standfast.yaml"
    config.write_text(text)
    return Program(config, tmp_path / "state")


def assert_finished(lab: Lab, host: str, boot_before: str) -> None:
    assert lab.boot_id(host) != boot_before
    pending = lab.ssh(host, "LC_ALL=C apt-get -qq -s dist-upgrade | grep -c ^Inst || true").stdout.strip()
    assert pending == "0"
    assert lab.ssh(host, "test ! -e /var/lib/standfast/cordon", check=False).returncode == 0


def assert_uninterrupted(lab: Lab) -> None:
    report = lab.observer.stop()
    assert not report["red"], report["reasons"]
    for vm in report["vms"]:
        assert (vm["restarts"], vm["states_left"]) == (0, []), vm


def test_a_failed_boot_is_held_with_what_is_known_and_finished_by_hand(
    five: Lab, program: Program, tmp_path: Path
) -> None:
    before = five.boot_id("kvm1")
    five.observer.start()
    plan = str(tmp_path / "plan.json")
    planned = program.call("plan", "--hosts", "kvm1", "--out", plan)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    five.fail_next_boot("kvm1")
    applied = program.call("apply", plan, "--yes")
    assert applied.returncode == HELD, applied.stderr
    assert "kvm1 does not answer 25 s after its reboot was asked for" in applied.stderr
    assert "its console says: chassis of kvm1: power is off" in applied.stderr
    assert re.search(r"Before, it ran \S+: choose that in its boot menu", applied.stderr), applied.stderr
    refused = program.call("run", "pause")
    assert refused.returncode == 5
    assert "pause changes nothing: the run is held" in refused.stderr

    five.power_on("kvm1")
    five.wait_rebooted("kvm1", before)
    again = program.call("run", "retry", "kvm1")
    assert again.returncode == 0, again.stderr
    watched = program.call("run", "watch")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert_uninterrupted(five)
    assert_finished(five, "kvm1", before)


def test_two_of_five_hosts_are_out_together_and_no_vm_is_interrupted(
    five: Lab, program: Program, tmp_path: Path
) -> None:
    before = {host: five.boot_id(host) for host in five.hosts}
    # A host of a busy lab now and then takes half a minute to go down: here nothing hangs on that.
    text = program.config.read_text()
    program.config.write_text(text.replace("reboot_timeout_seconds: 25", "reboot_timeout_seconds: 120"))
    five.observer.start()
    plan = str(tmp_path / "plan.json")
    planned = program.call("plan", "--order", "kvm3,kvm2", "--out", plan)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "Together: " in planned.stdout
    assert "Left alone: kvm1: nothing pending" in planned.stdout
    applied = program.call("apply", plan, "--yes", "--detach")
    assert applied.returncode == 0, applied.stderr
    together = watch(program.state_dir / "standfast.db")
    assert together[0] == ("kvm3",)
    assert max(map(len, together)) == 2
    report = json.loads(program.call("run", "report", "--json").stdout)
    assert report["state"] == "completed"
    assert {host["phase"] for host in report["hosts"]} == {"done"}
    assert_uninterrupted(five)
    assert five.boot_id("kvm1") == before["kvm1"]
    for host in set(five.hosts) - {"kvm1"}:
        assert_finished(five, host, before[host])


def watch(path: Path) -> list[tuple[str, ...]]:
    """Hosts that were out together, each set once, in order, until the run has ended."""
    store = Store.open(path, read_only=True)
    seen: list[tuple[str, ...]] = []
    deadline = time.monotonic() + LIMIT_SECONDS
    try:
        run_id = store.find_run("last")
        while not (run := store.run(run_id)).ended:
            told = "\n".join(event.text for event in store.events(run_id)[-8:])
            assert time.monotonic() < deadline, told
            assert run.state is not RunState.HELD, told
            if out(run) and (not seen or seen[-1] != out(run)):
                seen.append(out(run))
            time.sleep(0.05)
    finally:
        store.close()
    return seen


def out(run: Run) -> tuple[str, ...]:
    """Hosts that hold no VM, or soon none."""
    idle = {*ENDED_PHASES, Phase.PLANNED, Phase.HELD}
    return tuple(row.name for row in run.hosts if row.phase not in idle)
