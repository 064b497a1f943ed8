"""A host's network as it sees it: links, how fast and how busy they are, and what each one carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Carries(StrEnum):
    """What a link is used for."""

    MANAGEMENT = "management"
    MIGRATION = "migration"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True)
class Wire:
    """One network device. `under`: the devices that carry it (a bond's members, a bridge's ports, a VLAN's
    parent); empty for one that is a link itself. Loads are over the seconds of the look, in bits per second.
    """

    name: str
    mtu: int
    bits_per_second: int | None = None
    """Nominal; None where the device doesn't say."""
    up: bool = True
    bond: bool = False
    under: tuple[str, ...] = ()
    sent: float = 0.0
    received: float = 0.0

    @property
    def load(self) -> float:
        """Of the busier direction: links are full duplex."""
        return max(self.sent, self.received)


@dataclass(frozen=True, slots=True)
class HostWires:
    """One host's devices by name, and which of them carries what. `silent`: why it could not be asked."""

    name: str
    wires: Mapping[str, Wire] = field(default_factory=dict)
    carries: Mapping[Carries, tuple[str, ...]] = field(default_factory=dict)
    migration_address: str = ""
    silent: str = ""

    def links(self, device: str) -> tuple[str, ...]:
        """The links at the bottom of a device: itself, or what carries it, sorted."""
        seen, found, edge = {device}, set(), [device]
        while edge:
            wire = self.wires.get(edge.pop())
            if wire is None:
                continue
            below = [name for name in wire.under if name in self.wires]
            if not below:
                found.add(wire.name)
            edge += [name for name in below if name not in seen]
            seen.update(below)
        return tuple(sorted(found))

    def links_of(self, what: Carries) -> tuple[str, ...]:
        """All links at the bottom of what carries that."""
        return tuple(sorted({link for device in self.carries.get(what, ()) for link in self.links(device)}))


@dataclass(frozen=True, slots=True)
class Probed:
    """One way, tried with data: payload in bits per second and the largest packet that came through (bytes,
    an MTU). `trouble`: why it could not be tried; then nothing else is known."""

    source: str
    target: str
    bits_per_second: float = 0.0
    mtu: int = 0
    trouble: str = ""
