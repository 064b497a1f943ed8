"""The doctor's one table on a simulated cluster, as it is printed."""

from __future__ import annotations

import json
from dataclasses import replace

from standfast.model.cluster import Disk, VmState
from standfast.platforms.simulated import FileWorld

from .conftest import Place

EXPECTED = """\
Cluster play, 3 hosts, 4 VMs: 3 errors, 1 note.

WHERE           WHAT, AND WHAT MENDS IT
─────────────────────────────────────────────────────────────────────────────────
host2   error   The clock of host2 is -73.0 s off.
                Set up time synchronization on host2. [host_clock]
host3   note    host3 holds back linux-image-amd64.
                `apt-mark unhold` lets them be updated. [host_packages_held]

vm2     error   vm2 has its disk vdb (/var/vm2.img) on its host alone.
                Put the disk on storage that all hosts share. [vm_local_disk]
vm3     error   vm3 is paused, and only a running VM is moved.
                Resume, start or shut down vm3, then plan again. [vm_not_running]

2 hosts can be worked on: host1, host3.
2 VMs can move to 2 hosts each, dark for less than {dark} 95 times in 100: vm1, vm4.
"""

CLEAN = """\
Cluster play, 3 hosts, 4 VMs: nothing to mend.
3 hosts can be worked on: host1, host2, host3.
4 VMs can move to 2 hosts each, dark for less than {dark} 95 times in 100: vm1, vm2, vm3, vm4.
"""


def planted(place: Place) -> FileWorld:
    """A world that the config's name leads to, with four things wrong in it."""
    place.run("scan")
    world = FileWorld(place.path / "world.json")
    world.skew_clock(world.host_id("host2"), -73.0)
    with world.open() as state:
        local = state.vms[world.vm_id("vm2")]
        local.base = replace(local.base, disks=(Disk("/var/vm2.img", shared=False, target="vdb"),))
        state.vms[world.vm_id("vm3")].state = VmState.PAUSED
        state.hosts[world.host_id("host3")].held_back = ("linux-image-amd64",)
        state.placement += 1
    return world


def dark_of(text: str) -> str:
    """The black-out that is predicted, which is not what is tested here."""
    return text.partition("less than ")[2].partition(" 95")[0]


def test_where_all_is_well_it_is_short(place: Place) -> None:
    printed = place.run("doctor")
    assert printed.err == "Examining cluster play …\n"
    assert printed.code == 0
    assert printed.out == CLEAN.format(dark=dark_of(printed.out))


def test_what_is_wrong_is_one_table_with_its_mend(place: Place) -> None:
    planted(place)
    printed = place.run("doctor")
    assert printed.code == 5
    assert printed.out == EXPECTED.format(dark=dark_of(printed.out))


def test_everything_can_be_listed(place: Place) -> None:
    printed = place.run("doctor", "--all")
    assert printed.code == 0
    lines = [line.split() for line in printed.out.splitlines() if line[:3] in ("hos", "vm1", "vm2")]
    assert [line[:2] for line in lines if line] == [
        ["host1", "well"], ["host2", "well"], ["host3", "well"], ["vm1", "well"], ["vm2", "well"],
    ]  # fmt: skip


def test_a_program_is_told_every_host_and_vm(place: Place) -> None:
    planted(place)
    printed = place.raw("doctor", "--json")
    told = json.loads(printed.out)
    assert printed.code == 5
    assert told["counts"] == {"error": 3, "warning": 0, "note": 1}
    hosts = {host["name"]: [each["code"] for each in host["findings"]] for host in told["hosts"]}
    assert hosts == {"host1": [], "host2": ["host_clock"], "host3": ["host_packages_held"]}
    vms = {vm["name"]: (vm["can_move"], len(vm["targets"])) for vm in told["vms"]}
    assert vms == {"vm1": (True, 2), "vm2": (False, 0), "vm3": (False, 0), "vm4": (True, 2)}
    (finding,) = told["vms"][1]["findings"]
    assert set(finding) == {"severity", "code", "sentence", "mend", "accepted"}


def test_what_the_policy_accepts_is_noted(place: Place) -> None:
    planted(place)
    config = (place.path / "standfast.yaml").read_text(encoding="utf-8")
    accepted = config.replace("policy: {", "policy: {accepted_findings: [host_clock], ")
    place.write("standfast.yaml", accepted)
    told = json.loads(place.raw("doctor", "--json").out)
    (clock,) = told["hosts"][1]["findings"]
    assert (clock["severity"], clock["accepted"]) == ("note", True)


def test_a_finding_that_there_is_not_can_t_be_accepted(place: Place) -> None:
    config = (place.path / "standfast.yaml").read_text(encoding="utf-8")
    place.write("standfast.yaml", config.replace("policy: {", "policy: {accepted_findings: [host_clok], "))
    printed = place.run("doctor")
    assert printed.code == 2
    assert "Did you mean 'host_clock'?" in printed.err


def test_a_snapshot_is_judged_without_asking_anybody(place: Place) -> None:
    planted(place)
    place.run("snapshot", "save", "cluster.json")
    (place.path / "world.json").unlink()
    printed = place.run("doctor", "--snapshot", "cluster.json")
    assert printed.code == 5
    assert "vm2 has its disk vdb" in printed.out
    assert "clock" not in printed.out
