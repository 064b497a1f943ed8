"""What a tick has seen, handed to `decide` as one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.exam import Exam
from standfast.model.hostwork import Health, HostFacts, UpdateState, WorkKind, WorkOrder, WorkState
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import Flight, MoveOrder, MoveOutcome, OutcomeKind
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import UNTOUCHED, HostRow, MoveRow, Phase, Run, RunState
from standfast.plan.board import Board
from standfast.run.actions import CallKey
from standfast.run.monitoring import Monitoring


@dataclass(frozen=True, slots=True)
class Failure:
    """An outward call that raised since the last tick. It may have acted all the same."""

    key: CallKey
    host: HostId
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """The cluster now, and the answers that came in since the last tick."""

    snapshot: Snapshot
    outcomes: Mapping[MoveId, MoveOutcome] = field(default_factory=dict)
    unanswered: frozenset[MoveId] = frozenset()
    """Moves that the platform could not be asked about; asked again at the next tick."""
    scans: Mapping[HostId, UpdateState] = field(default_factory=dict)
    healths: Mapping[HostId, Health] = field(default_factory=dict)
    exams: Mapping[HostId, Exam] = field(default_factory=dict)
    told: Mapping[HostId, str] = field(default_factory=dict)
    """What the operator's own command says of hosts that can't be asked themselves."""
    failures: tuple[Failure, ...] = ()
    under_way: frozenset[CallKey] = frozenset()
    epoch: int = 0
    clock_jumped_seconds: float = 0.0
    """By how much more our clock went on than time did since the last look: it was set, forward or back."""
    monitoring: Monitoring = field(default_factory=Monitoring)
    board: Board | None = field(default=None, compare=False, repr=False)
    """The board of the snapshot, if somebody has it already."""


@dataclass(frozen=True)  # without slots: what is asked for often is worked out once
class View:
    """Rows and observation side by side, with the questions that every phase asks of them.

    `snapshot` counts a move that is on record as started as in flight even where no platform shows it
    yet, so that nothing is promised twice.
    """

    run: Run
    seen: Seen
    now: float
    snapshot: Snapshot
    begun: tuple[MoveRow, ...] = ()
    """Moves that were decided on in this round."""
    made: list[Board] = field(default_factory=list, compare=False, repr=False)
    """The board of this round, once somebody asked for it."""
    worked_out: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What follows from rows and observation alone and takes a while, by who worked it out in this round."""

    @classmethod
    def of(cls, run: Run, seen: Seen, now: float) -> View:
        return cls(run, seen, now, _with_started(seen.snapshot, run.started))

    def with_begun(self, moves: Iterable[MoveRow]) -> View:
        """The view for those who decide later in the same round: these moves are on their way already."""
        return replace(self, begun=(*self.begun, *moves))

    @property
    def board(self) -> Board:
        """Moves are tried here. Whoever decides on one lifts it, so that whoever comes later in the round
        counts it."""
        if not self.made:
            self.made.append(self._board())
        return self.made[0]

    def _board(self) -> Board:
        if self.seen.board is None:
            return Board.of(self.snapshot)
        board = self.seen.board.copy()
        for move in self.run.started:
            if board.where.get(move.vm) == move.source and board.flights.get(move.vm) is None:
                board.flights.pop(move.vm, None)
                if move.target in board.hosts:
                    board.lift(move.vm, move.target)
        return board

    @property
    def policy(self) -> Policy:
        return self.run.plan.policy

    @property
    def may_start(self) -> bool:
        """New host work, moves and hosts may begin."""
        return self.run.state is RunState.RUNNING

    @property
    def may_go_on(self) -> bool:
        """A host that is past its safe point may be taken to the next one.

        Also while the run is held because of another host: one that is left between its patch and its reboot
        is worth least of all.
        """
        if self.run.state is RunState.HELD:
            return self.run.reason is None or self.run.reason.code is not Code.UNKNOWN_PHASE
        return self.run.state in (RunState.RUNNING, RunState.CANCELLING)

    def host(self, row: HostRow) -> Host | None:
        """The host if it answers, with facts; None if it can't be asked."""
        host = self.snapshot.host_by_id.get(row.host)
        return host if host is not None and host.reachable and host.facts is not None else None

    def facts(self, row: HostRow) -> HostFacts | None:
        host = self.host(row)
        return host.facts if host is not None else None

    def order(self, row: HostRow, kind: WorkKind) -> WorkOrder:
        """This row's order for that kind of work; its unit's name is the same at every tick."""
        return WorkOrder(
            kind,
            row.host,
            self.run.id,
            self.seen.epoch,
            row.attempt,
            security_only=self.policy.security_only,
        )

    def work(self, row: HostRow, kind: WorkKind) -> WorkState | None:
        """What the host says of this row's unit of that kind."""
        facts = self.facts(row)
        return facts.work(self.order(row, kind).unit) if facts is not None else None

    def free_to_call(self, row: HostRow, key: CallKey) -> bool:
        """No such call is under way and the row's wait after a failure is over."""
        return key not in self.seen.under_way and self.now >= row.next_call_at

    @cached_property
    def started(self) -> tuple[MoveRow, ...]:
        """Moves on record as begun and not yet judged, and those of this round."""
        return (*self.run.started, *self.begun)

    @property
    def on_record(self) -> Mapping[VmId, MoveRow]:
        """Moves on record as begun and not yet judged, by VM: without those of this round."""
        found: dict[VmId, MoveRow] | None = self.worked_out.get("on_record")
        if found is None:
            found = self.worked_out["on_record"] = {move.vm: move for move in self.run.started}
        return found

    @cached_property
    def moving(self) -> frozenset[HostId]:
        """Hosts at either end of a move that has begun."""
        return frozenset(end for move in self.started for end in (move.source, move.target))

    @property
    def out(self) -> frozenset[HostId]:
        """Hosts that hold no VM now or soon, because the run works on them or could not finish with them."""
        found: frozenset[HostId] | None = self.worked_out.get("out")
        if found is None:
            out = (row.host for row in self.run.hosts if not _in_service(row))
            found = self.worked_out["out"] = frozenset(out)
        return found

    @property
    def patched(self) -> frozenset[HostId]:
        """Hosts that are done: where VMs should land. Hosts left alone as compliant count too."""
        found: frozenset[HostId] | None = self.worked_out.get("patched")
        if found is None:
            done = {row.host for row in self.run.hosts if row.phase == Phase.DONE}
            alone = {left.host for left in self.run.plan.left_alone if left.reason is None}
            found = self.worked_out["patched"] = frozenset(done | alone)
        return found


