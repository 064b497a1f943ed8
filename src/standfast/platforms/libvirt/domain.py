"""What a domain's XML says, as far as it matters for moving it. Pure.

Source: https://libvirt.org/formatdomain.html. What keeps a domain from being migrated follows
`qemuMigrationSrcIsAllowed` in libvirt's `src/qemu/qemu_migration.c`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from standfast.model.cluster import Cpu
from standfast.model.ids import VmId

_UNITS = {
    "b": 1, "bytes": 1, "KB": 1000, "k": 1024, "KiB": 1024, "MB": 1000**2, "M": 1024**2, "MiB": 1024**2,
    "GB": 1000**3, "G": 1024**3, "GiB": 1024**3, "TB": 1000**4, "T": 1024**4, "TiB": 1024**4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DiskXml:
    """One `<disk>` with a medium. `kind` is its source's: `file`, `block`, `network`, `volume`, `dir` …"""

    kind: str
    source: str
    protocol: str = ""
    local_server: bool = False  # the "network" is this machine: a socket, or localhost
    pool: str = ""
    target: str = ""
    removable: bool = False
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """One domain's XML in words of ours. Sizes in bytes."""

    id: VmId
    name: str
    kind: str  # `kvm`, `qemu` …
    memory_bytes: int
    vcpus: int
    arch: str
    machine: str
    emulator: str = ""
    cpu: Cpu | None = None
    cpu_xml: str = ""
    disks: tuple[DiskXml, ...] = ()
    networks: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    busy: str = ""
    huge_pages: bool = False


def parse_domain(text: str) -> Definition:
    """The definition in `text` (virDomainGetXMLDesc). Raises ValueError where it is no domain."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    kind = root.find("os/type")
    if root.tag != "domain" or not root.findtext("uuid"):
        raise ValueError(f"<{root.tag}> without a UUID is no domain")
    arch = kind.get("arch", "") if kind is not None else ""
    disks = root.findall("devices/disk")
    return Definition(
        id=VmId(_text(root, "uuid").lower()),
        name=_text(root, "name"),
        kind=root.get("type", ""),
        memory_bytes=size_of(root.find("memory")),
        vcpus=_vcpus(root),
        arch=arch,
        machine=kind.get("machine", "") if kind is not None else "",
        emulator=_text(root, "devices/emulator"),
        cpu=_cpu(root.find("cpu"), arch),
        cpu_xml=_xml(root.find("cpu")),
        disks=tuple(disk for disk in map(_disk, disks) if disk is not None),
        networks=tuple(
            sorted({name for nic in root.findall("devices/interface") for name in _networks(nic)})
        ),
        passthrough=tuple(_passthrough(root)),
        unsupported=tuple(_unsupported(root)),
        busy="a block copy" if any(disk.find("mirror") is not None for disk in disks) else "",
        huge_pages=root.find("memoryBacking/hugepages") is not None,
    )


def _text(root: ET.Element, path: str) -> str:
    return (root.findtext(path) or "").strip()


def _xml(element: ET.Element | None) -> str:
    return ET.tostring(element, encoding="unicode").strip() if element is not None else ""


def size_of(element: ET.Element | None) -> int:
    """`<memory unit='KiB'>1024</memory>` in bytes; KiB is libvirt's default unit."""
    if element is None or not (element.text or "").strip():
        return 0
    return int((element.text or "").strip()) * _UNITS[element.get("unit", "KiB")]


def _vcpus(root: ET.Element) -> int:
    vcpu = root.find("vcpu")
    if vcpu is None:
        return 1
    return int(vcpu.get("current") or (vcpu.text or "1").strip())


def _cpu(cpu: ET.Element | None, arch: str) -> Cpu | None:
    """The CPU that the guest sees; for a running guest libvirt has filled host-model in with a real one."""
    if cpu is None:
        return None
    mode = cpu.get("mode", "custom")
    model = _text(cpu, "model") or (mode if mode != "custom" else "")
    needed = {
        feature.get("name", "")
        for feature in cpu.findall("feature")
        if feature.get("policy", "require") in ("require", "force")
    }
    return Cpu(arch, model, _text(cpu, "vendor"), frozenset(needed)) if model else None


