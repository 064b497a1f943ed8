"""What a lab is asked to be: sizes, speeds and numbers, with defaults; and where its VMs start. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace

from standfast.lab.errors import LabError, LabUsageError
from standfast.lab.names import MAX_HOSTS, MAX_VMS, check_host_name, check_lab_name

MIB = 2**20
GIB = 2**30

_RATE = re.compile(r"(\d+(?:\.\d+)?)([KMGT])?(?:bit)?", re.IGNORECASE)
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SIZE = re.compile(r"(\d+)(?:([KMGT])(?:i?B)?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class VmSpec:
    """One guest: memory it is given, the part that it keeps filled, and how fast it dirties that.

    One with a ``local_disk`` has it on the host where it starts, and can't be moved. One that is ``deaf``
    does not heed its power button.
    """

    name: str
    memory_mib: int
    working_set_mib: int
    dirty_pages_per_second: int
    local_disk: bool = False
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class LabSpec:
    """The whole lab. Speeds are in bit/s, decimal as networks are sold; None is unlimited.

    ``packages`` of Debian are on every host besides what a host needs.
    """

    name: str = "lab"
    hosts: tuple[str, ...] = ("kvm1", "kvm2", "kvm3")
    vms: tuple[VmSpec, ...] = field(default_factory=lambda: default_vms(6))
    host_memory_bytes: int = 6 * GIB
    migration_speed_bits_per_second: int | None = None
    management_speed_bits_per_second: int | None = None
    boot_seconds: float = 0.0
    broken: bool = False
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_lab_name(self.name)
        if not 1 <= len(self.hosts) <= MAX_HOSTS or len(set(self.hosts)) != len(self.hosts):
            raise LabUsageError(
                f"A lab has 1 to {MAX_HOSTS} hosts with different names, not {', '.join(self.hosts)!r}."
            )
        for host in self.hosts:
            check_host_name(host)
        if len(self.vms) > MAX_VMS:
            raise LabUsageError(f"A lab has at most {MAX_VMS} VMs, not {len(self.vms)}.")
        for vm in self.vms:
            _check_vm(vm)
        for package in self.packages:
            if not _PACKAGE.fullmatch(package):
                raise LabUsageError(f"{package!r} is no name of a Debian package.")

    def as_json(self) -> dict[str, object]:
        """Plain values for the state file; ``from_json`` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> LabSpec:
        """The spec that ``as_json`` wrote; unknown keys (of a newer version) are refused with LabError."""
        unknown = set(data) - {each.name for each in fields(cls)}
        if unknown:
            names = ", ".join(sorted(unknown))
            raise LabError(f"The lab's state file has unknown keys ({names}): another version wrote it.")
        values: dict[str, object] = dict(data)
        hosts, vms, packages = values.pop("hosts"), values.pop("vms"), values.pop("packages", ())
        assert isinstance(hosts, Sequence)
        assert isinstance(vms, Sequence)
        assert isinstance(packages, Sequence)
        guests = tuple(VmSpec(**vm) for vm in vms)
        return cls(hosts=tuple(hosts), vms=guests, packages=tuple(packages), **values)  # type: ignore[arg-type]


def _check_vm(vm: VmSpec) -> None:
    # The kernel, its initrd and its own bookkeeping take about 90 MiB of a small guest.
    if vm.working_set_mib < 1 or vm.working_set_mib > vm.memory_mib - 90:
        raise LabUsageError(
            f"{vm.name} with {vm.memory_mib} MiB of memory can keep 1 to {vm.memory_mib - 90} MiB filled, "
            f"not {vm.working_set_mib}."
        )
    if vm.dirty_pages_per_second < 0:
        raise LabUsageError(f"{vm.name} cannot dirty {vm.dirty_pages_per_second} pages/s.")


def default_hosts(count: int, prefix: str = "kvm") -> tuple[str, ...]:
    """``kvm1`` … ``kvmN``."""
    return tuple(f"{prefix}{number}" for number in range(1, count + 1))


def default_vms(
    count: int,
    *,
    large: int = 1,
    memory_mib: int = 160,
    working_set_mib: int = 40,
    dirty_pages_per_second: int = 500,
    local_disks: int = 0,
) -> tuple[VmSpec, ...]:
    """``vm1`` … ``vmM``; the first ``large`` have 512 MiB, about as much as three of the others, and the last
    ``local_disks`` have their disk on their host alone."""
    big = VmSpec("", memory_mib=512, working_set_mib=96, dirty_pages_per_second=dirty_pages_per_second)
    small = VmSpec("", memory_mib, working_set_mib, dirty_pages_per_second)
    return tuple(
        replace(size, name=f"vm{number}", local_disk=number > count - local_disks)
        for number in range(1, count + 1)
        for size in ((big if number <= large else small),)
    )


def place(vms: Sequence[VmSpec], hosts: Sequence[str]) -> dict[str, str]:
    """VM name → host name: the largest first, each onto the host with the least memory given away."""
    given = dict.fromkeys(hosts, 0)
    placement: dict[str, str] = {}
    for vm in sorted(vms, key=lambda each: -each.memory_mib):
        host = min(hosts, key=lambda name: given[name])
        placement[vm.name] = host
        given[host] += vm.memory_mib
    return placement


def _power(base: int, letter: str | None) -> int:
    power: int = base ** " KMGT".index((letter or " ").upper())
    return power


def parse_rate(text: str) -> int | None:
    """``1G``, ``100M``, ``2.5Gbit`` to bit/s (decimal); ``unlimited`` to None; LabError otherwise."""
    if text.lower() in {"unlimited", "none"}:
        return None
    match = _RATE.fullmatch(text.strip())
    rate = int(float(match[1]) * _power(1000, match[2])) if match else 0
    if rate < 1000:
        raise LabUsageError(f"{text!r} is no speed: write 100M, 1G, 2.5G (bit/s) or unlimited.")
    return rate


def parse_size(text: str) -> int:
    """``4G``, ``512MiB``, ``4294967296`` to bytes (binary); LabError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if not match or not int(match[1]):
        raise LabUsageError(f"{text!r} is no memory size: write 4G, 4096M or a number of bytes.")
    return int(match[1]) * _power(1024, match[2])


def show_rate(rate: int | None) -> str:
    """The shortest spelling that ``parse_rate`` reads back."""
    if rate is None:
        return "unlimited"
    for power, unit in ((4, "T"), (3, "G"), (2, "M"), (1, "K")):
        if rate >= 1000**power:
            return f"{rate / 1000**power:g}{unit}"
    return str(rate)
