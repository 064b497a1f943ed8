"""Dynamic optimization of a cluster at rest: which moves would make its hosts evenly used, and are worth it.

The score is the population standard deviation of memory use over the hosts that take VMs, in percent points.
A move is worth its cost where it makes two hosts more alike that differ by more than the goal, weighed with
what it sends: a VM that is written to so fast that its memory is sent twice has to even out twice as much.
Rules that are broken as things stand are mended first, whatever the score says (`mend.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from standfast.model.cluster import Snapshot, Vm
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import (
    SCHEMA_VERSION,
    Balance,
    Bounds,
    LeftAlone,
    Load,
    Plan,
    PlanKind,
    PlannedMove,
)
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.units import count
from standfast.plan.blackout import budget_seconds
from standfast.plan.board import Board
from standfast.plan.drift import basis
from standfast.plan.grid import Grid
from standfast.plan.lengths import Lengths, move_seconds, move_seconds_p95
from standfast.plan.level import Leveller, Points, above, bytes_of, fluid_bytes
from standfast.plan.mend import mend
from standfast.plan.pack import Hop
from standfast.plan.sane import refuse_contradictions
from standfast.plan.spare import Spare
from standfast.plan.spread import may_overlap
from standfast.plan.standing import broken_rules
from standfast.plan.times import shared, timed

STEPS = {1: 4.0, 2: 2.0, 3: 1.0, 4: 0.5, 5: 0.25}
"""Aggressiveness to the goal, as a multiple of the policy's threshold."""

SETTING_UP = 2**28
"""Bytes that a fast link sends while a migration is set up: so much a move costs whatever is moved."""
WAYS = (1.0, 0.5, 2.0, 4.0)
"""How shy of moves that overshoot each try is; which is best depends on the sizes of VMs."""


def goal_points(policy: Policy, aggressiveness: int | None = None) -> float:
    """The deviation aimed at. KeyError for an aggressiveness that is not between 1 and 5."""
    chosen = policy.balance_aggressiveness if aggressiveness is None else aggressiveness
    return policy.rebalance_threshold_points * STEPS[chosen]


def balance_plan(
    snapshot: Snapshot,
    policy: Policy,
    *,
    now: float,
    goal: float | None = None,
    most_moves: int | None = None,
) -> Plan:
    """A plan of moves alone, few bytes in all, that ends at `goal` points (None: of the policy) or lower.

    `most_moves` is the budget (None: of the policy). Every move lowers the score or mends a rule that is
    broken, breaks none and keeps the reserve; a plan without moves is one with nothing to do. Without a
    reserve to begin with it is refused. RefusedError where the snapshot contradicts itself.
    """
    refuse_contradictions(snapshot)
    budget = policy.balance_moves_max or None if most_moves is None else most_moves
    board = Board.of(snapshot)
    work = _Work(board, policy, goal_points(policy) if goal is None else goal)
    lacking = work.spare.lacking(work.grid.out)
    refusals = () if lacking is None else (_without_reserve(work, lacking[1]),)
    hops = work.hops(budget) if lacking is None else ()
    stages = work.stages(hops)
    moves = tuple(work.moves(stages))
    p95 = sum(stage.seconds_p95 for stage in stages)
    warnings = list(broken_rules(work.board_after(hops)))
    warnings += work.left_as_they_are() if lacking is None else ()
    balance = work.balance(hops, moves, budget)
    return Plan(
        schema_version=SCHEMA_VERSION,
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        created_at=now,
        basis=basis(snapshot, touched=frozenset()),
        waves=(),
        rebalance=moves,
        left_alone=tuple(
            LeftAlone(host.id, host.name, Reason(Code.OPERATOR, f"{host.name} is not patched in this run."))
            for host in sorted(snapshot.hosts, key=lambda host: (host.name, host.id))
        ),
        refusals=refusals,
        warnings=tuple(warnings),
        bounds=Bounds(0, len(moves), max([work.peak(()), *(stage.peak_fraction for stage in stages)])),
        predicted_seconds=sum(stage.seconds for stage in stages),
        predicted_p95_seconds=p95,
        policy=policy,
        kind=PlanKind.BALANCE,
        learnt=snapshot.learnt,
        balance=balance,
    )


