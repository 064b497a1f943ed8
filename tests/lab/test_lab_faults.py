"""Each fault of `lab break` is really there, and `lab mend` takes it back; VMs it must not touch go on."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from standfast.lab import network
from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.faults import FAULTS, SLOW_BOOT_SECONDS, find, mend
from standfast.lab.names import Net

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

HOST, OTHER = "kvm3", "kvm1"
ARCHIVES = "/var/cache/apt/archives"


def says(command: str) -> Callable[[Lab], bool]:
    return lambda lab: lab.ssh(HOST, command, check=False).returncode == 0


def answers(lab: Lab) -> bool:
    # Not over a connection that is kept: it would wait for a host that is gone for a moment.
    argv = ["ssh", "-F", str(lab.paths.ssh_config), "-o", "ControlPath=none", "-o", "ConnectTimeout=2", HOST]
    try:
        return subprocess.run([*argv, "true"], timeout=5, check=False, capture_output=True).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def migration_reached(lab: Lab) -> bool:
    return lab.ssh(OTHER, f"ssh -o ConnectTimeout=2 {HOST}-mig true", check=False).returncode == 0


def fast(net: Net) -> Callable[[Lab], bool]:
    return lambda lab: "rate" not in network.shaping(lab.host(HOST).names, lab.host(HOST).number, net)


WELL: dict[str, Callable[[Lab], bool]] = {
    "management": answers,
    "migration": migration_reached,
    "libvirtd": says("virsh -q -c qemu:///system uri"),
    "dpkg-lock": says("dpkg --configure -a"),
    "disk": says(f"head -c 9999 /dev/zero >{ARCHIVES}/probe && rm {ARCHIVES}/probe"),
    "slow-management": fast(Net.MANAGEMENT),
    "slow-migration": fast(Net.MIGRATION),
    "storage": says("test -s /srv/vm/boot/kernel"),
    "package": says("apt-get -qq update && ! apt-cache policy standfast-lab-broken | grep -q 1.1"),
}
"""What is so on a host that isn't broken so: the faults that touch no VM."""


def state_of(lab: Lab, state: str) -> None:
    deadline = time.monotonic() + 180.0
    while lab.host(HOST).status != state:
        assert time.monotonic() < deadline, f"{HOST} is {lab.host(HOST).status}, not {state}"
        time.sleep(0.1)


@pytest.fixture
def empty(lab: Lab) -> Iterator[str]:
    """The host without its VMs, which come back to it."""
    homes = [vm for vm, hosts in lab.where().items() if hosts == [HOST]]
    for vm in homes:
        lab.migrate(vm, "kvm2")
    try:
        yield HOST
    finally:
        mend(lab, HOST)
        for vm in homes:
            lab.migrate(vm, HOST)


@pytest.mark.parametrize("name", WELL)
def test_a_fault_is_there_until_it_is_mended_and_no_vm_is_interrupted(lab: Lab, name: str) -> None:
    assert WELL[name](lab)
    lab.observer.start()
    try:
        find(name).do(lab, HOST)
        find(name).do(lab, HOST)  # twice is once
        assert not WELL[name](lab)
    finally:
        mend(lab, HOST, name)
    mend(lab, HOST)
    assert WELL[name](lab)
    for vm in lab.observer.stop()["vms"]:
        assert (vm["restarts"], vm["interruptions"], vm["states_left"]) == (0, [], []), vm
        assert vm["longest_gap_seconds"] < 5.0, vm


def test_a_frozen_host_stands_still_and_goes_on_where_it_was(lab: Lab, empty: str) -> None:
    before = lab.boot_id(empty)
    find("freeze").do(lab, empty)
    assert not answers(lab)
    assert lab.host(empty).status == "running"
    mend(lab, empty, "freeze")
    assert answers(lab)
    assert lab.boot_id(empty) == before


@pytest.mark.parametrize(("name", "reboots", "state"), [("power", False, "off"), ("boot", True, "failed")])
def test_a_host_that_is_down_is_switched_on_by_mending_it(
    lab: Lab, empty: str, name: str, reboots: bool, state: str
) -> None:
    before = lab.boot_id(empty)
    broken = _program(lab, "break", empty, name)
    assert broken.stdout.startswith(f"{empty} is broken: "), broken.stderr
    if reboots:
        lab.ssh(empty, "systemctl reboot", check=False)
    state_of(lab, state)
    mended = _program(lab, "mend", empty)
    assert mended.stdout == f"{empty} is mended.\n", mended.stderr
    assert lab.boot_id(empty) != before


def test_a_boot_that_was_to_fail_and_is_mended_beforehand_does_not_fail(lab: Lab, empty: str) -> None:
    before = lab.boot_id(empty)
    find("boot").do(lab, empty)
    mend(lab, empty, "boot")
    lab.ssh(empty, "systemctl reboot", check=False)
    lab.wait_rebooted(empty, before)


def test_boots_are_slow_until_that_is_mended(lab: Lab) -> None:
    seconds = lab.host(HOST).paths.boot_seconds
    find("slow-boot").do(lab, HOST)
    assert float(seconds.read_text()) == SLOW_BOOT_SECONDS
    mend(lab, HOST, "slow-boot")
    assert float(seconds.read_text()) == lab.state.spec.boot_seconds


def test_a_qemu_that_is_killed_takes_one_vm_along_and_mending_starts_that_one(lab: Lab) -> None:
    before = lab.where()
    find("qemu").do(lab, HOST)
    find("qemu").do(lab, HOST)  # twice is once
    (gone,) = (vm for vm, hosts in lab.where().items() if not hosts)
    assert before[gone] == [HOST]
    mend(lab, HOST)
    assert lab.where() == before


def test_a_speed_that_somebody_wished_for_is_not_mended(lab: Lab) -> None:
    lab.set_speed(Net.MIGRATION, 900_000_000, hosts=[HOST])
    try:
        mend(lab, HOST)
        assert not WELL["slow-migration"](lab)
    finally:
        lab.set_speed(Net.MIGRATION, None, hosts=[HOST])


def test_what_there_is_not_is_refused_and_nothing_is_broken(lab: Lab) -> None:
    for words in (
        ("break", "kvm9", "boot"),
        ("break", HOST, "luck"),
        ("mend", HOST, "luck"),
        ("mend", ""),
        ("break", HOST, "alertmanager"),
    ):
        refused = _program(lab, *words)
        assert refused.returncode != 0
        assert refused.stderr.startswith("standfast lab: "), refused.stderr
    assert not lab.host(HOST).paths.fail_next_boot.exists()
    with pytest.raises(LabError, match="there are boot, slow-boot, "):
        find("luck")
    assert set(WELL) | {"boot", "slow-boot", "power", "freeze", "qemu", "alertmanager"} == set(FAULTS)


def _program(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "standfast.cli", "lab", *words, "--name", lab.name]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
