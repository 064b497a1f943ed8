"""The last spreading of a run and the balancing of a cluster at rest: what `Leveller` does, with its
conditions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.plan.board import Board
from standfast.plan.grid import Grid
from standfast.plan.level import Leveller
from standfast.plan.pack import Hop
from standfast.plan.spare import Spare


@dataclass(frozen=True, slots=True)
class Spreading:
    """Moves (VM, source, target) in order, and how uneven memory use is before and after them.

    The points are the population standard deviation over the hosts that take part, in percent points.
    """

    moves: tuple[tuple[VmId, HostId, HostId], ...]
    overlap: bool
    """Whether all of them may be in flight at once; else one goes after another."""
    points_before: float = 0.0
    points_after: float = 0.0


def spreading(
    cluster: Snapshot | Board,
    policy: Policy,
    *,
    eligible: Collection[HostId],
    still: Collection[VmId] = (),
    most_moves: int | None = None,
) -> Spreading:
    """The fewest moves found that even out memory use over `eligible`; none where nothing needs to be moved.

    First every empty host gets one VM if another holds more than one; then moves go on until the deviation is
    at most `policy.rebalance_threshold_points` or nothing lowers it. Each move lowers it, breaks no rule and
    keeps the reserve; without a reserve to begin with nothing is moved. Unreachable and cordoned hosts take
    no part, VMs of `still` stay where they are, and those on their way count where they will be.
    """
    grid = Grid(Board.of(cluster))
    part = [grid.host_number[host] for host in eligible if host in grid.host_number]
    spare = Spare(grid)
    leveller = _leveller(grid, spare, part)
    for vm in still:
        if vm in grid.vm_number:
            leveller.still[grid.vm_number[vm]] = True
    before = leveller.points()
    hops: tuple[Hop, ...] = ()
    if spare.lacking(grid.out) is None:
        hops = leveller.run(policy.rebalance_threshold_points, most_moves=most_moves)
    moves = tuple((grid.vm_ids[vm], grid.host_ids[a], grid.host_ids[b]) for vm, a, b in hops)
    return Spreading(moves, may_overlap(grid, spare, hops), before, leveller.points())


def spread_hops(grid: Grid, spare: Spare, policy: Policy, hosts: Sequence[int]) -> tuple[Hop, ...]:
    """Moves over `hosts` in order, done on the grid; none where the reserve does not hold to begin with."""
    if spare.lacking(grid.out) is not None:
        return ()
    return _leveller(grid, spare, hosts).run(policy.rebalance_threshold_points)


def _leveller(grid: Grid, spare: Spare, hosts: Sequence[int]) -> Leveller:
    return Leveller(grid, spare, [host for host in hosts if grid.takes[host]], grid.still)


def may_overlap(grid: Grid, spare: Spare, hops: Sequence[Hop]) -> bool:
    """Whether ceilings and reserve hold with all of `hops` in flight at once, each VM counted on both ends.

    The grid is in the state after them. If so, they may overlap in any way; if not, one goes after another.
    """
    if len(hops) < 2:
        return True
    before = grid.held.copy()
    for vm, source, _ in hops:
        grid.held[source] += grid.memory[vm]
    targets = sorted({target for _, _, target in hops})
    kept = bool((grid.held[targets] <= grid.ceiling[targets]).all())
    spare.ghosts = {vm: source for vm, source, _ in hops if vm in grid.mates}
    kept = kept and not _meet(grid, hops) and spare.lacking(grid.out) is None
    spare.ghosts = {}
    grid.held = before
    return kept


def _meet(grid: Grid, hops: Sequence[Hop]) -> bool:
    """Whether a VM's target was left by one of its mates or namesakes, so that the order matters."""
    left = {vm: source for vm, source, _ in hops}
    for vm, _, target in hops:
        barred = (*grid.mates.get(vm, ()), *(other for other, _ in grid.namesakes.get(vm, ())))
        if any(left.get(other) == target for other in barred):
            return True
    return False
