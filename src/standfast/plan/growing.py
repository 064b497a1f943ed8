"""A plan while it grows, wave after wave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from standfast.model.ids import HostId, VmId
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import HostStep, PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.model.unmovable import PlannedStop
from standfast.plan.board import Board
from standfast.plan.rebalance import spread
from standfast.plan.reboots import pending, why_reboot
from standfast.plan.unmovable import with_spans
from standfast.plan.waves import Together, next_wave, width
from standfast.predict import spans
from standfast.predict.precopy import predict_move


@dataclass
class Growing:
    """The plan while it grows: the board as it will be then, and the hosts that are patched by then."""

    board: Board
    policy: Policy
    patched: set[HostId]
    waves: list[Wave] = field(default_factory=list)
    out: frozenset[HostId] = frozenset()
    """Hosts that hold no VM and count as lost all the time."""
    stops: Mapping[HostId, tuple[PlannedStop, ...]] = field(default_factory=dict)
    """VMs that stay on their host and are shut down around its reboot."""
    known: Mapping[HostId, HostStep] = field(default_factory=dict)
    """Turns as planned before: what they say of updates is kept."""

    @property
    def steps(self) -> list[HostStep]:
        return [step for wave in self.waves for step in wave.hosts]

    def all_hosts(self, waiting: Sequence[HostId]) -> list[Reason]:
        """Wave after wave; a host that can't be emptied yet is tried again after the others."""
        left = list(waiting)
        while left:
            most = width(self.policy, len(self.board.hosts), len(self.waves))
            found = next_wave(self.board, left, most=most, patched=frozenset(self.patched), out=self.out)
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
        step = replace(
            self.known.get(host) or self._by_itself(host),
            moves=moves,
            drain_seconds=drain_seconds,
            verify_seconds=spans.verify_seconds(self.policy.verify_stable_seconds),
            wave=len(self.waves),
        )
        by_itself = spans.P95_FACTOR * (step.patch_seconds + step.reboot_seconds)
        return with_spans(replace(step, p95_seconds=drain_p95_seconds + by_itself + step.verify_seconds))

    def _by_itself(self, host: HostId) -> HostStep:
        """What the host does by itself in its turn."""
        about = self.board.hosts[host]
        updates, reboot = pending(about, self.policy), bool(why_reboot(about, self.policy))
        return HostStep(
            host=host,
            name=about.name,
            moves=(),
            pending=tuple(f"{u.package} {u.installed or '(new)'} -> {u.candidate}" for u in updates),
            reboot=reboot,
            drain_seconds=0.0,
            patch_seconds=spans.patch_seconds(len(updates)),
            reboot_seconds=spans.reboot_seconds(reboot),
            verify_seconds=spans.verify_seconds(self.policy.verify_stable_seconds),
            stops=self.stops.get(host, ()),
        )

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
