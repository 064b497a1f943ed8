"""The files that a lab writes for others: apt's indexes, ssh's config, libvirt's XML, the product's
config."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ruamel.yaml import YAML

from standfast.lab import access, aptrepo, tsc
from standfast.lab.config import product_config
from standfast.lab.names import Addresses, Names
from standfast.lab.paths import LabPaths
from standfast.lab.spec import LabSpec, default_hosts, default_vms, place
from standfast.lab.state import LabState
from standfast.lab.vms import domain_xml, kernel_cmdline

SPEC = LabSpec(name="t", hosts=default_hosts(2), vms=default_vms(2))
STATE = LabState(SPEC, slot=3, placement=place(SPEC.vms, SPEC.hosts))
PATHS = LabPaths(Path("/var/lib/standfast-lab/t"))


def test_an_index_entry_says_size_and_hash_of_the_package() -> None:
    control = aptrepo.control_text(aptrepo.PACKAGES[0], "1.1")
    entry = aptrepo.packages_entry(control, "pool/x.deb", b"bytes")
    fields = dict(
        line.split(": ", 1) for line in entry.splitlines() if ": " in line and not line.startswith(" ")
    )
    assert fields["Package"] == "standfast-lab-tools"
    assert fields["Version"] == "1.1"
    assert fields["Filename"] == "pool/x.deb"
    assert fields["Size"] == "5"
    assert fields["SHA256"] == hashlib.sha256(b"bytes").hexdigest()
    assert entry.endswith("\n\n")


def test_one_suite_counts_as_security_and_holds_the_update_that_asks_for_a_reboot() -> None:
    made = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    security = next(suite for suite in aptrepo.SUITES if suite.label == "Debian-Security")
    text = aptrepo.release_text(security, [("main/binary-amd64/Packages", b"")], made)
    assert "Label: Debian-Security\n" in text
    assert "Suite: stable-security\n" in text
    assert "Date: Fri, 02 Jan 2026 03:04:05 GMT\n" in text
    kernel = next(package for package in aptrepo.PACKAGES if package.name == "standfast-lab-kernel")
    assert kernel.suite == security.directory
    assert "/run/reboot-required" in kernel.postinst


def test_the_broken_update_is_offered_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    for package in aptrepo.PACKAGES:
        (tmp_path / f"pool/{package.name}_1.1_all.deb").write_bytes(b"deb")
    index = tmp_path / "dists/stable/main/binary-amd64/Packages"
    aptrepo.publish(tmp_path, "1.1", broken=False)
    assert "standfast-lab-broken" not in index.read_text()
    aptrepo.publish(tmp_path, "1.1", broken=True)
    assert "standfast-lab-broken" in index.read_text()


def test_ssh_knows_the_hosts_beforehand_and_accepts_nothing_unseen() -> None:
    text = access.ssh_config(PATHS, {"kvm1": "198.18.12.11", "kvm2": "198.18.12.12"})
    assert "StrictHostKeyChecking yes" in text
    assert "UserKnownHostsFile /var/lib/standfast-lab/t/known_hosts" in text
    assert "Host kvm2\n    HostName 198.18.12.12\n    HostKeyAlias kvm2\n" in text
    assert "accept-new" not in text


def test_a_host_has_one_name_for_management_and_one_for_migration() -> None:
    lines = access.etc_hosts(STATE.addresses, SPEC.hosts).splitlines()
    assert "198.18.12.12 kvm2" in lines
    assert "198.18.13.12 kvm2-mig" in lines


def test_the_domain_is_the_same_machine_on_every_host() -> None:
    root = ElementTree.fromstring(domain_xml(SPEC.vms[0], 1, Names("t"), Addresses(3), accel="qemu"))
    assert root.get("type") == "qemu"
    assert root.findtext("memory") == "512"
    machine = root.find("os/type")
    assert machine is not None
    assert machine.get("machine") == "pc-q35-10.0"
    assert root.findtext("cpu/model") == "qemu64"
    serial = root.find("devices/serial/source")
    assert serial is not None
    assert serial.attrib == {"path": "/srv/vm/serial/vm1.log", "append": "on"}
    disk = root.find("devices/disk/driver")
    assert disk is not None
    assert disk.get("cache") == "none"


def test_the_guest_learns_all_from_its_command_line() -> None:
    words = kernel_cmdline(SPEC.vms[1], 2, Addresses(3)).split()
    assert {"sf.name=vm2", "sf.ip=198.18.14.12", "sf.to=198.18.14.1", "sf.ws_mib=40", "sf.rate=500"} <= set(
        words
    )


def test_a_guest_under_emulation_is_told_how_fast_its_counter_runs() -> None:
    """One that finds out by itself on a busy machine may get a clock that runs many times too fast."""
    assert "tsc_early_khz=2250000" in kernel_cmdline(SPEC.vms[1], 2, Addresses(3), 2_250_000).split()
    assert "tsc_early_khz" not in kernel_cmdline(SPEC.vms[1], 2, Addresses(3))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="no time-stamp counter on this machine")
def test_the_rate_of_this_machines_counter_is_found_alike_each_time() -> None:
    found = [tsc.khz() for _ in range(3)]
    rates = [rate for rate in found if rate is not None]
    assert len(rates) == 3
    assert 300_000 < min(rates) <= max(rates) < 1.005 * min(rates)


def test_the_config_names_every_host_with_its_migration_address_and_declared_memory() -> None:
    data = YAML(typ="safe").load(product_config(STATE, PATHS))
    cluster = data["clusters"]["t"]
    assert cluster["platform"] == "libvirt"
    assert cluster["ssh_config"] == "/var/lib/standfast-lab/t/ssh_config"
    assert cluster["hosts"]["kvm2"] == {
        "uri": "qemu+ssh://root@kvm2/system",
        "ssh": "root@kvm2",
        "migration_address": "198.18.13.12",
        "memory_bytes": 6442450944,
    }
    assert cluster["probes"]["vm2"] == "icmp://198.18.14.12"


def test_a_speed_that_the_lab_sets_is_in_its_config() -> None:
    slow = replace(STATE, spec=replace(SPEC, migration_speed_bits_per_second=300_000_000))
    data = YAML(typ="safe").load(product_config(slow, PATHS))
    assert {host["migration_speed"] for host in data["clusters"]["t"]["hosts"].values()} == {300_000_000}


def test_a_local_disk_is_where_no_other_host_sees_it() -> None:
    spec = replace(SPEC, vms=default_vms(2, local_disks=1))
    sources = [
        ElementTree.fromstring(domain_xml(vm, number, Names("t"), STATE.addresses, accel="kvm")).find(
            "devices/disk/source"
        )
        for number, vm in enumerate(spec.vms, 1)
    ]
    assert [source.get("file") for source in sources if source is not None] == [
        "/srv/vm/disks/vm1.img",
        "/var/lib/standfast-lab/vm2.img",
    ]
