"""The plan: which host when, which VM where, what is refused and why, how long and how few moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import SCHEMA_VERSION, Bounds, HostStep, LeftAlone, Plan, PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.plan import blockers
from standfast.plan.blackout import Darkness
from standfast.plan.board import Board
from standfast.plan.bounds import moves_at_least
from standfast.plan.drain import drain
from standfast.plan.drift import basis
from standfast.plan.order import order
from standfast.plan.rebalance import spread
from standfast.plan.reboots import pending, why_reboot
from standfast.plan.standing import broken_now
from standfast.plan.triage import Triage, triage
from standfast.predict import spans
from standfast.predict.precopy import predict_move


def make_plan(
    snapshot: Snapshot,
    policy: Policy,
    *,
    now: float,
    only: frozenset[HostId] | None = None,
    exclude: frozenset[HostId] = frozenset(),
) -> Plan:
    """Plan a run over `snapshot`, one host per wave; `now` is Unix time in seconds and only recorded.

    Every move is tried on a board that holds the state at that moment, so each rule holds in every
    intermediate state. Hosts that can't be done are refused with a reason; the plan is complete for the
    others and may not be applied while there are refusals. The same snapshot gives the same plan.
    """
    board = Board.of(snapshot)
    warnings = list(broken_now(board))
    sorted_out = triage(board, policy, only=only, exclude=exclude)
    work = _Work(board.copy(), policy, set(sorted_out.compliant))
    left = order(board, sorted_out.ready)
    refusals = work.all_hosts(left)
    eligible = board.hosts.keys() - sorted_out.refused - {reason.host for reason in refusals}
    last = work.spread(frozenset(eligible))
    done = frozenset(step.host for step in work.steps)
    warnings += _about_moves(board, policy, work)
    moves = sum(len(step.moves) for step in work.steps) + len(last)
    seconds, seconds_p95 = work.seconds(last)
    return Plan(
        schema_version=SCHEMA_VERSION,
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        created_at=now,
        basis=basis(snapshot, touched=done),
        waves=tuple(Wave((replace(step, wave=number),)) for number, step in enumerate(work.steps)),
        rebalance=last,
        left_alone=_left_alone(board, sorted_out, refusals),
        refusals=(*sorted_out.refusals, *refusals),
        warnings=tuple(warnings),
        bounds=Bounds(moves_at_least(board, done), moves, work.board.peak_fraction),
        predicted_seconds=seconds,
        predicted_p95_seconds=seconds_p95,
        policy=policy,
    )


def _left_alone(board: Board, sorted_out: Triage, refusals: Sequence[Reason]) -> tuple[LeftAlone, ...]:
    late = [LeftAlone(reason.host, board.name(reason.host), reason) for reason in refusals if reason.host]
    return tuple(sorted((*sorted_out.left_alone, *late), key=lambda alone: (alone.name, alone.host)))


def _about_moves(board: Board, policy: Policy, work: _Work) -> list[Reason]:
    """What is worth knowing of the VMs that will move: transient ones, those too busy for their budget."""
    found: list[Reason] = []
    seen: set[VmId] = set()
    darkness = Darkness(board, policy)
    for move in (move for step in work.steps for move in step.moves):
        if move.vm in seen:
            continue
        seen.add(move.vm)
        vm = board.vms[move.vm]
        found += blockers.warnings_of(vm)
        if may_be_dark := darkness.warning(vm, move.predicted):
            found.append(may_be_dark)
    return found


@dataclass
class _Work:
    """The plan while it grows: the board as it will be then, and the hosts that are patched by then."""

    board: Board
    policy: Policy
    patched: set[HostId]
    steps: list[HostStep] = field(default_factory=list)
    p95: list[float] = field(default_factory=list)

    def all_hosts(self, waiting: Sequence[HostId]) -> list[Reason]:
        """Each host in turn; one that can't be emptied yet is tried again after the others."""
        left = list(waiting)
        while left:
            refused: list[Reason] = []
            still: list[HostId] = []
            for host in left:
                turns = [other for other in left if other not in self.patched and other != host]
                result = drain(self.board, host, patched=frozenset(self.patched), order=turns)
                if isinstance(result, Reason):
                    refused.append(replace(result, host=host))
                    still.append(host)
                else:
                    self._step(host, result)
            if len(still) == len(left):
                return refused
            left = still
        return []

    def _step(self, host: HostId, moves: Sequence[tuple[VmId, HostId]]) -> None:
        self.patched.add(host)
        about = self.board.hosts[host]
        planned = tuple(self._move(vm, host, target, Purpose.EVACUATE) for vm, target in moves)
        updates = pending(about, self.policy)
        step = HostStep(
            host=host,
            name=about.name,
            moves=planned,
            pending=tuple(f"{u.package} {u.installed or '(new)'} -> {u.candidate}" for u in updates),
            reboot=bool(why_reboot(about, self.policy)),
            drain_seconds=self._drain(planned, p95=False),
            patch_seconds=spans.patch_seconds(len(updates)),
            reboot_seconds=spans.reboot_seconds(bool(why_reboot(about, self.policy))),
            verify_seconds=spans.verify_seconds(self.policy.verify_stable_seconds),
        )
        self.steps.append(step)
        host_p95 = spans.P95_FACTOR * (step.patch_seconds + step.reboot_seconds)
        self.p95.append(self._drain(planned, p95=True) + host_p95 + step.verify_seconds)

    def _move(self, vm: VmId, source: HostId, target: HostId, purpose: Purpose) -> PlannedMove:
        about = self.board.vms[vm]
        predicted: Prediction = predict_move(about, self.board.hosts[source], self.board.hosts[target])
        return PlannedMove(vm, about.name, source, target, purpose, predicted)

    def _drain(self, moves: Sequence[PlannedMove], *, p95: bool) -> float:
        legs = [spans.Leg(move.source, move.target, _seconds(move.predicted, p95=p95)) for move in moves]
        limits = {host.id: host.limits for host in self.board.hosts.values()}
        return spans.drain_seconds(legs, limits, at_once=self.policy.moves_at_once)

    def spread(self, eligible: frozenset[HostId]) -> tuple[PlannedMove, ...]:
        """The final spreading, done on the board as well; nothing where no host was done."""
        if not self.steps:
            return ()
        planned = []
        for vm, source, target in spread(self.board, self.policy, eligible=eligible):
            planned.append(self._move(vm, source, target, Purpose.REBALANCE))
            self.board.move(vm, target)
        return tuple(planned)

    def seconds(self, last: Sequence[PlannedMove]) -> tuple[float, float]:
        """p50 and p95 of the whole; the p95 of a sum is below the sum of p95s that is given."""
        p50 = sum(step.seconds for step in self.steps) + self._drain(last, p95=False)
        return p50, sum(self.p95) + self._drain(last, p95=True)


def _seconds(predicted: Prediction, *, p95: bool) -> float:
    if p95:
        return predicted.brownout_p95_seconds + predicted.blackout_p95_seconds
    return predicted.brownout_seconds + predicted.blackout_seconds
