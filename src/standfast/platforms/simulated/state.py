"""All that a simulated cluster is, as plain data: it can be written to a file and read back.

Times are seconds of the world's own virtual clock, sizes are bytes, rates are bytes per second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from standfast.model.cluster import Host, Rules, Vm, VmState
from standfast.model.hostwork import PendingUpdate, RebootSign, WorkKind, WorkPhase
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOutcome

STATE_VERSION = 1

LOG_LINES = 2000
"""So many of the last lines are kept at least: a world in a file is written whole at every call."""

CHANGES_KEPT = 1000
"""So many of the last changes are kept at least: whoever looks less often looks at every VM."""


class Leg(StrEnum):
    """Where a migration is."""

    SETUP = "setup"
    COPY = "copy"
    DARK = "dark"


@dataclass(slots=True)
class SimFlight:
    """One migration on its way. `left_bytes` is what this round still has to copy."""

    target: HostId
    started_at: float
    until: float
    """End of the set-up or of the dark leg; means nothing while copying."""
    left_bytes: float
    round_began: float
    order: MoveId | None = None
    leg: Leg = Leg.SETUP
    sent_bytes: float = 0.0
    rounds: int = 1
    blackout_seconds: float = 0.0
    budget_seconds: float | None = None
    allowed_seconds: float | None = None
    """A longer black-out that was allowed on its way."""
    auto_converge: bool = False
    throttle: float = 0.0
    stalled: bool = False
    fails: bool = False
    goes_on_at: float | None = None
    """When a stalled one begins to copy; None: never."""


@dataclass(slots=True)
class SimVm:
    """`base` is what does not change; `dirty` is the truth, whatever `base` tells of it."""

    base: Vm
    host: HostId
    state: VmState
    dirty: float
    flight: SimFlight | None = None
    fail_moves: int = 0
    stall_moves: int = 0
    stall_seconds: float | None = None
    """How long the next stalled moves stand still; None: until they are cancelled."""
    never_converges: bool = False
    shutdown_seconds: float = 20.0
    """From the order until the guest is off."""
    never_shuts_down: bool = False
    fail_starts: int = 0
    may_stop: str = ""
    """What its owner agreed to: `clean` shutdown, `forced` besides; empty: nothing."""
    off_at: float | None = None
    """When a shutdown that is under way ends."""
    reason: str = ""
    """How it came to its state."""
    stopped_by_order: bool = False
    moved: int = 0
    """How often it has come to run on another host."""
    darkest_seconds: float = 0.0
    """The longest black-out that it has had."""


@dataclass(slots=True)
class SimWork:
    """A unit of ours on a host."""

    unit: str
    kind: WorkKind
    phase: WorkPhase
    boot_id: str
    began_at: float
    ends_at: float | None = None
    security_only: bool = False
    fails: bool = False
    exit_code: int | None = None
    detail: str = ""
    versions_before: tuple[tuple[str, str], ...] = ()
    versions_after: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class HostFaults:
    """What will go wrong on one host. Counts go down as they are used."""

    fail_moves_in: int = 0
    fail_moves_out: int = 0
    fail_work: dict[WorkKind, int] = field(default_factory=dict)
    never_returns: bool = False
    keeps_boot: bool = False
    old_kernel: int = 0
    """So many of the next boots are of the kernel that ran before."""
    stops_half_way: int = 0
    """So many of the next installations end in the middle, with the package manager interrupted."""
    disk_full: bool = False
    read_only: bool = False
    lose_links: list[str] = field(default_factory=list)
    lose_mounts: list[str] = field(default_factory=list)
    fail_units: list[str] = field(default_factory=list)
    hypervisor_stays_down: bool = False
    clock_skew_seconds: float = 0.0
    guard_off: bool = False
    """The guard on the host lets everything pass: only to try the world's own record."""
    unreachable: list[tuple[float, float]] = field(default_factory=list)
    """Spans in which nobody can ask the host; what runs on it goes on."""
    cut_off_from: list[tuple[HostId, float, float]] = field(default_factory=list)
    """Other hosts that this one can't reach, each with the span in which it can't."""


@dataclass(slots=True)
class SimHost:
    """A host: what it is (`base`), its boot, its cordon, its packages, its units."""

    base: Host
    boot_id: str
    booted_at: float
    boot_seconds: float
    stage_seconds: float
    patch_seconds: float
    boots: int = 1
    up: bool = True
    down_at: float | None = None
    back_at: float | None = None
    cordoned_by: str = ""
    admitted: list[VmId] = field(default_factory=list)
    """VMs that the cordon lets boot."""
    epoch: int = 0
    pending: tuple[PendingUpdate, ...] = ()
    reboot_signs: tuple[RebootSign, ...] = ()
    held_back: tuple[str, ...] = ()
    interrupted: str = ""
    free_disk_bytes: int | None = None
    needed_disk_bytes: int | None = None
    links: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    failed_units: list[str] = field(default_factory=list)
    hypervisor_up: bool = True
    works: dict[str, SimWork] = field(default_factory=dict)
    here: list[VmId] = field(default_factory=list)
    """VMs whose memory, or shut off definition, is here; kept by `State.place`."""
    bound: list[VmId] = field(default_factory=list)
    """VMs on their way here; kept by `State.lift` and `State.unlift`."""
    settings: dict[str, str] = field(default_factory=dict)
    """Settings now, by name."""
    settings_before: dict[str, str] = field(default_factory=dict)
    """What they were when the world began."""
    settings_during: dict[str, str] = field(default_factory=dict)
    """What they have to be while the host is worked on."""
    faults: HostFaults = field(default_factory=HostFaults)