def _in_service(row: HostRow) -> bool:
    if row.phase in (Phase.PLANNED, Phase.DONE, Phase.SKIPPED, Phase.ROLLED_BACK):
        return True
    if row.phase == Phase.FAILED:
        return not row.cordon_taken  # returned by an operator
    # One that was held before its patch is handed back: its VMs that had not moved yet run there as before.
    return row.phase == Phase.HELD and row.held_phase in UNTOUCHED and not row.cordon_taken


def order_of(move: MoveRow) -> MoveOrder:
    """The order that a row stands for; the same after a restart."""
    return MoveOrder(move.id, move.vm, move.source, move.target, max(0.0, move.deadline_at - move.started_at))


def running(outcome: MoveOutcome | None) -> bool:
    return outcome is not None and outcome.kind is OutcomeKind.RUNNING


def _with_started(snapshot: Snapshot, moves: tuple[MoveRow, ...]) -> Snapshot:
    started = {move.vm: move for move in moves}
    unseen = {vm.id for vm in map(snapshot.vm, started) if vm and vm is not _in_flight(vm, started[vm.id])}
    if not unseen:
        return snapshot
    vms = (_in_flight(vm, started[vm.id]) if vm.id in unseen else vm for vm in snapshot.vms)
    return replace(snapshot, vms=tuple(vms))


def _in_flight(vm: Vm, move: MoveRow) -> Vm:
    if vm.host != move.source:
        return vm
    if vm.flight is None:
        return replace(vm, flight=Flight(move.target))
    return replace(vm, flight=replace(vm.flight, target=move.target)) if vm.flight.target is None else vm