def _disk(disk: ET.Element) -> DiskXml | None:
    """One disk, or None for an empty drive."""
    source = disk.find("source")
    device = disk.get("device", "disk")
    if source is None:
        return None
    kind = disk.get("type", "file")
    words = next((source.get(key) for key in ("file", "dev", "dir", "volume", "name") if source.get(key)), "")
    if not words:
        return None
    hosts = source.findall("host")
    target = disk.find("target")
    return DiskXml(
        kind=kind,
        source=words,
        protocol=source.get("protocol", ""),
        local_server=any(_is_local(host) for host in hosts),
        pool=source.get("pool", ""),
        target=target.get("dev", "") if target is not None else "",
        removable=device in ("cdrom", "floppy"),
        read_only=disk.find("readonly") is not None or device == "cdrom",
    )


def _is_local(host: ET.Element) -> bool:
    name = host.get("name", "")
    return host.get("transport") == "unix" or name in ("localhost", "::1") or name.startswith("127.")


def bridge(name: str) -> str:
    """What a host's bridge is called among its networks, apart from a libvirt network of that name."""
    return f"bridge:{name}"


def _networks(nic: ET.Element) -> list[str]:
    source = nic.find("source")
    kind = nic.get("type", "")
    if source is None:
        return []
    if kind == "network" and source.get("network"):
        return [source.get("network", "")]
    if kind == "bridge" and source.get("bridge"):
        return [bridge(source.get("bridge", ""))]
    if kind == "direct" and source.get("dev"):
        return [f"device:{source.get('dev', '')}"]
    return []


def _passthrough(root: ET.Element) -> list[str]:
    found = []
    for hostdev in root.findall("devices/hostdev"):
        found.append(f"host device ({hostdev.get('type', '?')}) {_address(hostdev)}".strip())
    for nic in root.findall("devices/interface"):
        if nic.get("type") == "hostdev":
            found.append(f"network card of the host {_address(nic)}".strip())
        if nic.get("type") == "vdpa":
            found.append("vDPA network card of the host")
    for disk in root.findall("devices/disk"):
        if disk.get("type") == "nvme":
            found.append("NVMe disk of the host")
    for tpm in root.findall("devices/tpm/backend"):
        if tpm.get("type") == "passthrough":
            found.append("TPM of the host")
    return found


def _address(element: ET.Element) -> str:
    address = element.find("source/address")
    if address is None:
        return ""
    if address.get("uuid"):
        return address.get("uuid", "")
    parts = [address.get(key, "").removeprefix("0x") for key in ("domain", "bus", "slot", "function")]
    if all(parts):
        return f"{parts[0]}:{parts[1]}:{parts[2]}.{parts[3]}"
    return " ".join(f"{key} {value}" for key, value in sorted(address.attrib.items()))


def _unsupported(root: ET.Element) -> list[str]:
    found = []
    for share in root.findall("devices/filesystem"):
        driver = share.find("driver")
        kind = driver.get("type", "9p") if driver is not None else "9p"
        target = share.find("target")
        tag = target.get("dir", "?") if target is not None else "?"
        found.append(f"folder {tag!r} shared with its host ({kind})")
    if root.find("launchSecurity") is not None:
        found.append("encrypted memory (launchSecurity)")
    for memory in root.findall("devices/shmem"):
        if memory.get("role") != "master":
            found.append(f"memory shared with other VMs of its host ({memory.get('name', '?')})")
    for nic in root.findall("devices/interface"):
        if nic.get("type") == "direct" and nic.find("source[@mode='passthrough']") is not None:
            found.append("a network card of its host for itself (macvtap passthrough)")
    return found
