"""What the one writer may change, as small values: one `Store.write` takes any number of them, or none."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from standfast.model.ids import HostId, VmId
from standfast.model.plan import Plan
from standfast.model.reasons import Reason
from standfast.model.run import ENDED_STATES, HostRow, MoveRow, RunState


@dataclass(frozen=True, slots=True)
class PutHost:
    """The host's row is now this one, whole; added where the run had none."""

    row: HostRow


@dataclass(frozen=True, slots=True)
class PutMove:
    """The attempt's row is now this one, whole; added where the run had none of that id."""

    row: MoveRow


@dataclass(frozen=True, slots=True)
class PutRun:
    """The run's state. An ended state without `ended_at` (Unix seconds) ends it at the time of the write.

    Raises ValueError for an `ended_at` beside a state that is no end.
    """

    state: RunState
    reason: Reason | None = None
    ended_at: float | None = None

    def __post_init__(self) -> None:
        if self.ended_at is not None and self.state not in ENDED_STATES:
            raise ValueError(f"a run that is {self.state} has no end")


@dataclass(frozen=True, slots=True)
class PutPlan:
    """The run's plan is now this one, with its own digest: an operator asked to plan anew."""

    plan: Plan


@dataclass(frozen=True, slots=True)
class TakeJournal:
    """Something is about to be borrowed. Nothing is written while the same (host, kind, name) is still
    borrowed: the first `before` is the truth, a later one would be our own doing."""

    host: HostId
    kind: str
    name: str
    before: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GiveJournal:
    """It was given back. Nothing is written where nothing is borrowed."""

    host: HostId
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class HandleCommand:
    """An operator's word was taken up. The first outcome stays."""

    id: int
    outcome: str


@dataclass(frozen=True, slots=True)
class SetBack:
    """The clock was set back by so many seconds (forward: below 0), and so is when what is timed began."""

    seconds: float


Change = PutHost | PutMove | PutRun | PutPlan | TakeJournal | GiveJournal | HandleCommand | SetBack


@dataclass(frozen=True, slots=True)
class NewEvent:
    """One thing that happened; the store adds its id, its run and its time."""

    kind: str
    text: str
    host: HostId | None = None
    vm: VmId | None = None
    data: dict[str, Any] = field(default_factory=dict)
    actor: str = "standfast"
