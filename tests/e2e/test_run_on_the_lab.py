"""The main job on a real lab, with the controller killed in the middle, judged by the lab's observer."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from e2e_program import Program

from standfast.lab.cluster import Lab
from standfast.model.run import MoveState, Phase, Run, RunState
from standfast.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

LIMIT_SECONDS = 600.0


def _phase(phase: Phase) -> Callable[[Run], bool]:
    return lambda run: any(row.phase == phase for row in run.hosts)


def _moving(run: Run) -> bool:
    return any(move.state is MoveState.STARTED and move.step is not None for move in run.moves)


def _spreading(run: Run) -> bool:
    return any(move.state is MoveState.STARTED and move.step is None for move in run.moves)


def test_every_host_is_patched_though_the_controller_is_killed_in_every_phase(
    lab: Lab, tmp_path: Path
) -> None:
    state_dir, plan_file = tmp_path / "state", tmp_path / "plan.json"
    program = Program(lab.config_path, state_dir)
    before = {host: lab.boot_id(host) for host in lab.hosts}
    lab.observer.start()
    planned = program.call("plan", "--out", str(plan_file))
    assert planned.returncode == 0, planned.stderr

    # The run is made by `apply`; its own controller is the first one to be killed.
    applied = program.call("apply", str(plan_file), "--yes", "--detach")
    assert applied.returncode == 0, applied.stderr
    store = Store.open(state_dir / "standfast.db", read_only=True)
    try:
        os.kill(_first_holder(store), signal.SIGKILL)
        run_id = store.find_run("last")
        moments = {
            "drain": _moving,
            "patch": _phase(Phase.PATCHING),
            "reboot": _phase(Phase.REBOOTING),
            "refill": _phase(Phase.REFILLING),
            "spread": _spreading,
        }
        process = program.serve()
        killed = []
        deadline = time.monotonic() + LIMIT_SECONDS
        try:
            while not (run := store.run(run_id)).ended:
                assert time.monotonic() < deadline, _last_words(store)
                assert run.state is not RunState.HELD, _last_words(store)
                moment = next((name for name, is_now in moments.items() if is_now(run)), None)
                if moment is not None:
                    process.kill()
                    process.wait()
                    killed.append(moment)
                    del moments[moment]
                    process = program.serve()
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
        assert run.state is RunState.COMPLETED, _last_words(store)
        assert set(killed) >= {"drain", "patch", "reboot", "refill"}
    finally:
        store.close()

    report = lab.observer.stop()
    assert not report["red"], report["reasons"]
    for vm in report["vms"]:
        assert (vm["restarts"], vm["states_left"]) == (0, []), vm
    assert sum(vm["moves"] for vm in report["vms"]) <= 2 * len(lab.vms)
    for host in lab.hosts:
        assert lab.boot_id(host) != before[host]
        pending = lab.ssh(host, "LC_ALL=C apt-get -qq -s dist-upgrade | grep -c ^Inst || true").stdout.strip()
        assert pending == "0"
        assert lab.ssh(host, "test ! -e /var/lib/standfast/cordon", check=False).returncode == 0
    told = json.loads(program.call("run", "report", "--json").stdout)
    assert all(move.get("record") is None or move["record"]["evidence"] != "none" for move in told["moves"])
    # VMs were asked while they moved; only moves whose controller was killed meanwhile have nothing of it.
    seen = [move["seen_seconds"] for move in told["moves"] if move["seen_seconds"] is not None]
    assert len(seen) >= len(told["moves"]) - len(killed) - 2
    assert max(seen) < 5.0


def test_a_cluster_that_is_compliant_has_nothing_planned(lab: Lab, tmp_path: Path) -> None:
    program = Program(lab.config_path, tmp_path / "state")
    plan_file = tmp_path / "plan.json"
    planned = program.call("plan", "--out", str(plan_file), "--detailed-exitcode")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    applied = program.call("apply", str(plan_file), "--yes")
    assert applied.returncode == 0
    assert "nothing to do" in applied.stderr


def _first_holder(store: Store) -> int:
    """Process id of the first controller to hold the lease."""
    deadline = time.monotonic() + 120.0
    while (lease := store.lease()) is None:
        assert time.monotonic() < deadline, "no controller took the lease"
        time.sleep(0.05)
    return int(lease.holder.rpartition(":")[2])


def _last_words(store: Store) -> str:
    run = store.find_run("last")
    return "\n".join(event.text for event in store.events(run)[-8:])
