"""The last spreading of a run and the balancing of a cluster at rest: what `Leveller` does, with its
conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from standfast.model.policy import Policy
from standfast.plan.grid import Grid
from standfast.plan.level import Leveller
from standfast.plan.pack import Hop
from standfast.plan.spare import Spare


def spread_hops(grid: Grid, spare: Spare, policy: Policy, hosts: Sequence[int]) -> tuple[Hop, ...]:
    """Moves over `hosts` in order, done on the grid; none where the reserve does not hold to begin with."""
    part = [host for host in hosts if grid.takes[host]]
    if not part or spare.lacking(np.zeros(len(grid.host_ids), dtype=np.bool_)) is not None:
        return ()
    return Leveller(grid, spare, part, grid.still).run(policy.rebalance_threshold_points)


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
    kept = (
        kept and not _meet(grid, hops) and spare.lacking(np.zeros(len(grid.host_ids), dtype=np.bool_)) is None
    )
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
