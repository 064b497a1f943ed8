"""All that the core asks of the outside world, on one page.

Every call here may block and may raise `StandfastError`; none may be trusted to have acted when it raises,
nor not to have acted. What is true is what `Platform.observe` and `HostWork.look` say at the next tick.
Calls are made from several threads, at most one at a time per host and kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from standfast.model.cluster import Snapshot
from standfast.model.exam import Exam
from standfast.model.hostwork import Health, HostFacts, Setting, UpdateState, WorkOrder
from standfast.model.ids import HostId, RunId, VmId
from standfast.model.memory import MemoryUse
from standfast.model.moves import MoveOrder, MoveOutcome
from standfast.model.reasons import Reason


@dataclass(frozen=True, slots=True)
class Fencing:
    """Who acts: hosts remember the highest epoch they have seen and refuse a lower one."""

    run: RunId
    epoch: int


class Platform(Protocol):
    """One hypervisor platform: what runs where, and moving it."""

    def observe(self) -> Snapshot:
        """The cluster now, without host facts and updates. A host that can't be asked is marked
        unreachable; VMs last seen on it are left out. Raises only if the platform as a whole fails."""

    def check_move(self, vm: VmId, target: HostId) -> tuple[Reason, ...]:
        """What the platform itself has against this move, right now; empty if nothing."""

    def start_move(self, order: MoveOrder) -> None:
        """Begin a live migration and return. It goes on if this process dies."""

    def move_outcome(self, order: MoveOrder) -> MoveOutcome:
        """The platform's own account of an order, also one given by a process that has died since."""

    def cancel_move(self, order: MoveOrder) -> None:
        """Ask for the migration's end; the VM stays on its source. No error where none is running."""

    def allow_blackout(self, order: MoveOrder, seconds: float) -> None:
        """Let a migration under way stop the VM for that long at its switch-over. No error where none is."""

    def shutdown(self, vm: VmId, host: HostId, *, force: bool = False) -> None:
        """Ask the guest to shut down cleanly (its agent, or ACPI) and return; with `force`, cut its power.
        Idempotent. The end is seen in `observe`, where `Vm.state_reason` is the evidence."""

    def start(self, vm: VmId, host: HostId) -> None:
        """Boot a VM that is shut off on this host. Idempotent. Raises, and starts nothing, where it would
        go on from saved state."""

    def close(self) -> None:
        """Let connections go. Migrations under way go on."""


class Measuring(Protocol):
    """A platform that can measure how VMs use their memory, on request."""

    def measure_memory(self, seconds: int) -> int:
        """Measure all running VMs for about that long; returns how many could be. Snapshots carry the
        figures for some minutes. Changes nothing."""

    def untouched(self) -> Mapping[VmId, MemoryUse]:
        """Memory that running VMs have not touched since they started, at least, as far as it is known
        without measuring, on hosts that answered last."""


class Fence(Protocol):
    """Keeping a host free of VMs, enforced by the host itself."""

    def cordon(self, host: HostId, by: Fencing, *, admit: frozenset[VmId] = frozenset()) -> None:
        """Refuse starts and incoming moves on the host, across its reboot. Idempotent. Boots (never from
        saved state) of the VMs in `admit` are let through; the next call says anew which those are."""

    def uncordon(self, host: HostId, by: Fencing) -> None:
        """Take the cordon of this run back. Idempotent; another run's cordon is left and refused."""

    def settings(self, host: HostId) -> tuple[Setting, ...]:
        """What has to change on this host while it is worked on; empty where nothing has."""

    def apply_setting(self, setting: Setting, by: Fencing) -> None:
        """Change it. Idempotent."""

    def give_back(self, setting: Setting, by: Fencing) -> None:
        """Restore the value before. Idempotent."""


class HostWork(Protocol):
    """Updates and reboots: scanning, and long work that the host does by itself as a named unit."""

    def look(self, host: HostId) -> HostFacts:
        """Boot id, our units, system state: cheap, at every tick. Raises UnreachableError."""

    def scan(self, host: HostId, *, refresh: bool) -> UpdateState:
        """What is pending and whether a reboot is needed. `refresh` fetches the lists first."""

    def begin(self, order: WorkOrder) -> None:
        """Start the unit, at most once ever by its name. PATCH and REBOOT ask the host's own
        hypervisor for active VMs right before they act, compare the epoch, and refuse."""

    def health(self, host: HostId) -> Health:
        """Links, mounts, networks, failed units, clock: to compare before and after a boot."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of ours that is in force. How long it lasts is by the monitoring's own clock, not by ours."""

    id: str
    ends_in_seconds: float
    made: bool = False
    """It was not there before this call."""


class Silencer(Protocol):
    """Monitoring that is told not to alert about one host while it is worked on.

    A silence is a lease: it ends by itself unless it is renewed. It says which run and host it is for,
    so that whoever takes over finds it. VMs on the host are not silenced.
    """

    @property
    def name(self) -> str: ...

    @property
    def lease_seconds(self) -> float: ...

    @property
    def watched_alerts(self) -> tuple[str, ...]:
        """Names of alerts that let no host begin while they fire."""

    def find(self, host: HostId, run: RunId) -> Silence | None:
        """Our silence of that host, if one is in force."""

    def keep(self, host: HostId, run: RunId) -> Silence:
        """Make it, or renew the one that is there, for a whole lease from now. Idempotent."""

    def lift(self, host: HostId, run: RunId) -> None:
        """End every silence of this run and host, and see that none is left. Idempotent."""

    def firing(self) -> tuple[str, ...]:
        """Watched alerts that fire now and are not silenced, each as words."""


class Examiner(Protocol):
    """Closer questions to hosts before any work, which a snapshot does not answer. Changes nothing."""

    def examine(self, hosts: Sequence[HostId], files: Sequence[str]) -> tuple[Exam, ...]:
        """Each of these hosts, in order, with its ways to the other hosts of the cluster and with how it sees
        `files`. One that does not answer is said to be silent. Takes seconds; bounded."""


class Console(Protocol):
    """The operator's own command about a host that can't be asked itself: its BMC, its serial console."""

    def ask(self, host: HostId) -> str:
        """What it says, on one line; empty if there is nothing to say. Raises OutsideError."""


class Clock(Protocol):
    """Time, real or virtual."""

    def now(self) -> float:
        """Unix time in seconds."""

    def elapsed(self) -> float:
        """Seconds since some moment that stays the same for this process, whatever a clock is set to. Time in
        which the machine was suspended counts."""

    def sleep(self, seconds: float) -> None:
        """Wait that long, or less."""


@dataclass(frozen=True, slots=True)
class Outside:
    """One cluster's outside world, handed to the run."""

    platform: Platform
    fence: Fence
    work: HostWork
    clock: Clock
    names: Mapping[HostId, str]
    examiner: Examiner
    console: Console | None = None
    silencers: tuple[Silencer, ...] = ()
    measuring: Measuring | None = None
