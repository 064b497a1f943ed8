"""`standfast doctor` on real hosts: each planted fault is found and nothing else; a clean lab has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_faults import FAULTS, Fault, plain
from e2e_program import Program

from standfast.lab.cluster import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

AUTH = {"host_key_unknown", "host_key_changed", "host_no_access", "host_no_rights"}


def found(program: Program) -> tuple[list[str], str, int]:
    """`WHERE CODE` of every finding, all that was printed, and the exit code."""
    done = program.call("doctor", "--json")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    told = json.loads(done.stdout)
    findings = [f"cluster {each['code']}" for each in told["findings"]]
    for place in (*told["hosts"], *told["vms"]):
        findings += [f"{place['name']} {each['code']}" for each in place["findings"]]
    return findings, done.stdout, done.returncode


def test_a_clean_lab_has_nothing_to_mend(lab: Lab, tmp_path: Path) -> None:
    findings, printed, code = found(plain(lab, tmp_path))
    assert (findings, code) == ([], 0), printed
    told = json.loads(printed)
    assert all(len(vm["targets"]) == len(lab.hosts) - 1 for vm in told["vms"]), printed


def test_at_least_twenty_faults_are_planted() -> None:
    assert len({fault.name for fault in FAULTS}) >= 20
    assert len({fault.finds.split()[1] for fault in FAULTS}) >= 20


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_and_nothing_else(lab: Lab, tmp_path: Path, fault: Fault) -> None:
    with fault.plant(lab, tmp_path) as program:
        findings, printed, code = found(program)
    assert findings == [fault.finds, *fault.follows], printed
    severity = next(each for each in ("error", "warning", "note") if json.loads(printed)["counts"][each])
    wanted = 6 if fault.finds.split()[1] in AUTH else 5
    assert code == (wanted if severity == "error" else 0)


def test_with_all_taken_back_the_lab_is_clean_again(lab: Lab, tmp_path: Path) -> None:
    findings, printed, code = found(plain(lab, tmp_path))
    assert (findings, code) == ([], 0), printed
