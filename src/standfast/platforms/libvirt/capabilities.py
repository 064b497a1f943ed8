"""What a host's capabilities say: its UUID, CPU and machine types. Pure.

Source: https://libvirt.org/formatcaps.html
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from standfast.model.cluster import Cpu
from standfast.model.ids import HostId


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One host. `machine_types` holds canonical names and aliases."""

    id: HostId
    cpu: Cpu | None
    machine_types: frozenset[str]
    kinds: frozenset[str] = frozenset()  # domain types: `kvm`, `qemu`


def parse_capabilities(text: str) -> Capabilities:
    """The answer of virConnectGetCapabilities. Raises ValueError where it isn't one.

    A host without a UUID (the test driver) gets an empty id.
    """
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    if root.tag != "capabilities":
        raise ValueError(f"<{root.tag}> is no answer about capabilities")
    machines: set[str] = set()
    for machine in root.iter("machine"):
        machines.update(name for name in ((machine.text or "").strip(), machine.get("canonical", "")) if name)
    return Capabilities(
        id=HostId((root.findtext("host/uuid") or "").strip().lower()),
        cpu=_cpu(root.find("host/cpu")),
        machine_types=frozenset(machines),
        kinds=frozenset(domain.get("type", "") for domain in root.findall("guest/arch/domain")),
    )


def _cpu(cpu: ET.Element | None) -> Cpu | None:
    if cpu is None:
        return None
    features = frozenset(feature.get("name", "") for feature in cpu.findall("feature"))
    arch, model = (cpu.findtext("arch") or "").strip(), (cpu.findtext("model") or "").strip()
    return Cpu(arch, model, (cpu.findtext("vendor") or "").strip(), features)


@dataclass(frozen=True, slots=True)
class PoolXml:
    """One storage pool: its type and where its volumes appear on the host."""

    kind: str
    path: str


def parse_pool(text: str) -> PoolXml:
    """The answer of virStoragePoolGetXMLDesc. Raises ValueError where it isn't one."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"not XML: {error}") from error
    return PoolXml(root.get("type", ""), (root.findtext("target/path") or "").strip())


def expanded_features(cpu_xml: str) -> frozenset[str]:
    """All features of a CPU that libvirt has expanded (baseline with EXPAND_FEATURES)."""
    root = ET.fromstring(cpu_xml)
    return frozenset(
        feature.get("name", "")
        for feature in root.findall("feature")
        if feature.get("policy", "require") in ("require", "force")
    )
