"""VMs with a host-local disk on a real lab, one on each host, each under another word said beforehand.

One lab for all: what one test leaves is where the next one begins, as in an operator's week.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_program import Program, lab_of

from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, VmSpec, default_hosts
from standfast.model.run import Phase, Run, RunState
from standfast.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

LOCAL = ("local1", "local2", "local3")
"""The lab puts the largest VMs on the hosts in order: local1 on kvm1, and so on."""
HELD, LIMIT_SECONDS = 4, 600.0
VIRSH = "virsh -q -c qemu:///system"


@pytest.fixture(scope="module")
def local_lab() -> Iterator[Lab]:
    name = f"u{os.getpid()}"
    vms = [VmSpec(each, 180, 40, 200, local_disk=True, deaf=each == "local1") for each in LOCAL]
    vms += [VmSpec(f"vm{number}", 160, 40, 200) for number in range(1, 4)]
    with lab_of(LabSpec(name=name, hosts=default_hosts(3), vms=tuple(vms))) as up:
        yield up


@pytest.fixture
def program(local_lab: Lab, tmp_path: Path) -> Program:
    return Program(local_lab.config_path, tmp_path / "state")


def boot_ids(lab: Lab) -> dict[str, str]:
    return {host: lab.boot_id(host) for host in lab.hosts}


def apply(program: Program, *words: str, plan: Path) -> tuple[int, str]:
    """Plan with these words and carry it out; the exit code of `apply`, and what `plan` printed."""
    planned = program.call("plan", "--out", str(plan), *words)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    return program.call("apply", str(plan), "--yes").returncode, planned.stdout


def cordoned(lab: Lab, host: str) -> bool:
    return lab.ssh(host, "test -e /var/lib/standfast/cordon", check=False).returncode == 0


def by_name(report: dict[str, object]) -> dict[str, dict[str, object]]:
    vms = report["vms"]
    assert isinstance(vms, list)
    return {vm["name"]: vm for vm in vms}


def test_each_local_vm_is_where_it_is_said_to_be(local_lab: Lab) -> None:
    where = local_lab.where()
    assert [where[vm] for vm in LOCAL] == [["kvm1"], ["kvm2"], ["kvm3"]]


def test_a_consented_vm_is_restarted_once_and_no_other_vm_is(
    local_lab: Lab, program: Program, tmp_path: Path
) -> None:
    """kvm1 is skipped; local3 is shut down around the reboot of kvm3; the run leaves kvm2 out."""
    before = boot_ids(local_lab)
    local_lab.observer.start()
    words = ("--exclude", "kvm2", "--unmovable", "local1=skip", "--unmovable", "local3=consent")
    code, said = apply(program, *words, plan=tmp_path / "plan.json")
    assert code == 0, program.call("run", "show").stdout
    _wait_heard_again(local_lab, "local3")
    report = local_lab.observer.stop()
    assert "SHUT DOWN local3, then start it again on kvm3" in said
    assert "Left alone: kvm1: kvm1 is skipped" in said

    after = boot_ids(local_lab)
    assert after["kvm3"] != before["kvm3"]
    assert (after["kvm1"], after["kvm2"]) == (before["kvm1"], before["kvm2"])
    assert local_lab.where()["local3"] == ["kvm3"]
    assert not cordoned(local_lab, "kvm3")

    seen = by_name(report)
    assert seen["local3"]["restarts"] == 1
    kinds = [each["kind"] for each in seen["local3"]["interruptions"]]  # type: ignore[attr-defined]
    assert kinds == ["shutdown", "started"], seen["local3"]
    for name, vm in seen.items():
        assert (vm["states_left"], vm["disk_errors"], vm["memory_errors"]) == ([], 0, 0), vm
        if name != "local3":
            assert (vm["restarts"], vm["interruptions"]) == (0, []), vm

    [off] = json.loads(program.call("run", "report", "--json").stdout)["off"]
    assert (off["vm"], off["host"], off["ended_how"]) == ("local3", "kvm3", "shutdown")
    assert 0 < off["seconds"] < LIMIT_SECONDS


def test_a_run_holds_before_a_host_where_that_was_said_and_a_cancel_leaves_all_as_it_was(
    local_lab: Lab, program: Program, tmp_path: Path
) -> None:
    before, where = boot_ids(local_lab), local_lab.where()
    local_lab.observer.start()
    words = ("--hosts", "kvm2", "--unmovable", "local2=hold")
    plan = tmp_path / "plan.json"
    planned = program.call("plan", "--out", str(plan), *words)
    assert "HOLD before kvm2 is touched, because of local2" in planned.stdout
    assert program.call("apply", str(plan), "--yes", "--detach").returncode == 0
    store = Store.open(tmp_path / "state" / "standfast.db", read_only=True)
    try:
        held = _until(store, RunState.HELD)
        assert held.hosts[0].held_phase == Phase.PLANNED
        assert held.reason is not None
        assert "local2 has its disk" in held.reason.sentence
        assert program.call("run", "cancel").returncode == 0
        _until(store, RunState.CANCELLED)
    finally:
        store.close()
    report = local_lab.observer.stop()
    assert not report["red"], report["reasons"]
    assert boot_ids(local_lab) == before
    assert local_lab.where() == where
    assert not cordoned(local_lab, "kvm2")


def test_a_vm_shut_down_by_hand_in_a_hold_lets_the_run_go_on_and_stays_off(
    local_lab: Lab, program: Program, tmp_path: Path
) -> None:
    """kvm3 was patched by an earlier test and wants another reboot."""
    before = boot_ids(local_lab)
    local_lab.ssh("kvm3", "touch /run/reboot-required")
    local_lab.observer.start()
    code, _ = apply(program, "--hosts", "kvm3", "--unmovable", "local3=hold", plan=tmp_path / "plan.json")
    assert code == HELD
    shown = program.call("run", "show").stdout
    assert "Shut local3 down or move it by hand, then resume. What was shut down by hand stays off." in shown
    local_lab.ssh("kvm3", f"{VIRSH} shutdown local3")
    _wait_off(local_lab, "local3")
    assert program.call("run", "resume").returncode == 0
    watched = program.call("run", "watch")
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert boot_ids(local_lab)["kvm3"] != before["kvm3"]
    assert local_lab.where()["local3"] == []

    local_lab.ssh("kvm3", f"{VIRSH} start local3")
    _wait_heard_again(local_lab, "local3")
    for name, vm in by_name(local_lab.observer.stop()).items():
        kinds = [each["kind"] for each in vm["interruptions"]]  # type: ignore[attr-defined]
        assert kinds == (["shutdown", "started"] if name == "local3" else []), vm


def test_a_consented_vm_is_started_again_though_the_controller_died_and_the_run_was_cancelled(
    local_lab: Lab, program: Program, tmp_path: Path
) -> None:
    """Killed for good while local2 is off and kvm2 is patched; the next word is to end the run."""
    local_lab.observer.start()
    plan = tmp_path / "plan.json"
    words = ("--hosts", "kvm2", "--unmovable", "local2=consent")
    planned = program.call("plan", "--out", str(plan), *words)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert program.call("apply", str(plan), "--yes", "--detach").returncode == 0
    store = Store.open(tmp_path / "state" / "standfast.db", read_only=True)
    try:
        _wait_phase(store, Phase.PATCHING)
        lease = store.lease()
        assert lease is not None
        os.kill(int(lease.holder.rpartition(":")[2]), signal.SIGKILL)
        assert local_lab.where()["local2"] == []
        assert program.call("run", "cancel").returncode == 0
        run = _until(store, RunState.CANCELLED)
        assert all(entry.given_back_at is not None for entry in run.journal)
    finally:
        store.close()
    _wait_heard_again(local_lab, "local2")
    report = local_lab.observer.stop()
    assert local_lab.where()["local2"] == ["kvm2"]
    assert not cordoned(local_lab, "kvm2")
    for name, vm in by_name(report).items():
        kinds = [each["kind"] for each in vm["interruptions"]]  # type: ignore[attr-defined]
        assert kinds == (["shutdown", "started"] if name == "local2" else []), vm
        assert (vm["restarts"], vm["states_left"]) == (int(name == "local2"), []), vm


def test_a_guest_that_does_not_heed_is_held_for_and_its_power_cut_only_with_that_word(
    local_lab: Lab, program: Program, tmp_path: Path
) -> None:
    """local1 does not heed its power button."""
    text = local_lab.config_path.read_text(encoding="utf-8")
    hasty = text.replace("policy: {", "policy: {shutdown_timeout_seconds: 5, ")
    assert hasty != text
    (tmp_path / "standfast.yaml").write_text(hasty, encoding="utf-8")
    program = Program(tmp_path / "standfast.yaml", tmp_path / "state")
    local_lab.observer.start()
    plan = tmp_path / "plan.json"
    planned = program.call("plan", "--out", str(plan), "--hosts", "kvm1", "--unmovable", "local1=hold")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert program.call("apply", str(plan), "--yes", "--consent", "local1").returncode == HELD
    shown = program.call("run", "show").stdout
    assert "local1 has not shut down within 5 s, and nobody consented to cutting its power." in shown
    assert program.call("run", "cancel").returncode == 0
    store = Store.open(tmp_path / "state" / "standfast.db", read_only=True)
    try:
        _until(store, RunState.CANCELLED)
    finally:
        store.close()
    report = local_lab.observer.report()
    assert not report["red"], report["reasons"]

    code, said = apply(program, "--hosts", "kvm1", "--unmovable", "local1=force", plan=plan)
    assert code == 0, program.call("run", "show").stdout
    assert "SHUT DOWN local1" in said
    _wait_heard_again(local_lab, "local1")
    seen = by_name(local_lab.observer.stop())
    kinds = [each["kind"] for each in seen["local1"]["interruptions"]]  # type: ignore[attr-defined]
    assert kinds == ["stopped", "started"], seen["local1"]
    assert local_lab.where()["local1"] == ["kvm1"]
    assert not [name for name, vm in seen.items() if vm["restarts"] and name != "local1"]


def _wait_phase(store: Store, phase: Phase) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    run_id = store.find_run("last")
    while (run := store.run(run_id)).hosts[0].phase != phase:
        assert not run.ended, f"the run is {run.state}"
        assert time.monotonic() < deadline, "\n".join(event.text for event in store.events(run_id)[-6:])
        time.sleep(0.02)


def _wait_off(lab: Lab, vm: str) -> None:
    deadline = time.monotonic() + 180.0
    while lab.where()[vm]:
        assert time.monotonic() < deadline, f"{vm} does not shut down"
        time.sleep(0.2)


def _wait_heard_again(lab: Lab, vm: str) -> None:
    """The run is at its end when the VM runs; its guest takes some seconds more until it speaks."""
    deadline = time.monotonic() + 180.0
    while by_name(lab.observer.report())[vm]["restarts"] == 0:
        assert time.monotonic() < deadline, by_name(lab.observer.report())[vm]
        time.sleep(0.2)


def _until(store: Store, state: RunState) -> Run:
    deadline = time.monotonic() + LIMIT_SECONDS
    run_id = store.find_run("last")
    while (run := store.run(run_id)).state is not state:
        assert not run.ended, f"the run is {run.state}"
        assert time.monotonic() < deadline, "\n".join(event.text for event in store.events(run_id)[-6:])
        time.sleep(0.1)
    return run
