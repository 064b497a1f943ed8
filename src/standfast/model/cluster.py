"""What a cluster is, as one frozen value that feeds rules, prediction, planning and the run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from standfast.model.hostwork import HostFacts, UpdateState
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.model.memory import MemoryUse
from standfast.model.moves import Flight
from standfast.model.placed import LastPlaced, Placed


class VmState(StrEnum):
    """Domain states as far as they matter here (libvirt: virDomainState)."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUT_OFF = "shut_off"
    CRASHED = "crashed"
    INCOMING = "incoming"  # the waiting half of a migration on its target
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Cpu:
    """A host's CPU, or what a VM asks of one."""

    arch: str
    model: str
    vendor: str = ""
    features: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Disk:
    """One block device of a VM. `shared`: every host sees the same bytes at `source`."""

    source: str
    shared: bool
    removable: bool = False
    read_only: bool = False
    target: str = ""
    pool: str = ""  # the storage pool that its source names, which a target needs too


@dataclass(frozen=True, slots=True)
class Vm:
    """One virtual machine on the host that runs it (or, shut off, that holds its definition)."""

    id: VmId
    name: str
    host: HostId
    state: VmState
    memory_bytes: int
    state_reason: str = ""  # how it came to this state, in the platform's word: booted, shutdown, crashed
    vcpus: int = 1
    cpu: Cpu | None = None
    machine_type: str = ""
    disks: tuple[Disk, ...] = ()
    networks: tuple[str, ...] = ()
    passthrough: tuple[str, ...] = ()
    persistent: bool = True
    autostart: bool = False
    managed_save: bool = False
    busy: str = ""  # the job that holds it, if any other than a migration out
    unsupported: tuple[str, ...] = ()  # anything else that keeps it, in the platform's words
    flight: Flight | None = None
    dirty_bytes_per_second: float | None = None
    memory_use: MemoryUse | None = None  # None: not measured beyond that rate
    blackout_budget_seconds: float | None = None

    @property
    def active(self) -> bool:
        """Not shut off: it holds memory of its host."""
        return self.state is not VmState.SHUT_OFF


_LAST: LastPlaced[Vm] = LastPlaced()


@dataclass(frozen=True, slots=True)
class Pool:
    """One storage pool that is active on a host. `shared`: its volumes come over a network."""

    name: str
    kind: str
    path: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """How many migrations a host takes part in at once, each way.

    `wanted`: somebody has set them. Else they are the most, and no more go at once than fill the host's link.
    """

    outbound: int = 2
    inbound: int = 2
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """One hypervisor host. `memory_bytes` is what VMs may use of it, declared or observed."""

    id: HostId
    name: str
    memory_bytes: int
    reachable: bool = True
    unreachable_why: str = ""
    unreachable_code: str = ""  # the code of the error behind it, e.g. `host_key_changed`
    cpu: Cpu | None = None
    hypervisor: str = ""
    hypervisor_version: tuple[int, ...] = ()  # of QEMU: major, minor, micro
    manager_version: tuple[int, ...] = ()  # of libvirt
    machine_types: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    pools: tuple[Pool, ...] = ()
    migration_address: str = ""
    migration_bits_per_second: int | None = None
    limits: MoveLimits = MoveLimits()
    fault_domain: str = ""
    cordoned: bool = False
    cordoned_by: str = ""  # the run that did it, or other words found there
    facts: HostFacts | None = None  # None: could not be asked
    updates: UpdateState | None = None  # None: not scanned
    unscanned_why: str = ""  # why a scan that was asked for gave nothing


@dataclass(frozen=True, slots=True)
class AntiAffinity:
    """These VMs may never share a host, nor be in flight at the same time."""

    name: str
    vms: frozenset[VmId]


@dataclass(frozen=True, slots=True)
class Pin:
    """This VM may run on these hosts only."""

    vm: VmId
    hosts: frozenset[HostId]


@dataclass(frozen=True)  # without slots: what is looked up often is sorted once
class Rules:
    """What must hold in every intermediate state, both ends of a migration in flight counted."""

    anti_affinity: tuple[AntiAffinity, ...] = ()
    pins: tuple[Pin, ...] = ()
    memory_ceiling: float = 0.90
    """Largest share of a host's memory that VMs may hold, those on their way in included."""
    reserve_hosts: int = 1
    """N+1: how many hosts may be lost, hosts in maintenance apart, with all VMs still fitting."""
    priorities: tuple[tuple[VmId, int], ...] = ()
    """VMs that leave a failing host before others (higher first; 0 for those that are not named)."""
    controller: VmId | None = None
    """The VM that the controller itself runs in, where that is one of the cluster's: it leaves its host last
    and is never shut down."""

    @cached_property
    def groups_of(self) -> dict[VmId, tuple[AntiAffinity, ...]]:
        """The groups of each VM that is in one."""
        found: defaultdict[VmId, list[AntiAffinity]] = defaultdict(list)
        for group in self.anti_affinity:
            for vm in group.vms:
                found[vm].append(group)
        return {vm: tuple(groups) for vm, groups in found.items()}

    @cached_property
    def pins_of(self) -> dict[VmId, frozenset[HostId]]:
        """Where each VM may run that has a pin; of several, what all of them allow."""
        found: dict[VmId, frozenset[HostId]] = {}
        for pin in self.pins:
            found[pin.vm] = found[pin.vm] & pin.hosts if pin.vm in found else pin.hosts
        return found


@dataclass(frozen=True, slots=True)
class Leftover:
    """A shut-off definition of a VM that is active, or listed, on another host."""

    vm: VmId
    name: str
    host: HostId
    autostart: bool


@dataclass(frozen=True)  # without slots: what is looked up often is sorted once
class Snapshot:
    """The cluster at one instant. A file of it can be saved, replayed, planned against and tested."""

    cluster: str
    platform: str
    taken_at: float
    """Unix time in seconds."""
    hosts: tuple[Host, ...]
    vms: tuple[Vm, ...]
    rules: Rules = field(default_factory=Rules)
    learnt: Learnt | None = None
    """What former moves of this cluster taught of the next ones."""
    leftovers: tuple[Leftover, ...] = ()

    def host(self, host: HostId) -> Host:
        """The host of that UUID; KeyError if the cluster has none."""
        return self.host_by_id[host]

    def vm(self, vm: VmId) -> Vm | None:
        """The VM of that UUID where it runs; None if no reachable host has it."""
        return self._placed.by_id.get(vm)

    def vms_on(self, host: HostId) -> tuple[Vm, ...]:
        """VMs that are active on the host (all but shut off ones)."""
        return self._placed.by_host.get(host, ())

    def host_name(self, host: HostId) -> str:
        """The host's name, or its UUID if it isn't of this cluster."""
        return self.host_by_id[host].name if host in self.host_by_id else str(host)

    @cached_property
    def host_by_id(self) -> dict[HostId, Host]:
        """The hosts by their UUID."""
        return {host.id: host for host in reversed(self.hosts)}  # of two with one id the first

    @cached_property
    def _placed(self) -> Placed[Vm]:
        return _LAST.of(self.vms)
