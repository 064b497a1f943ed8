"""A run as rows: intent that outlives every process. Observation is truth; these say what was meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

from standfast.model.hostwork import Health, UpdateState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.plan import Plan
from standfast.model.reasons import Reason


class Phase(StrEnum):
    """Phases of a host, in the order in which a good run passes them. Only ever added to."""

    PLANNED = "planned"
    SILENCED = "silenced"  # prepared: settings journaled, updates downloaded, cordon up
    DRAINING = "draining"
    EMPTY = "empty"
    PATCHING = "patching"
    REBOOTING = "rebooting"
    VERIFYING = "verifying"
    REFILLING = "refilling"  # uncordoned; gets VMs as the next hosts are evacuated
    DONE = "done"
    SKIPPED = "skipped"
    HELD = "held"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


ENDED_PHASES = frozenset({Phase.DONE, Phase.SKIPPED, Phase.FAILED, Phase.ROLLED_BACK})
"""Phases in which nothing more is done to a host."""

UNTOUCHED = frozenset({Phase.PLANNED, Phase.SILENCED, Phase.DRAINING, Phase.EMPTY})
"""Phases in which nothing on the host has been changed but its cordon: it can simply be handed back."""


class RunState(StrEnum):
    """State of a run as a whole."""

    RUNNING = "running"
    PAUSED = "paused"  # an operator said so: nothing new starts
    HELD = "held"  # waits for an operator
    CANCELLING = "cancelling"  # goes to the next safe point, then restores
    COMPLETED = "completed"
    DEGRADED = "degraded"  # ended, with hosts failed, skipped or rolled back
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"


ENDED_STATES = frozenset({RunState.COMPLETED, RunState.DEGRADED, RunState.CANCELLED, RunState.ABANDONED})


REHEARSAL = RunId("REHEARSAL")
"""In the place of a run's id: it was one on a simulated twin, and nothing real was done."""


class Verb(StrEnum):
    """What an operator may say to a run; a row in the store that the next tick reads."""

    PAUSE = "pause"
    RESUME = "resume"
    REPLAN = "replan"
    CANCEL = "cancel"
    ABANDON = "abandon"
    # About one host of the run.
    SKIP = "skip"
    RETRY = "retry"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class HostRow:
    """Intent for one host of a run. `position` is its place in the order, from 0."""

    host: HostId
    name: str
    position: int
    phase: str
    """A `Phase`; text, because a newer release may have written one that this one doesn't know."""
    since: float
    attempt: int = 1
    """Counts host work; a retry after a hold gets units with new names."""
    held_phase: str = ""
    """Where a held host was, so that `resume` can go on from there."""
    reason: Reason | None = None
    boot_id_before: str = ""
    boot_id_after: str = ""
    scan_before: UpdateState | None = None
    scan_after: UpdateState | None = None
    health_before: Health | None = None
    healthy_since: float | None = None
    cordon_taken: bool = False
    """We put the cordon up (or meant to: it is written before the act) and owe its removal."""
    unreachable_since: float | None = None
    call_failures: int = 0
    next_call_at: float = 0.0
    versions_before: tuple[tuple[str, str], ...] = ()
    versions_after: tuple[tuple[str, str], ...] = ()
    asked: str = ""
    """What an operator asked for that takes more than one step: `skip` or `return`."""
    kernel_before: str = ""
    """The kernel that ran before the reboot: a hint for whoever stands at the console."""


class MoveState(StrEnum):
    """State of one attempt to move one VM."""

    STARTED = "started"  # written before the platform is asked
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class MoveRow:
    """One attempt to move one VM."""

    id: MoveId
    vm: VmId
    vm_name: str
    source: HostId
    target: HostId
    purpose: Purpose
    step: HostId | None
    """The host whose turn it serves; None for the final spreading."""
    attempt: int
    state: MoveState
    started_at: float
    deadline_at: float
    predicted: Prediction
    cancel_asked: bool = False
    ended_at: float | None = None
    record: MoveRecord | None = None
    reason: Reason | None = None


def _as_begun(move: MoveRow) -> tuple[float, MoveId]:
    """The order of a run's moves."""
    return move.started_at, move.id


@dataclass(frozen=True, slots=True)
class CommandRow:
    """An operator's word, not yet or already taken up."""

    id: int
    run: RunId
    verb: Verb
    actor: str
    at: float
    handled_at: float | None = None
    outcome: str = ""
    host: HostId | None = None
    """The host that it is about, where the verb is about one."""


TIMED = ("shutdown", "off")
"""Kinds of journal entries that something is waited for from their beginning."""

