"""CPUs made comparable: models written out as the features they stand for.

A host's capabilities name a model and only what goes beyond it, and so does a guest's XML, so neither can
be compared by hand. libvirt writes both out (baseline with EXPAND_FEATURES); then a guest fits where the host
has all of its features. Where libvirt can't, its first words stay, and `check_move` asks about the pair.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

from standfast.model.cluster import Cpu
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.capabilities import Capabilities, expanded_features
from standfast.platforms.libvirt.domain import Definition

AS_IT_IS = ("host-passthrough", "maximum")
"""CPU modes in which a guest sees its host's CPU."""


class CpuExpander:
    """Asks one host, and remembers: a few CPUs are shared by all of its guests."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], frozenset[str] | None] = {}

    def host(self, connection: Any, found: Capabilities) -> Cpu | None:
        """The host's CPU with every feature that it can give to a guest, accelerated or emulated."""
        if found.cpu is None:
            return None
        features: set[str] = set()
        for kind in sorted(found.kinds & {"kvm", "qemu"}):
            features |= self._offered(connection, found.cpu.arch, kind)
        return replace(found.cpu, features=found.cpu.features | features)

    def guest(self, connection: Any, definition: Definition, host: Cpu | None) -> Cpu | None:
        """The guest's CPU with all that it needs written out; as in its XML where libvirt can't.

        A guest that sees its host's CPU as it is needs all of what `host` has.
        """
        if definition.cpu is None:
            return None
        if definition.cpu.model in AS_IT_IS:
            return host
        key = (definition.cpu_xml, definition.arch, definition.kind)
        if key not in self._known:
            text = _plain(definition.cpu_xml)
            self._known[key] = _expand(connection, definition.arch, definition.kind, text) if text else None
        features = self._known[key]
        return definition.cpu if features is None else replace(definition.cpu, features=features)

    def _offered(self, connection: Any, arch: str, kind: str) -> frozenset[str]:
        try:
            root = ET.fromstring(connection.getDomainCapabilities(None, arch, None, kind))
        except libvirt.libvirtError:
            return frozenset()
        mode = root.find("cpu/mode[@name='host-model']")
        if mode is None or mode.get("supported") != "yes":
            return frozenset()
        cpu = ET.Element("cpu", mode="custom", match="exact")
        for part in mode:
            if part.tag in ("model", "feature") and part.get("policy", "require") == "require":
                cpu.append(part)
        return _expand(connection, arch, kind, ET.tostring(cpu, encoding="unicode")) or frozenset()


def _plain(cpu_xml: str) -> str:
    """The CPU as a custom one; empty for those that stand for the host's own and can't be written out."""
    cpu = ET.fromstring(cpu_xml)
    if cpu.get("mode", "custom") != "custom" or cpu.find("model") is None:
        return ""
    plain = ET.Element("cpu", mode="custom", match="exact")
    for part in cpu:
        if part.tag == "model" or (
            part.tag == "feature" and part.get("policy") in ("require", "force", "disable")
        ):
            plain.append(part)
    return ET.tostring(plain, encoding="unicode")


def _expand(connection: Any, arch: str, kind: str, cpu_xml: str) -> frozenset[str] | None:
    flag = libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
    try:
        return expanded_features(connection.baselineHypervisorCPU(None, arch, None, kind, [cpu_xml], flag))
    except libvirt.libvirtError:
        return None