@dataclass(frozen=True, slots=True)
class Stage:
    """Moves that may be in flight together in any order; the next stage begins when all have ended."""

    hops: tuple[Hop, ...]
    begins: tuple[float, ...]
    told: tuple[Prediction, ...]
    seconds: float
    seconds_p95: float
    peak_fraction: float


class _Work:
    """One cluster on its way to its goal."""

    def __init__(self, board: Board, policy: Policy, goal: float) -> None:
        self.board, self.policy, self.goal = board, policy, goal
        self.grid = Grid(board)
        self.spare = Spare(self.grid)
        self.lengths = Lengths(board, policy)
        takes = self.grid.takes & (self.grid.capacity > 0)
        self.level = Leveller(self.grid, self.spare, np.flatnonzero(takes).tolist(), self.grid.still)
        self.risky: list[Vm] = []
        self.mended: tuple[Hop, ...] = ()
        self.level.dear = self._dear()
        self.level.worth_points = goal
        self.before = self.level.loads().copy()
        self.points_before = self.level.points()

    def _dear(self) -> Points:
        """What each VM's move sends, as a multiple of its memory. VMs that may be dark too long stay."""
        grid, level = self.grid, self.level
        dear = np.ones(len(grid.vm_ids))
        two = level.hosts[:2].tolist()
        for vm in np.flatnonzero(~level.still).tolist():
            source = int(grid.at[vm])
            target = next((host for host in two if host != source), None)
            if target is None:
                continue
            about = self.board.vms[grid.vm_ids[vm]]
            predicted = self.lengths.move(about.id, grid.host_ids[source], grid.host_ids[target])
            if _too_dark(about, predicted, self.policy):
                level.still[vm] = True
                self.risky.append(about)
            dear[vm] = max(1.0, predicted.wire_bytes / max(1, about.memory_bytes))
        return dear

    def hops(self, budget: int | None) -> tuple[Hop, ...]:
        """All moves in order, done on the grid: those that mend, then of several ways to the goal the one
        that sends least."""
        level = self.level
        self.mended = mend(level, most_moves=budget)
        best: tuple[tuple[float, int], tuple[Hop, ...]] | None = None
        begin, still = self.grid.state(), level.still
        for shyness in WAYS:
            level.still, level.hops, level.shyness = still.copy(), list(self.mended), shyness
            level.forget_levels()
            hops = level.run(self.goal, most_moves=budget, fill=False)
            sent = int(sum(level.dear[vm] * self.grid.memory[vm] + SETTING_UP for vm, _, _ in hops))
            reached = level.points()
            rank = (round(reached, 6) if above(reached, self.goal) else 0.0, sent)
            if best is None or rank < best[0]:
                best = (rank, hops)
            self.grid.restore(begin)
            if len(hops) == len(self.mended):
                break
        assert best is not None, "there is a way to try"
        for vm, _, target in best[1][len(self.mended) :]:
            self.grid.move(vm, target)
        return best[1]

    def board_after(self, hops: Sequence[Hop]) -> Board:
        """The cluster as it is when these have been made."""
        board = self.board.copy() if hops else self.board
        for vm, _, target in hops:
            board.move(self.grid.vm_ids[vm], self.grid.host_ids[target])
        return board

    def stages(self, hops: Sequence[Hop]) -> list[Stage]:
        """The moves told as few stages; the grid is in the state after all of them, before and afterwards."""
        for vm, source, _ in reversed(hops):
            self.grid.move(vm, source)
        found: list[Stage] = []
        rest = list(hops)
        while rest:
            size = len(rest)
            while not self._together(rest[:size]):
                size //= 2
            found.append(self._stage(rest[:size]))
            rest = rest[size:]
        return found

    def _together(self, hops: Sequence[Hop]) -> bool:
        """Do them, if they may overlap; else leave the grid as it was. One alone always may."""
        for vm, _, target in hops:
            self.grid.move(vm, target)
        if len(hops) < 2 or may_overlap(self.grid, self.spare, hops):
            return True
        for vm, source, _ in reversed(hops):
            self.grid.move(vm, source)
        return False

    def _stage(self, hops: Sequence[Hop]) -> Stage:
        at_once = self.policy.moves_at_once
        times = timed(self.grid, self.lengths, hops, (), at_once=at_once)
        times = shared(self.grid, self.lengths, hops, (), times, at_once=at_once)
        told = times.told
        p50 = sum(move_seconds(each) for each in told)
        longer = sum(move_seconds_p95(each) for each in told) / p50 if p50 > 0 else 1.0
        return Stage(tuple(hops), times.begins, told, times.end, times.end * longer, self.peak(hops))

    def peak(self, hops: Sequence[Hop]) -> float:
        """Largest share of a host's memory held with all of `hops`, done on the grid, in flight at once."""
        held = self.grid.held.copy()
        for vm, source, _ in hops:
            held[source] += self.grid.memory[vm]
        sized = self.grid.capacity > 0
        return float((held[sized] / self.grid.capacity[sized]).max(initial=0.0))

    def predicted(self, hop: Hop) -> Prediction:
        vm, source, target = hop
        grid = self.grid
        return self.lengths.move(grid.vm_ids[vm], grid.host_ids[source], grid.host_ids[target])

    def moves(self, stages: Sequence[Stage]) -> Iterator[PlannedMove]:
        """In the order of their starts, counted from the begin of the run."""
        begin = 0.0
        for stage in stages:
            for index in sorted(range(len(stage.hops)), key=lambda index: (stage.begins[index], index)):
                vm, source, target = stage.hops[index]
                about = self.board.vms[self.grid.vm_ids[vm]]
                a, b = self.grid.host_ids[source], self.grid.host_ids[target]
                start = round(begin + stage.begins[index], 6)
                predicted = stage.told[index]
                yield PlannedMove(about.id, about.name, a, b, Purpose.REBALANCE, predicted, start)
            begin += stage.seconds

    def balance(self, hops: Sequence[Hop], moves: Sequence[PlannedMove], budget: int | None) -> Balance:
        grid, level = self.grid, self.level
        after, points = level.loads(), level.points()
        sizes = {int(grid.capacity[host]) for host in level.hosts.tolist()}
        least = 0
        if len(sizes) == 1 and hops:
            before = self.before[level.hosts].tolist()
            least = int(fluid_bytes(before, points, float(min(sizes))))
        return Balance(
            points_before=round(self.points_before, 3),
            points_after=round(points, 3),
            goal_points=self.goal,
            loads=tuple(
                Load(
                    grid.host_ids[host],
                    grid.board.name(grid.host_ids[host]),
                    round(float(self.before[host]) / 100, 6),
                    round(float(after[host]) / 100, 6),
                )
                for host in level.hosts.tolist()
            ),
            wire_bytes=sum(move.predicted.wire_bytes for move in moves),
            memory_bytes=bytes_of(grid, hops),
            memory_bytes_at_least=min(least, bytes_of(grid, hops)),
            why_no_more=self._why_no_more(points, len(hops), budget),
            mending_moves=len(self.mended),
        )

    def _why_no_more(self, points: float, moves: int, budget: int | None) -> str:
        if not above(points, self.goal):
            return ""
        if budget is not None and moves >= budget:
            return f"The budget of {count(budget, 'move')} is spent."
        if len(self.level.hosts) < 2:
            return "There are no two hosts that take VMs."
        return "No further move is allowed by the rules and worth what it sends."

    def left_as_they_are(self) -> list[Reason]:
        """VMs that are not moved for the sake of evenness, because they may be dark for too long."""
        return [
            Reason(
                Code.VM_BLACKOUT,
                f"{vm.name} is left where it is: moved, it may be dark for longer than its black-out budget.",
                "Balance when it is quieter.",
                host=vm.host,
                vm=vm.id,
            )
            for vm in (self.risky if self.points_before > self.goal else ())
        ]


def _too_dark(vm: Vm, predicted: Prediction, policy: Policy) -> bool:
    return not predicted.converges or predicted.blackout_p95_seconds > budget_seconds(vm, policy)


def _without_reserve(work: _Work, vm: int) -> Reason:
    name = work.board.vms[work.grid.vm_ids[vm]].name
    losses = count(work.board.rules.reserve_hosts, "host")
    return Reason(
        Code.NO_RESERVE,
        f"As things stand, losing {losses} would leave no room for {name}, so nothing is moved about.",
        "Add memory or a host, shut VMs down, or lower reserve_hosts.",
        vm=work.grid.vm_ids[vm],
    )
