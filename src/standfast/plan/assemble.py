"""A draft of numbers told in the plan's words: steps, moves in the order of their starts, times at p50 and
p95."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from standfast.model.ids import HostId, VmId
from standfast.model.moves import Purpose
from standfast.model.plan import HostStep, PlannedMove, Wave
from standfast.model.unmovable import PlannedStop
from standfast.plan.draft import Builder, DraftWave
from standfast.plan.grid import Grid
from standfast.plan.lengths import Lengths, move_seconds, move_seconds_p95
from standfast.plan.pack import Hop
from standfast.plan.reboots import pending, why_reboot
from standfast.plan.search import Chosen
from standfast.plan.times import Timed
from standfast.plan.unmovable import with_spans
from standfast.predict import spans

Stops = Mapping[HostId, tuple[PlannedStop, ...]]
"""For each host: VMs that are shut down there while it is out."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """Waves and final spreading, with what they cost. Seconds leave the spreading out where not said."""

    waves: tuple[Wave, ...]
    last: tuple[PlannedMove, ...]
    peak_fraction: float
    seconds: float
    seconds_p95: float
    last_seconds: float
    last_seconds_p95: float
    lengths: Lengths

    @property
    def moves(self) -> list[PlannedMove]:
        """Moves that empty hosts, in order."""
        return [move for wave in self.waves for step in wave.hosts for move in step.moves]


def assemble(grid: Grid, lengths: Lengths, builder: Builder, found: Chosen, stops: Stops) -> Assembled:
    """Of the candidate, whatever state the grid is in."""
    policy = builder.policy
    soaks = builder.soaks(found.draft)
    waves = tuple(
        Wave(
            tuple(_steps(grid, lengths, stops, builder.begun + number, wave, times)),
            policy.canary_soak_seconds if soaks and number == 0 else 0.0,
        )
        for number, (wave, times) in enumerate(zip(found.draft.waves, found.times, strict=True))
    )
    last = _moves(grid, lengths, found.last, found.last_times, Purpose.REBALANCE)
    p95 = sum(max(step.p95_seconds for step in wave.hosts) + wave.soak_seconds for wave in waves)
    return Assembled(
        waves,
        last,
        _peak(grid, builder, found),
        found.seconds,
        p95,
        found.last_times.end,
        found.last_times.end * _p95_over_p50(last),
        lengths,
    )


def _steps(
    grid: Grid, lengths: Lengths, stops: Stops, number: int, wave: DraftWave, times: Timed
) -> list[HostStep]:
    moves = _moves(grid, lengths, wave.hops, times, Purpose.EVACUATE)
    mine: dict[str, list[PlannedMove]] = {grid.host_ids[host]: [] for host in wave.hosts}
    for move in moves:
        mine[move.source].append(move)
    found = []
    for host in wave.hosts:
        about = grid.board.hosts[grid.host_ids[host]]
        known = lengths.known.get(about.id)
        patch, reboot, verify = lengths.own(about.id)
        drain = times.drains[host]
        updates = pending(about, lengths.policy)
        by_itself = spans.P95_FACTOR * (patch + reboot) + verify
        step = HostStep(
            host=about.id,
            name=about.name,
            moves=tuple(mine[about.id]),
            pending=known.pending
            if known is not None
            else tuple(f"{u.package} {u.installed or '(new)'} -> {u.candidate}" for u in updates),
            reboot=known.reboot if known is not None else bool(why_reboot(about, lengths.policy)),
            drain_seconds=drain,
            patch_seconds=patch,
            reboot_seconds=reboot,
            verify_seconds=verify,
            wave=number,
            p95_seconds=drain * _p95_over_p50(mine[about.id]) + by_itself,
            stops=stops.get(about.id, ()),
        )
        found.append(with_spans(step))
    return found


def _moves(
    grid: Grid, lengths: Lengths, hops: Sequence[Hop], times: Timed, purpose: Purpose
) -> tuple[PlannedMove, ...]:
    """In the order of their starts."""
    found = []
    for index in sorted(range(len(hops)), key=lambda index: (times.begins[index], index)):
        vm, source, target = hops[index]
        vm_id: VmId = grid.vm_ids[vm]
        a, b = grid.host_ids[source], grid.host_ids[target]
        predicted = times.told[index] if times.told else lengths.move(vm_id, a, b)
        name = grid.board.vms[vm_id].name
        found.append(PlannedMove(vm_id, name, a, b, purpose, predicted, round(times.begins[index], 6)))
    return tuple(found)


def _p95_over_p50(moves: Sequence[PlannedMove]) -> float:
    """By how much a drain of these moves is longer at p95: as much as they are in sum."""
    p50 = sum(move_seconds(move.predicted) for move in moves)
    return sum(move_seconds_p95(move.predicted) for move in moves) / p50 if p50 > 0 else 1.0


def _peak(grid: Grid, builder: Builder, found: Chosen) -> float:
    """Largest share of a host's memory held at any moment, the first included."""
    at, held, _ = builder.begin
    at, held = at.copy(), held.copy()
    capacity = np.maximum(1, grid.capacity)
    peak = float((held / capacity)[grid.capacity > 0].max(initial=0.0))
    for vm, source, target in (
        hop for hops in (*(w.hops for w in found.draft.waves), found.last) for hop in hops
    ):
        held[target] += grid.memory[vm]
        peak = max(peak, float(held[target] / capacity[target]))
        held[source] -= grid.memory[vm]
    return peak