RESTORED = "restored"
"""Kind of a journal entry: the store is older than what may have been done to that host since."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """Something borrowed: committed before the act, marked when given back."""

    id: int
    run: RunId
    host: HostId
    kind: str
    """`cordon`, `autostart`, `silence`, `restored` …"""
    name: str
    before: dict[str, Any]
    taken_at: float
    given_back_at: float | None = None

    @property
    def told(self) -> str:
        """What is changed, in a few words; the host is said besides."""
        name = self.before.get("vm", self.name)
        known = {
            "shutdown": f"{name} asked to shut down",
            "off": f"{name} shut off, which ran before",
            RESTORED: f"perhaps more, unknown since the store was put back: {name}",
        }
        told = known.get(self.kind, f"{self.kind} {name}")
        return f"perhaps {told}" if self.perhaps else told

    @property
    def perhaps(self) -> bool:
        """Not known to be borrowed: the store was put back from a copy, and it may have been since then."""
        return self.before.get("cause") == RESTORED


@dataclass(frozen=True, slots=True)
class EventRow:
    """One thing that happened, append-only: audit, live view, notification and report read these."""

    id: int
    run: RunId
    at: float
    kind: str
    host: HostId | None
    vm: VmId | None
    text: str
    data: dict[str, Any] = field(default_factory=dict)
    actor: str = "standfast"


@dataclass(frozen=True)  # without slots: what is looked up often is sorted once
class Run:
    """One run, all of its rows. Read whole by each tick."""

    id: RunId
    cluster: str
    state: RunState
    plan: Plan
    plan_digest: str
    approved_by: str
    created_at: float
    hosts: tuple[HostRow, ...]
    moves: tuple[MoveRow, ...] = ()
    journal: tuple[JournalRow, ...] = ()
    commands: tuple[CommandRow, ...] = ()
    """Only those not taken up yet."""
    reason: Reason | None = None
    ended_at: float | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES

    def row(self, host: HostId) -> HostRow:
        """The host's row; KeyError if it isn't part of this run."""
        return self.row_of[host]

    @cached_property
    def row_of(self) -> dict[HostId, HostRow]:
        """The rows by host."""
        return {row.host: row for row in self.hosts}

    @cached_property
    def in_order(self) -> tuple[HostRow, ...]:
        """The rows by their place in the order."""
        return tuple(sorted(self.hosts, key=lambda row: row.position))

    @cached_property
    def held(self) -> tuple[HostRow, ...]:
        """The rows that wait for an operator, by their place in the order."""
        return tuple(row for row in self.in_order if row.phase == Phase.HELD)

    def with_moves_of(self, before: Run, written: Mapping[MoveId, MoveRow]) -> Run:
        """This one with the moves of an earlier look at the same run, but for those that were written since.

        What was sorted of the earlier one is not sorted anew: a large run has tens of thousands, and one of
        them changes thousands of times.
        """
        moves, in_order = list(before.moves), True
        place = {move.id: number for number, move in enumerate(moves)} if written else {}
        for move in sorted(written.values(), key=_as_begun):
            number = place.get(move.id)
            if number is None:
                in_order &= not moves or _as_begun(moves[-1]) < _as_begun(move)
                moves.append(move)
            else:
                was, moves[number] = moves[number], move
                in_order &= (was.started_at, was.step) == (move.started_at, move.step)
        if not in_order:
            return replace(self, moves=tuple(sorted(moves, key=_as_begun)))
        found = replace(self, moves=tuple(moves))
        going = [move for move in before.started if move.id not in written]
        going += [move for move in written.values() if move.state is MoveState.STARTED]
        found.__dict__["started"] = tuple(sorted(going, key=_as_begun))
        found.__dict__["moves_of"] = sorted_of = dict(before.moves_of)
        for step in {move.step for move in written.values()}:
            mine = {move.id: move for move in before.moves_of.get(step, ())}
            mine |= {move.id: move for move in written.values() if move.step == step}
            sorted_of[step] = tuple(sorted(mine.values(), key=_as_begun))
        return found

    @cached_property
    def started(self) -> tuple[MoveRow, ...]:
        """Moves on record as begun and not yet judged."""
        return tuple(move for move in self.moves if move.state is MoveState.STARTED)

    @cached_property
    def moves_of(self) -> dict[HostId | None, tuple[MoveRow, ...]]:
        """Attempts by the host whose turn they serve, in order; None: those that only spread."""
        found: dict[HostId | None, list[MoveRow]] = {}
        for move in self.moves:
            found.setdefault(move.step, []).append(move)
        return {step: tuple(moves) for step, moves in found.items()}

    @cached_property
    def latest_at(self) -> float:
        """The latest time on record of something that has begun and is waited for; no clock was before it."""
        hosts = [
            at for row in self.hosts for at in (row.since, row.healthy_since, row.unreachable_since) if at
        ]
        moves = [move.ended_at or move.started_at for move in self.moves if move.state is not MoveState.DONE]
        timed = [entry.taken_at for kind in TIMED for entry in self.borrowed.get(kind, ())]
        return max((*hosts, *moves, *timed), default=0.0)

    @cached_property
    def next_wave(self) -> tuple[HostRow, ...]:
        """Planned hosts of the earliest wave that has any, in order; asked for several times at each tick."""
        planned = [row for row in self.in_order if row.phase == Phase.PLANNED]
        if not planned:
            return ()
        steps = self.plan.step_of

        def wave(row: HostRow) -> int:
            return steps[row.host].wave if row.host in steps else 0

        first = wave(planned[0])
        return tuple(row for row in planned if wave(row) == first)

    @cached_property
    def borrowed(self) -> dict[str, tuple[JournalRow, ...]]:
        """What is not given back yet, by kind, in order."""
        found: dict[str, list[JournalRow]] = {}
        for entry in self.journal:
            if entry.given_back_at is None:
                found.setdefault(entry.kind, []).append(entry)
        return {kind: tuple(entries) for kind, entries in found.items()}
