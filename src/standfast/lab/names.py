"""Every name and address of a lab, derived from the lab's name: directories aside, nothing is chosen
elsewhere.

Pure: no I/O. Interface names carry six hex digits of the name's SHA-256, because Linux allows them 15
characters. Addresses come out of 198.18.0.0/15 (RFC 2544, benchmarking; never routed): each lab has a *slot*,
one /22 of it.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network

from standfast.lab.errors import LabError, LabUsageError

BENCHMARK_RANGE = IPv4Network("198.18.0.0/15")
SLOT_PREFIX = 22
SLOT_COUNT = 1 << (SLOT_PREFIX - BENCHMARK_RANGE.prefixlen)
MAX_HOSTS = 99
MAX_VMS = 200
BEAT_PORT = 9999

_LAB_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_HOST_NAME = re.compile(r"[a-z][a-z0-9]{0,14}")
_FIRST_MEMBER = 11
_NAMESPACE = uuid.UUID("b1f6c0de-5afe-5afe-8c0d-57a9dfa57000")


class Net(StrEnum):
    """The three networks of a lab; the value is the letter in interface names."""

    MANAGEMENT = "m"
    MIGRATION = "x"
    GUEST = "g"


INNER_NAMES = {Net.MANAGEMENT: "mgmt0", Net.MIGRATION: "mig0", Net.GUEST: "guest0"}
_NET_ORDER = (Net.MANAGEMENT, Net.MIGRATION, Net.GUEST)


def check_lab_name(name: str) -> str:
    """Return ``name`` or raise LabUsageError: it becomes a directory, a machine name and a config key."""
    if not _LAB_NAME.fullmatch(name):
        raise LabUsageError(
            f"The lab name {name!r} will not do: use a small letter first, then small letters, digits and "
            "hyphens, 31 characters at most."
        )
    return name


def check_host_name(name: str) -> str:
    """Return ``name`` or raise LabUsageError: it becomes the host name of a container."""
    if not _HOST_NAME.fullmatch(name):
        raise LabUsageError(
            f"The host name {name!r} will not do: use a small letter first, then small letters and digits, "
            "15 characters at most."
        )
    return name


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one lab."""

    lab: str

    @property
    def tag(self) -> str:
        """Six hex digits that stand for the lab where names are short."""
        return hashlib.sha256(self.lab.encode()).hexdigest()[:6]

    @property
    def interface_prefix(self) -> str:
        """What every interface of this lab on the machine begins with (8 characters)."""
        return f"sf{self.tag}"

    def bridge(self, net: Net) -> str:
        """The bridge of a network, in the machine's namespace."""
        return f"{self.interface_prefix}-{net.value}"

    def outer_veth(self, net: Net, host_number: int) -> str:
        """The machine's end of a host's link (host numbers count from 1); at most 11 characters."""
        return f"{self.interface_prefix}{net.value}{host_number}"

    def machine(self, host: str) -> str:
        """The container's name for systemd-nspawn."""
        return f"sf-{self.lab}-{host}"

    def host_uuid(self, host: str) -> uuid.UUID:
        """What libvirt reports as the host's UUID; the same for every lab of this name."""
        return uuid.uuid5(_NAMESPACE, f"host {self.lab}/{host}")

    def vm_uuid(self, vm: str) -> uuid.UUID:
        """The domain's UUID; the same for every lab of this name."""
        return uuid.uuid5(_NAMESPACE, f"vm {self.lab}/{vm}")

    def vm_mac(self, vm: str) -> str:
        """The VM's MAC address under QEMU's prefix."""
        digits = hashlib.sha256(f"{self.lab}/{vm}".encode()).hexdigest()
        return ":".join(("52", "54", "00", digits[0:2], digits[2:4], digits[4:6]))


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of the lab in one slot: three /24 networks of its /22, the fourth is left free."""

    slot: int

    @property
    def block(self) -> IPv4Network:
        """The lab's whole /22."""
        size = 1 << (32 - SLOT_PREFIX)
        return IPv4Network((int(BENCHMARK_RANGE.network_address) + self.slot * size, SLOT_PREFIX))

    def network(self, net: Net) -> IPv4Network:
        """One network, a /24."""
        return list(self.block.subnets(new_prefix=24))[_NET_ORDER.index(net)]

    def machine(self, net: Net) -> IPv4Address:
        """The machine's own address in a network (in the migration network it is only kept free)."""
        return self.network(net)[1]

    def member(self, net: Net, number: int) -> IPv4Address:
        """The address of host ``number`` (or, in the guest network, of VM ``number``), counted from 1."""
        return self.network(net)[_FIRST_MEMBER - 1 + number]


def preferred_slot(lab: str) -> int:
    """Where the lab goes if nobody is there."""
    return int.from_bytes(hashlib.sha256(f"slot {lab}".encode()).digest()[:4]) % SLOT_COUNT


def choose_slot(lab: str, taken: Collection[int]) -> int:
    """The preferred slot or the next free one; LabError when all are taken."""
    first = preferred_slot(lab)
    for step in range(SLOT_COUNT):
        slot = (first + step) % SLOT_COUNT
        if slot not in taken:
            return slot
    raise LabError(
        f"All {SLOT_COUNT} address blocks of {BENCHMARK_RANGE} are in use: remove a lab with `lab down`."
    )


def slots_of(networks: Collection[IPv4Network]) -> frozenset[int]:
    """The slots that any of these networks touches (labs of other directories, or somebody's benchmark
    rig)."""
    blocks = [(slot, Addresses(slot).block) for slot in range(SLOT_COUNT)]
    return frozenset(slot for slot, block in blocks if any(block.overlaps(network) for network in networks))
