"""The last spreading: the fewest moves after which memory use is even enough and no host stands idle."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.plan.blockers import objections, of_vm
from standfast.plan.board import Board
from standfast.plan.headroom import reserve

LEAST_GAIN_POINTS = 0.05
"""A move that lowers the deviation by less is not worth a VM's brown-out."""

MAX_TRIMMED = 32
"""With more moves than this, looking for one too many costs more than it saves."""

EXTREMES = 8
"""How many of the fullest and of the emptiest hosts are looked at before all others."""

Step = tuple[VmId, HostId, HostId]


def deviation_points(cluster: Snapshot | Board, hosts: Sequence[HostId]) -> float:
    """Population standard deviation of memory use over `hosts`, in percent points.

    VMs on their way count where they will be: they need no second decision.
    """
    board = Board.of(cluster)
    if not hosts:
        return 0.0
    loads = [100 * board.settled_fraction(host) for host in hosts]
    mean = math.fsum(loads) / len(loads)
    return math.sqrt(math.fsum((load - mean) ** 2 for load in loads) / len(loads))


def spread(cluster: Snapshot | Board, policy: Policy, *, eligible: frozenset[HostId]) -> tuple[Step, ...]:
    """Moves (VM, source, target) in order; empty where nothing needs to be moved.

    First every empty host of `eligible` gets one VM if another holds more than one; then the best single move
    is made again and again until the deviation is at most `policy.rebalance_threshold_points` or no move
    lowers it. Last, moves that turn out not to be needed are dropped. No move ever raises the deviation,
    breaks a rule or takes the reserve away; without a reserve to begin with, nothing is moved. Unreachable
    and cordoned hosts take no part.
    """
    start = Board.of(cluster)
    hosts = sorted(
        (
            host.id
            for host in start.hosts.values()
            if host.id in eligible and host.reachable and not host.cordoned
        ),
        key=lambda host: (start.name(host), host),
    )
    board = start.copy()
    if reserve(board, frozenset()) is not None:
        return ()
    steps: list[Step] = []
    while (step := _next(board, hosts, policy)) is not None:
        board.move(step[0], step[2])
        steps.append(step)
    return _without_idle(start, hosts, steps, policy) if len(steps) <= MAX_TRIMMED else tuple(steps)


def _next(board: Board, hosts: Sequence[HostId], policy: Policy) -> Step | None:
    """The move to make now: an empty host's share, else the best one while the deviation is too high."""
    for host in hosts:
        if not board.staying(host) and not board.incoming[host]:
            step = _best(board, hosts, [host], keep_one=True)
            if step is not None:
                return step
    if deviation_points(board, hosts) > policy.rebalance_threshold_points:
        return _best(board, hosts, hosts, keep_one=False)
    return None


def _best(board: Board, hosts: Sequence[HostId], targets: Sequence[HostId], *, keep_one: bool) -> Step | None:
    """The allowed move that lowers the deviation most; of equals, the smaller VM's, then by name."""
    ranked = sorted(hosts, key=lambda host: (-board.settled_fraction(host), board.name(host), host))
    near = [host for host in reversed(ranked) if host in set(targets)]
    tries = [(ranked[:EXTREMES], near[:EXTREMES])]
    if len(ranked) > EXTREMES:
        tries.append((ranked, near))
    for sources, ends in tries:
        for step in _by_gain(board, hosts, sources, ends, keep_one=keep_one):
            if _may(board, step):
                return step
    return None


def _by_gain(
    board: Board,
    hosts: Sequence[HostId],
    sources: Sequence[HostId],
    targets: Sequence[HostId],
    *,
    keep_one: bool,
) -> Iterator[Step]:
    """Moves that lower the deviation, the best first. VMs of one size are tried in turn only if need be."""
    least = 0.0 if keep_one else LEAST_GAIN_POINTS
    loads = {host: 100 * board.settled_fraction(host) for host in hosts}
    total = math.fsum(loads.values())
    squares = math.fsum(load * load for load in loads.values())
    count = len(hosts)
    now = _deviation(total, squares, count)
    found: list[tuple[float, int, str, VmId, HostId, HostId]] = []
    for source in sources:
        residents = board.staying(source)
        if keep_one and len(residents) < 2:
            continue
        for target in targets:
            if loads[target] >= loads[source]:
                continue
            after: dict[int, float] = {}
            for vm in residents:
                memory = vm.memory_bytes
                if memory not in after:
                    less = loads[source] - 100 * memory / board.hosts[source].memory_bytes
                    more = loads[target] + 100 * memory / board.hosts[target].memory_bytes
                    after[memory] = _deviation(
                        total - loads[source] - loads[target] + less + more,
                        squares - loads[source] ** 2 - loads[target] ** 2 + less**2 + more**2,
                        count,
                    )
                if now - after[memory] > least + 1e-9:
                    found.append((round(after[memory], 6), memory, vm.name, vm.id, source, target))
    found.sort()
    return ((vm, source, target) for _, _, _, vm, source, target in found)


def _deviation(total: float, squares: float, count: int) -> float:
    return math.sqrt(max(0.0, squares / count - (total / count) ** 2))


def _may(board: Board, step: Step) -> bool:
    """Allowed by every rule, and with the reserve kept while the VM counts on both ends."""
    vm: Vm = board.vms[step[0]]
    if of_vm(vm) or next(objections(board, vm, board.hosts[step[2]]), None) is not None:
        return False
    peak = board.peak_fraction
    board.lift(vm.id, step[2])
    lacking = reserve(board, frozenset())
    board.drop(vm.id)
    board.peak_fraction = peak
    return lacking is None


def _without_idle(
    start: Board, hosts: Sequence[HostId], steps: Sequence[Step], policy: Policy
) -> tuple[Step, ...]:
    """Drop each move without which the rest can still be made and leaves nothing to do."""
    kept = list(steps)
    for step in steps:
        fewer = [other for other in kept if other is not step]
        board = start.copy()
        if all(_made(board, other) for other in fewer) and _next(board, hosts, policy) is None:
            kept = fewer
    return tuple(kept)


def _made(board: Board, step: Step) -> bool:
    """Make the move if it may be made from there."""
    if board.where[step[0]] != step[1] or not _may(board, step):
        return False
    board.move(step[0], step[2])
    return True
