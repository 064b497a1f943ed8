"""One live migration: what is ordered, what is seen of it on its way, what is on record afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId, MoveId, VmId


class Purpose(StrEnum):
    """Why a VM is moved."""

    EVACUATE = "evacuate"
    REFILL = "refill"
    REBALANCE = "rebalance"


@dataclass(frozen=True, slots=True)
class Flight:
    """A migration seen on its way, by whoever started it."""

    target: HostId | None  # None: seen on the source, and the platform does not say where to
    since_seconds: float = 0.0
    total_bytes: int = 0
    remaining_bytes: int = 0
    bytes_per_second: float = 0.0
    dirty_bytes_per_second: float = 0.0
    iteration: int = 0


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a move is expected to cost, p50 and p95.

    Where `converges` is False the spans are those until it is given up and a forced switch-over is done. The
    four before `share` are the round model's own terms in seconds, before any calibration: copying memory
    once, copying what was dirtied meanwhile, what the guest is stopped for on the wire, and what a full
    socket buffer takes there; kept so that a finished move can teach the next prediction.
    """

    brownout_seconds: float
    brownout_p95_seconds: float
    blackout_seconds: float
    blackout_p95_seconds: float
    wire_bytes: int
    converges: bool = True
    sure: bool = True
    """Whether it would converge as well if memory were dirtied faster and the link slower, as p95 has it."""
    slowed: float = 0.0
    """Share of its time that auto-converge will have taken from the guest by the end."""
    basis: str = ""
    """What it rests on, for a reader: `3 dirty-rate windows, 41 former moves` …"""
    once_seconds: float = 0.0
    again_seconds: float = 0.0
    switch_seconds: float = 0.0
    buffered_seconds: float = 0.0
    share: float = 1.0
    """By how many its links are expected to be divided in the mean, itself included: the spans hold it."""


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """What a platform is asked to do: this VM, live, from here to there."""

    id: MoveId
    vm: VmId
    source: HostId
    target: HostId
    timeout_seconds: float
    blackout_budget_seconds: float | None = None
    auto_converge: bool = False


@dataclass(frozen=True, slots=True)
class MoveRecord:
    """What a finished move cost, the same for every platform.

    `evidence` says where the figures came from (`libvirt completed job statistics on the target`,
    `Hyper-V event 22509` …); a field is None where the platform did not say.
    """

    total_seconds: float | None = None
    setup_seconds: float | None = None
    brownout_seconds: float | None = None
    blackout_seconds: float | None = None
    wire_bytes: int | None = None
    memory_bytes: int | None = None
    rounds: int | None = None
    evidence: str = "none"
    seen_seconds: float | None = None
    """The longest silence of the VM's own probe, asked from here, to within a quarter of a second."""


class OutcomeKind(StrEnum):
    """What the platform itself says of an order. The run still judges by where the VM runs."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    UNKNOWN = "unknown"  # e.g. ordered by a controller that has died since


@dataclass(frozen=True, slots=True)
class MoveOutcome:
    """The platform's own account of one order."""

    kind: OutcomeKind
    record: MoveRecord | None = None
    error: str = ""
