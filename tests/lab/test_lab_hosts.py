"""Hosts of a lab are hosts: their own identity, pending updates, and reboots that can be proven."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.names import Names, Net

pytestmark = pytest.mark.lab


def wait_for(lab: Lab, host: str, state: str, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while lab.host(host).status != state:
        assert time.monotonic() < deadline, f"{host} is {lab.host(host).status}, not {state}"
        time.sleep(0.1)


def test_every_host_has_its_own_boot_id_uuid_and_name(lab: Lab) -> None:
    assert len({lab.boot_id(host) for host in lab.hosts}) == 3
    for host in lab.hosts:
        said = lab.ssh(host, "hostname; virsh -q -c qemu:///system capabilities | grep -m1 '<uuid>'").stdout
        assert said.split() == [host, f"<uuid>{Names(lab.name).host_uuid(host)}</uuid>"]


def test_updates_are_pending_offline_and_one_is_security_and_asks_for_a_reboot(lab: Lab) -> None:
    lab.ssh("kvm1", "apt-get update -qq")
    lines = lab.ssh("kvm1", "apt-get -s upgrade").stdout.splitlines()
    offered = {line.split()[1]: line for line in lines if line.startswith("Inst ")}
    names = ("config", "kernel", "library", "tools")
    assert list(offered) == [f"standfast-lab-{name}" for name in names]
    assert "(1.1 Debian-Security:13/stable-security [all])" in offered["standfast-lab-kernel"]
    assert "[1.0] (1.1 Debian:13/stable [all])" in offered["standfast-lab-tools"]
    assert lab.ssh("kvm1", "test -e /run/reboot-required", check=False).returncode == 1


def test_an_upgrade_asks_for_a_reboot_and_meets_an_edited_conffile(lab: Lab) -> None:
    upgrade = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get -qy upgrade </dev/null"
    assert lab.ssh("kvm3", upgrade, check=False).returncode != 0  # dpkg asks, and nobody answers
    keep = upgrade.replace("-qy", "-qy -o Dpkg::Options::=--force-confold")
    lab.ssh("kvm3", f"dpkg --configure -a --force-confold && {keep}")
    assert lab.ssh("kvm3", "cat /run/reboot-required.pkgs").stdout == "standfast-lab-kernel\n"
    assert "edited on kvm3" in lab.ssh("kvm3", "cat /etc/standfast-lab/lab.conf").stdout


def test_an_update_that_fails_is_there_when_asked_for(lab: Lab) -> None:
    lab.publish(broken=True)
    try:
        lab.ssh("kvm2", "apt-get update -qq")
        failed = lab.ssh("kvm2", "apt-get -qy install standfast-lab-broken", check=False)
        assert "this update fails on purpose" in failed.stdout + failed.stderr
        assert failed.returncode == 100
    finally:
        lab.publish(broken=False)


def test_a_reboot_gives_a_new_boot_id_and_can_take_time_or_fail(lab: Lab) -> None:
    empty = "kvm3"
    homes = {vm: hosts for vm, hosts in lab.where().items() if hosts == [empty]}
    for vm in homes:
        lab.migrate(vm, "kvm2")
    before = lab.boot_id(empty)
    lab.set_boot_seconds(2.0, empty)
    lab.ssh(empty, "systemctl reboot", check=False)
    wait_for(lab, empty, "rebooting")
    went = time.monotonic()
    wait_for(lab, empty, "running")
    assert time.monotonic() - went > 1.5
    lab.host(empty).wait_ready()
    again = lab.boot_id(empty)
    assert again != before
    lab.set_boot_seconds(0.0, empty)
    lab.fail_next_boot(empty)
    lab.ssh(empty, "systemctl reboot", check=False)
    wait_for(lab, empty, "failed")
    lab.power_on(empty)
    lab.host(empty).wait_ready()
    assert lab.boot_id(empty) not in {before, again}
    for vm in homes:
        lab.migrate(vm, empty)


def test_every_host_reaches_every_other_by_both_names(lab: Lab) -> None:
    for host in lab.hosts:
        for other in lab.hosts:
            if other != host:
                assert (
                    lab.ssh(host, f"ssh {other} hostname && ssh {other}-mig hostname").stdout.split()
                    == [other] * 2
                )


def test_the_speed_of_a_network_can_be_set_while_it_is_in_use(lab: Lab) -> None:
    copy = f"dd if=/dev/zero bs=1M count=8 status=none | ssh {lab.hosts[1]}-mig 'cat >/dev/null'"
    lab.set_speed(Net.MIGRATION, 40_000_000, hosts=[lab.hosts[0]])
    try:
        began = time.monotonic()
        lab.ssh(lab.hosts[0], copy)
        slow = time.monotonic() - began
    finally:
        lab.set_speed(Net.MIGRATION, None)
    began = time.monotonic()
    lab.ssh(lab.hosts[0], copy)
    assert slow > 1.2  # 8 MiB at 40 Mbit/s are 1.7 s
    assert time.monotonic() - began < slow


def test_no_interface_of_the_machine_is_seen_inside_a_host(lab: Lab) -> None:
    inside = set(lab.ssh("kvm1", "ls /sys/class/net").stdout.split())
    assert {"lo", "mgmt0", "mig0", "guest0", "br-guest"} <= inside
    assert not inside & ({path.name for path in Path("/sys/class/net").iterdir()} - {"lo"})
