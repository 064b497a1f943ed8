"""What is to be done on a host itself, and what the host says of it: updates, named units, boot, health."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId, RunId


@dataclass(frozen=True, slots=True)
class PendingUpdate:
    """One package that would change. `installed` is empty where it would be newly installed."""

    package: str
    installed: str
    candidate: str
    origin: str = ""
    security: bool = False
    arch: str = ""


class RebootSign(StrEnum):
    """Signs that a reboot is needed; any one is enough."""

    REQUIRED_FILE = "reboot_required_file"  # /run/reboot-required
    NEWER_KERNEL = "newer_kernel"  # newest installed kernel is not the running one
    NEEDRESTART = "needrestart"  # needrestart -b: NEEDRESTART-KSTA > 1
    STALE_HYPERVISOR = "stale_hypervisor"  # a running QEMU or libvirt maps files that were replaced


@dataclass(frozen=True, slots=True)
class UpdateState:
    """Answer of a scan: what is pending and whether a reboot is needed, at one instant of one boot."""

    taken_at: float
    boot_id: str
    pending: tuple[PendingUpdate, ...] = ()
    reboot_signs: tuple[RebootSign, ...] = ()
    held_back: tuple[str, ...] = ()  # packages on hold or kept back: not ours to change, but said
    interrupted: str = ""  # dpkg was interrupted: its own words
    free_disk_bytes: int | None = None
    needed_disk_bytes: int | None = None

    @property
    def compliant(self) -> bool:
        """Nothing pending and no reboot needed."""
        return not self.pending and not self.reboot_signs


class WorkKind(StrEnum):
    """Long work that the host does by itself, as a named transient unit."""

    STAGE = "stage"  # refresh the lists, download; changes nothing that runs
    PATCH = "patch"
    REBOOT = "reboot"


class WorkPhase(StrEnum):
    """What the host says of a unit of ours."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"  # the guard on the host said no: nothing was done
    LOST = "lost"  # the host went down before it ended, or before it began


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """One unit of work. The host refuses a name it has seen, so an order acts at most once."""

    kind: WorkKind
    host: HostId
    run: RunId
    epoch: int
    attempt: int = 1
    security_only: bool = False
    """Of what is pending, only security updates are downloaded or installed, and what they need."""

    @property
    def unit(self) -> str:
        """The unit's name on the host, without suffix; unique per run, kind and attempt."""
        return f"standfast-{self.run}-{self.kind}-{self.attempt}".lower()


@dataclass(frozen=True, slots=True)
class WorkState:
    """What a host says of one unit of ours. `boot_id` is the boot in which it began."""

    unit: str
    phase: WorkPhase
    boot_id: str = ""
    exit_code: int | None = None
    detail: str = ""  # last words: a refusal's sentence, the end of a log
    versions_before: tuple[tuple[str, str], ...] = ()
    versions_after: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What one quick look at a host shows; cheap enough for every tick."""

    boot_id: str
    uptime_seconds: float
    epoch: int = 0  # the highest controller epoch the host has seen
    cordoned_by: str | None = None  # who the cordon flag on the host names (a run id); None: no cordon
    system_state: str = ""  # systemctl is-system-running
    failed_units: tuple[str, ...] = ()
    kernel: str = ""
    works: tuple[WorkState, ...] = ()
    hypervisor_up: bool = True
    active_vms: int | None = None  # as the host's own hypervisor counts them, incoming ones included
    clock_unix_seconds: float | None = None

    def work(self, unit: str) -> WorkState | None:
        """That unit, or None where the host has never seen it."""
        for work in self.works:
            if work.unit == unit:
                return work
        return None


@dataclass(frozen=True, slots=True)
class Health:
    """A closer look, taken before a host is worked on and compared after its boot."""

    boot_id: str
    hypervisor_up: bool
    links_up: frozenset[str] = frozenset()
    mounts: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    failed_units: frozenset[str] = frozenset()
    clock_skew_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Setting:
    """Something borrowed on a host, with the value it had: journaled before it is changed."""

    host: HostId
    name: str
    before: str
    during: str
