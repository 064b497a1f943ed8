"""What a domain's XML says of moving it."""

from __future__ import annotations

import libvirt
import pytest
from xml_samples import CPU, UUID, domain, file_disk, network_disk

from standfast.platforms.libvirt.domain import parse_domain


def test_sizes_names_and_cpu() -> None:
    found = parse_domain(domain(extra=CPU))
    assert (found.id, found.name, found.kind) == (UUID, "web 1", "kvm")
    assert (found.memory_bytes, found.vcpus) == (2 * 2**30, 2)
    assert (found.arch, found.machine) == ("x86_64", "pc-q35-9.2")
    assert found.cpu is not None
    assert (found.cpu.model, found.cpu.vendor) == ("Skylake-Client", "Intel")
    assert found.cpu.features == {"vmx", "pcid"}


@pytest.mark.parametrize(
    ("unit", "factor"), [("b", 1), ("KiB", 1024), ("k", 1024), ("KB", 1000), ("GiB", 2**30), ("TiB", 2**40)]
)
def test_units_of_memory(unit: str, factor: int) -> None:
    text = domain().replace("<memory unit='MiB'>2048", f"<memory unit='{unit}'>3")
    assert parse_domain(text).memory_bytes == 3 * factor


def test_disks_with_a_medium_only() -> None:
    empty = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>"
    iso = file_disk("/iso/a b.iso", device="cdrom", more="<readonly/>")
    found = parse_domain(domain(empty + iso + file_disk("/srv/vm/a.img"))).disks
    assert [(disk.source, disk.removable, disk.read_only) for disk in found] == [
        ("/iso/a b.iso", True, True),
        ("/srv/vm/a.img", False, False),
    ]


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("<host name='ceph1' port='6789'/>", False),
        ("<host name='localhost' port='10809'/>", True),
        ("<host name='127.0.0.1'/>", True),
        ("<host transport='unix' socket='/run/nbd'/>", True),
    ],
)
def test_a_network_that_is_this_machine_is_told(host: str, local: bool) -> None:
    [disk] = parse_domain(domain(network_disk("nbd", host))).disks
    assert disk.local_server is local


def test_networks_bridges_and_devices_are_told_apart() -> None:
    nics = (
        "<interface type='network'><source network='default'/></interface>"
        "<interface type='bridge'><source bridge='default'/></interface>"
        "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>"
        "<interface type='user'/>"
    )
    assert parse_domain(domain(nics)).networks == ("bridge:default", "default", "device:eth0")


PCI = "<address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/>"


@pytest.mark.parametrize(
    ("device", "words"),
    [
        (f"<hostdev mode='subsystem' type='pci'><source>{PCI}</source></hostdev>", "0000:3b:00.1"),
        (
            "<hostdev mode='subsystem' type='usb'><source><address bus='1' device='4'/></source></hostdev>",
            "usb",
        ),
        ("<hostdev type='mdev'><source><address uuid='c2-ff'/></source></hostdev>", "c2-ff"),
        (f"<interface type='hostdev'><source>{PCI}</source></interface>", "network card"),
        ("<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", "vDPA"),
        ("<tpm model='tpm-crb'><backend type='passthrough'/></tpm>", "TPM"),
    ],
)
def test_devices_of_the_host_are_passthrough(device: str, words: str) -> None:
    [found] = parse_domain(domain(device)).passthrough
    assert words in found


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("<filesystem><driver type='virtiofs'/><target dir='data'/></filesystem>", "virtiofs"),
        ("<filesystem type='mount'><target dir='data'/></filesystem>", "9p"),
        ("<shmem name='shared0' role='peer'/>", "shared0"),
        ("<interface type='direct'><source dev='eth1' mode='passthrough'/></interface>", "macvtap"),
    ],
)
def test_what_ties_a_vm_to_its_host_is_unsupported(part: str, words: str) -> None:
    [found] = parse_domain(domain(part)).unsupported
    assert words in found


def test_huge_pages_are_told() -> None:
    backing = "<memoryBacking><hugepages/></memoryBacking>"
    assert [parse_domain(domain(extra=extra)).huge_pages for extra in ("", backing)] == [False, True]


def test_encrypted_memory_and_a_block_copy() -> None:
    found = parse_domain(
        domain(file_disk("/a", more="<mirror type='file' job='copy'/>"), extra="<launchSecurity type='sev'/>")
    )
    assert found.unsupported == ("encrypted memory (launchSecurity)",)
    assert found.busy == "a block copy"


@pytest.mark.parametrize("text", ["", "<domain>", "<domain><name>x</name></domain>", "<network/>"])
def test_what_is_no_domain_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"XML|no domain"):
        parse_domain(text)


def test_what_libvirt_itself_writes() -> None:
    connection = libvirt.open("test:///default")
    [domain_now] = connection.listAllDomains()
    found = parse_domain(domain_now.XMLDesc(0))
    assert (found.name, found.memory_bytes, found.vcpus) == ("test", 8 * 2**30, 2)
    assert found.networks == ("default",)
    connection.close()
