"""A plan: which host when, which VM where, what is refused and why; a file with a digest."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.model.moves import Prediction, Purpose
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.model.unmovable import PlannedStop

SCHEMA_VERSION = 1


class PlanKind(StrEnum):
    """What a run is for."""

    PATCH = "patch"
    EVACUATE = "evacuate"  # one host emptied as fast as it goes, and left cordoned
    BALANCE = "balance"  # VMs moved so that hosts are used evenly; no host is touched otherwise


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One move as planned; the run may choose another target where the world has changed."""

    vm: VmId
    vm_name: str
    source: HostId
    target: HostId
    purpose: Purpose
    predicted: Prediction
    start_seconds: float | None = None
    """When it is planned to start, from the begin of its wave (or of the final spreading); None: no
    schedule."""


@dataclass(frozen=True, slots=True)
class HostStep:
    """One host's turn: evacuate, patch, reboot, verify. Spans are predictions in seconds."""

    host: HostId
    name: str
    moves: tuple[PlannedMove, ...]
    pending: tuple[str, ...]
    """Packages that will change, as `name installed -> candidate`."""
    reboot: bool
    drain_seconds: float
    patch_seconds: float
    reboot_seconds: float
    verify_seconds: float
    wave: int = 0
    """Number of its wave, from 0; hosts of one wave are out together."""
    p95_seconds: float = 0.0
    """p95 of its whole turn, from the begin of its wave; 0: not predicted."""
    stops: tuple[PlannedStop, ...] = ()
    """VMs that can't be moved: shut down and started again with consent, or held for."""

    @property
    def seconds(self) -> float:
        """p50 of its whole turn, from the begin of its wave."""
        return self.drain_seconds + self.patch_seconds + self.reboot_seconds + self.verify_seconds


@dataclass(frozen=True, slots=True)
class Wave:
    """Hosts that are out together: capacity and rules hold with all of them counted out.

    A host's `drain_seconds` is the time until it is empty while all of its wave are evacuated at once.
    """

    hosts: tuple[HostStep, ...]
    soak_seconds: float = 0.0
    """How long all hosts of the wave have to stay well after its end before the next wave begins."""

    @property
    def seconds(self) -> float:
        """p50 from its begin until its last host is done; the soak comes on top."""
        return max((step.seconds for step in self.hosts), default=0.0)


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A host that the run will not touch, and why."""

    host: HostId
    name: str
    reason: Reason | None
    """None: compliant, nothing to do."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What the plan rests on. Drift is a difference here; load never is."""

    placement: tuple[tuple[VmId, HostId, int], ...]
    """(VM, host, memory in bytes), sorted."""
    hosts: tuple[tuple[HostId, int, str], ...]
    """(host, memory in bytes, digest of its pending updates), sorted."""
    rules_digest: str
    names: tuple[tuple[str, str], ...] = ()
    """What each host and VM was called then, by UUID, sorted. For sentences alone: a new name is no drift."""


@dataclass(frozen=True, slots=True)
class Bound:
    """No plan gets all hosts done sooner, and why: `waves`, `area`, `host` or `network`."""

    name: str
    seconds: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Bounds:
    """What no plan can beat, from the snapshot and the policy alone, beside what this one needs."""

    moves_at_least: int
    moves: int
    peak_memory_fraction: float
    """Largest share of a host's memory held at any moment of the plan, both ends of a move counted."""
    seconds: float = 0.0
    """Until the last host is done; the final spreading comes on top."""
    times: tuple[Bound, ...] = ()
    """Bounds on that, the largest, which binds, first."""

    @property
    def seconds_at_least(self) -> float:
        """The largest of the bounds on time."""
        return max((bound.seconds for bound in self.times), default=0.0)


@dataclass(frozen=True, slots=True)
class Load:
    """Share of a host's memory that VMs hold, 1.0 for all of it, before and after the moves of a plan."""

    host: HostId
    name: str
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Balance:
    """How evenly hosts are used before and after a plan's moves, and what was aimed at.

    Points are the population standard deviation of memory use over `loads`, in percent points.
    """

    points_before: float
    points_after: float
    goal_points: float
    loads: tuple[Load, ...]
    wire_bytes: int = 0
    """What the moves send over the network, as predicted."""
    memory_bytes: int = 0
    """Memory of the VMs that are moved."""
    memory_bytes_at_least: int = 0
    """No plan comes to `points_after` with less memory moved; 0: not known (hosts of several sizes)."""
    why_no_more: str = ""
    """What keeps it from the goal, as a sentence; empty where the goal is reached."""
    mending_moves: int = 0
    """How many of the moves mend a rule that is broken as things stand."""


@dataclass(frozen=True)  # without slots: what is looked up often is sorted once
class Plan:
    """The whole run before it happens. `refusals` non-empty means that it may not be applied."""

    schema_version: int
    cluster: str
    platform: str
    created_at: float
    basis: Basis
    waves: tuple[Wave, ...]
    rebalance: tuple[PlannedMove, ...]
    left_alone: tuple[LeftAlone, ...]
    refusals: tuple[Reason, ...]
    warnings: tuple[Reason, ...]
    bounds: Bounds
    predicted_seconds: float
    predicted_p95_seconds: float
    policy: Policy
    kind: PlanKind = PlanKind.PATCH
    finish_by: float | None = None
    """Unix seconds: no host starts whose predicted end (p95) is later."""
    learnt: Learnt | None = None
    """What former moves taught; the run predicts with it as the plan did."""
    spends_reserve: bool = False
    """An evacuation that may leave no room for the loss of another host: told to by its operator."""
    balance: Balance | None = None
    """Of a plan that evens hosts out: how uneven they are before and after it."""

    @cached_property
    def steps(self) -> tuple[HostStep, ...]:
        """All host steps in order."""
        return tuple(step for wave in self.waves for step in wave.hosts)

    @cached_property
    def step_of(self) -> dict[HostId, HostStep]:
        """The step of each host that has one."""
        return {step.host: step for step in self.steps}

    @cached_property
    def targets(self) -> dict[HostId, dict[VmId, HostId]]:
        """For each host with a step, where each of its VMs is sent."""
        return {step.host: {move.vm: move.target for move in reversed(step.moves)} for step in self.steps}

    @cached_property
    def planned(self) -> dict[tuple[VmId, HostId, HostId], PlannedMove]:
        """The moves by VM, source and target."""
        return {(move.vm, move.source, move.target): move for move in reversed(self.moves)}

    @cached_property
    def stops(self) -> dict[VmId, PlannedStop]:
        """What is shut down, by VM."""
        return {stop.vm: stop for step in reversed(self.steps) for stop in reversed(step.stops)}

    @cached_property
    def moves(self) -> tuple[PlannedMove, ...]:
        """All moves in order, the final spreading included."""
        return tuple(move for step in self.steps for move in step.moves) + self.rebalance
