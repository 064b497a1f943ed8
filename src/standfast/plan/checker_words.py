"""What the checker of plans says and is told: stages and moves, limits, violations, a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId, VmId
from standfast.model.unmovable import PlannedStop


class Kind(StrEnum):
    """What can be wrong with a plan."""

    NOT_THERE = "not_there"  # a move of a VM that is not where the move begins
    NO_TARGET = "no_target"  # a target that is no host of the cluster, or the VM's own
    TARGET_OUT = "target_out"
    TARGET_CLOSED = "target_closed"  # unreachable or cordoned
    LEFT_BEHIND = "left_behind"  # a host is patched with a VM on it
    STOPPED = "stopped"  # a VM is shut down that could move, or that nobody consented for
    MEMORY = "memory"
    ANTI_AFFINITY = "anti_affinity"
    IN_FLIGHT = "in_flight"  # two of one group fly together, or one VM twice
    OUT_TOGETHER = "out_together"  # a group's majority is on hosts that are out at once
    FAULT_DOMAIN = "fault_domain"  # a group covers fewer domains than before
    PIN = "pin"
    UNFIT = "unfit"  # CPU, machine type or network
    BACKWARDS = "backwards"  # from a patched host to one still to be patched
    NAME = "name"
    LIMIT = "limit"  # more moves at once than a host or the policy allows
    RESERVE = "reserve"
    WIDTH = "width"  # more hosts out than allowed


@dataclass(frozen=True, slots=True)
class Violation:
    kind: Kind
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, slots=True)
class Hop:
    """One move. Without `start` it happens after all moves listed before it, alone."""

    vm: VmId
    source: HostId
    target: HostId
    start: float | None = None
    """Seconds from the begin of its stage."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """`out` are emptied by `hops` and then patched; with no hosts out it is a refill or a spreading."""

    out: tuple[HostId, ...]
    hops: tuple[Hop, ...]
    stops: tuple[tuple[HostId, PlannedStop], ...] = ()
    """VMs that are off while their host is out."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a plan may use besides what the snapshot says; None: not checked."""

    hosts_out: int | None = None
    moves_at_once: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is wrong, and what the plan costs."""

    violations: tuple[Violation, ...]
    moves: int
    moved_bytes: int
    peak_memory_fraction: float
    """Largest share of a host's memory that a move brought it to, both ends of each move counted."""
    most_hosts_out: int
    stages: int

    def count(self, *kinds: Kind) -> int:
        """Violations of these kinds; of all without any."""
        return sum(not kinds or found.kind in kinds for found in self.violations)