class Deed(StrEnum):
    """What somebody does by hand."""

    MOVE = "move"
    START = "start"
    STOP = "stop"
    CORDON = "cordon"
    RESIZE = "resize"
    DELETE = "delete"


@dataclass(slots=True)
class ByHand:
    """Something that somebody else does at a given time. `forced` goes past the hooks of a cordon."""

    at: float
    deed: Deed
    host: HostId
    vm: VmId | None = None
    forced: bool = False
    memory_bytes: int = 0
    """The new size of a VM that is resized."""


@dataclass(slots=True)
class CallFault:
    """The next `left` calls of that name raise, before or after they have acted."""

    name: str
    left: int
    after: bool = False
    host: HostId | None = None


@dataclass(slots=True)
class SimSilence:
    """A silence of one host, in force until it ends by itself or is ended before."""

    id: str
    host: HostId
    run: str
    began_at: float
    ends_at: float


@dataclass(slots=True)
class SimMonitoring:
    """What watches the world. Ended silences stay on its record."""

    lease_seconds: float = 300.0
    watched: list[str] = field(default_factory=lambda: ["ClusterBroken"])
    """Alerts that let no host begin while they fire."""
    firing: list[str] = field(default_factory=list)
    down: bool = False
    silences: list[SimSilence] = field(default_factory=list)

    def active(self, now: float) -> list[SimSilence]:
        return [silence for silence in self.silences if silence.ends_at > now]


@dataclass(slots=True)
class State:
    """The whole world. `revision` comes first, so that a file of it begins with it."""

    revision: int
    cluster: str
    platform: str
    now: float
    seed: int
    rules: Rules
    link_bits_per_second: int
    hosts: dict[HostId, SimHost]
    vms: dict[VmId, SimVm]
    pace: float | None = None
    """Virtual seconds per real second; None: a sleep takes no real time."""
    orders: dict[MoveId, MoveOutcome] = field(default_factory=dict)
    by_hand: list[ByHand] = field(default_factory=list)
    call_faults: list[CallFault] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    in_flight: list[VmId] = field(default_factory=list)
    stopping: list[VmId] = field(default_factory=list)
    """VMs whose guests are shutting down."""
    monitoring: SimMonitoring = field(default_factory=SimMonitoring)
    placement: int = 0
    """Counts every change of where a VM is, of its state or its flight."""
    changed: list[VmId] = field(default_factory=list)
    """The VMs of the last of these changes, oldest first."""
    version: int = STATE_VERSION

    def note(self, text: str) -> None:
        """One line of what happened, with the world's time."""
        self.log.append(f"{self.now:.3f} {text}")
        if len(self.log) > 2 * LOG_LINES:
            del self.log[:-LOG_LINES]

    def host_name(self, host: HostId) -> str:
        """The host's name, or its UUID."""
        return self.hosts[host].base.name if host in self.hosts else str(host)

    def reachable(self, host: HostId) -> bool:
        """Whether the host can be asked now."""
        about = self.hosts[host]
        cut = any(begin <= self.now < end for begin, end in about.faults.unreachable)
        return about.up and not cut

    def cut(self, host: HostId, other: HostId) -> bool:
        """Whether these two can't reach each other now, whoever can reach them."""
        spans = [
            (begin, end)
            for one, far in ((host, other), (other, host))
            for name, begin, end in self.hosts[one].faults.cut_off_from
            if name == far
        ]
        return any(begin <= self.now < end for begin, end in spans)

    def forget(self, vm: SimVm) -> None:
        """The VM is no more; it is neither running nor on its way."""
        self.hosts[vm.host].here.remove(vm.base.id)
        del self.vms[vm.base.id]
        self.all_changed()

    def residents(self, host: HostId) -> list[SimVm]:
        """Active VMs whose memory is on that host, those on their way out included."""
        here = (self.vms[vm] for vm in self.hosts[host].here)
        return [vm for vm in here if vm.state is not VmState.SHUT_OFF]

    def incoming(self, host: HostId) -> list[SimVm]:
        """VMs on their way to that host."""
        return [self.vms[vm] for vm in self.hosts[host].bound]

    def place(self, vm: SimVm, host: HostId, state: VmState, reason: str = "") -> None:
        """The VM is on that host now, in that state."""
        vm.reason = reason
        if vm.base.id in self.hosts[vm.host].here:
            self.hosts[vm.host].here.remove(vm.base.id)
        vm.host, vm.state = host, state
        self.hosts[host].here.append(vm.base.id)
        self._changes(vm.base.id)

    def lift(self, vm: SimVm, flight: SimFlight) -> None:
        """The VM is on its way."""
        vm.flight = flight
        self.hosts[flight.target].bound.append(vm.base.id)
        self.in_flight.append(vm.base.id)
        self._changes(vm.base.id)

    def unlift(self, vm: SimVm) -> None:
        """The VM is no longer on its way."""
        assert vm.flight is not None, f"{vm.base.name} is not on its way"
        self.hosts[vm.flight.target].bound.remove(vm.base.id)
        self.in_flight.remove(vm.base.id)
        vm.flight = None
        self._changes(vm.base.id)

    def all_changed(self) -> None:
        """Every VM may be another than it was."""
        self.placement += 1
        self.changed.clear()

    def _changes(self, vm: VmId) -> None:
        self.placement += 1
        self.changed.append(vm)
        if len(self.changed) > 2 * CHANGES_KEPT:
            del self.changed[:-CHANGES_KEPT]

    def active(self, host: HostId) -> list[SimVm]:
        """What the host's own hypervisor counts: residents and incoming."""
        return self.residents(host) + self.incoming(host)
