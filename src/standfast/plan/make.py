"""The plan: which host when, which VM where, what is refused and why, how long and how few moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import SCHEMA_VERSION, Bounds, HostStep, LeftAlone, Plan, PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.model.unmovable import PlannedStop, Said
from standfast.plan import blockers
from standfast.plan.blackout import Darkness
from standfast.plan.board import Board
from standfast.plan.bounds import moves_at_least
from standfast.plan.drift import basis
from standfast.plan.order import in_order
from standfast.plan.rebalance import spread
from standfast.plan.reboots import pending, why_reboot
from standfast.plan.standing import broken_now
from standfast.plan.triage import Triage, triage
from standfast.plan.unmovable import Unmovable, with_spans
from standfast.plan.waves import Together, next_wave, width
from standfast.predict import spans
from standfast.predict.precopy import predict_move


def make_plan(
    snapshot: Snapshot,
    policy: Policy,
    *,
    now: float,
    only: frozenset[HostId] | None = None,
    exclude: frozenset[HostId] = frozenset(),
    first: Sequence[HostId] = (),
    said: Mapping[VmId, Said] = MappingProxyType({}),
) -> Plan:
    """Plan a run over `snapshot` in waves; `now` is Unix time in seconds and only recorded.

    `first` are hosts whose turn comes before that of all others, in this order. Every move is tried on a
    board that holds the state at that moment, with all hosts of its wave counted out, so each rule holds in
    every intermediate state. Hosts that can't be done are refused with a reason; the plan is complete for the
    others and may not be applied while there are refusals. The same snapshot gives the same plan.
    `said` is what was said beforehand about VMs that can't be moved.
    """
    board = Board.of(snapshot)
    warnings = list(broken_now(board))
    unmovable = Unmovable(board, said)
    sorted_out = triage(unmovable, policy, only=only, exclude=exclude)
    stops = {host: unmovable.stops(host) for host in sorted_out.ready}
    board.stays = frozenset(stop.vm for found in stops.values() for stop in found)
    work = _Work(board.copy(), policy, set(sorted_out.compliant), stops)
    refusals = work.all_hosts(in_order(board, sorted_out.ready, first))
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
        waves=tuple(work.waves),
        rebalance=last,
        left_alone=_left_alone(board, sorted_out, refusals),
        refusals=(*sorted_out.refusals, *refusals),
        warnings=tuple(warnings),
        bounds=Bounds(moves_at_least(board, done), moves, work.board.peak_fraction),
        predicted_seconds=seconds,
        predicted_p95_seconds=seconds_p95,
        policy=policy,
        learnt=snapshot.learnt,
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
    stops: Mapping[HostId, tuple[PlannedStop, ...]]
    waves: list[Wave] = field(default_factory=list)

    @property
    def steps(self) -> list[HostStep]:
        return [step for wave in self.waves for step in wave.hosts]

    def all_hosts(self, waiting: Sequence[HostId]) -> list[Reason]:
        """Wave after wave; a host that can't be emptied yet is tried again after the others."""
        left = list(waiting)
        while left:
            most = width(self.policy, len(self.board.hosts), len(self.waves))
            found = next_wave(self.board, left, most=most, patched=frozenset(self.patched))
            if not isinstance(found, Together):
                return [replace(reason, host=host) for host, reason in found]
            left = [host for host in left if host not in found.hosts]
            self._wave(found, more=bool(left))
        return []

    def _wave(self, found: Together, *, more: bool) -> None:
        """Record the wave; the first one has to stay well for a while before others follow."""
        moves = [self._move(vm, source, target, Purpose.EVACUATE) for vm, source, target in found.moves]
        canary = not self.waves and self.policy.canary_hosts > 0 and more
        ends, ends_p95 = self._drain_ends(moves, p95=False), self._drain_ends(moves, p95=True)
        steps = [
            self._step(
                host,
                tuple(move for move in moves if move.source == host),
                ends.get(host, 0.0),
                ends_p95.get(host, 0.0),
            )
            for host in found.hosts
        ]
        self.patched.update(found.hosts)
        self.waves.append(Wave(tuple(steps), self.policy.canary_soak_seconds if canary else 0.0))

    def _step(
        self, host: HostId, moves: tuple[PlannedMove, ...], drain_seconds: float, drain_p95_seconds: float
    ) -> HostStep:
        about = self.board.hosts[host]
        updates = pending(about, self.policy)
        step = HostStep(
            host=host,
            name=about.name,
            moves=moves,
            pending=tuple(f"{u.package} {u.installed or '(new)'} -> {u.candidate}" for u in updates),
            reboot=bool(why_reboot(about, self.policy)),
            drain_seconds=drain_seconds,
            patch_seconds=spans.patch_seconds(len(updates)),
            reboot_seconds=spans.reboot_seconds(bool(why_reboot(about, self.policy))),
            verify_seconds=spans.verify_seconds(self.policy.verify_stable_seconds),
            wave=len(self.waves),
            stops=self.stops.get(host, ()),
        )
        by_itself = spans.P95_FACTOR * (step.patch_seconds + step.reboot_seconds)
        return with_spans(replace(step, p95_seconds=drain_p95_seconds + by_itself + step.verify_seconds))

    def _move(self, vm: VmId, source: HostId, target: HostId, purpose: Purpose) -> PlannedMove:
        about = self.board.vms[vm]
        hosts = self.board.hosts
        predicted: Prediction = predict_move(
            about,
            hosts[source],
            hosts[target],
            auto_converge=self.policy.auto_converge,
            learnt=self.board.learnt,
        )
        return PlannedMove(vm, about.name, source, target, purpose, predicted)

    def _drain_ends(self, moves: Sequence[PlannedMove], *, p95: bool) -> dict[HostId, float]:
        legs = [spans.Leg(move.source, move.target, _seconds(move.predicted, p95=p95)) for move in moves]
        limits = {host.id: host.limits for host in self.board.hosts.values()}
        return spans.drain_ends(legs, limits, at_once=self.policy.moves_at_once)

    def _drain(self, moves: Sequence[PlannedMove], *, p95: bool) -> float:
        return max(self._drain_ends(moves, p95=p95).values(), default=0.0)

    def spread(self, eligible: frozenset[HostId]) -> tuple[PlannedMove, ...]:
        """The final spreading, done on the board as well; nothing where no host was done."""
        if not self.waves:
            return ()
        planned = []
        for vm, source, target in spread(self.board, self.policy, eligible=eligible):
            planned.append(self._move(vm, source, target, Purpose.REBALANCE))
            self.board.move(vm, target)
        return tuple(planned)

    def seconds(self, last: Sequence[PlannedMove]) -> tuple[float, float]:
        """p50 and p95 of the whole; the p95 of a sum is below the sum of p95s that is given."""
        soak = sum(wave.soak_seconds for wave in self.waves)
        p50 = sum(wave.seconds for wave in self.waves) + soak + self._drain(last, p95=False)
        p95 = sum(max(step.p95_seconds for step in wave.hosts) for wave in self.waves)
        return p50, p95 + soak + self._drain(last, p95=True)


def _seconds(predicted: Prediction, *, p95: bool) -> float:
    if p95:
        return predicted.brownout_p95_seconds + predicted.blackout_p95_seconds
    return predicted.brownout_seconds + predicted.blackout_seconds
