"""Evening out memory use with few moves and few bytes, on arrays.

The deviation falls fastest per byte where the fullest host gives to the emptiest, and fastest per move where
the VM is large. A move that carries a host past the mean pays bytes that another move has to bring back, so
such moves come last. Swaps of two VMs help where single moves no longer do.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from standfast.plan.grid import Flags, Grid, Ints
from standfast.plan.pack import Hop
from standfast.plan.spare import Spare

LEAST_GAIN_POINTS = 0.05
"""A move that lowers the deviation of a cluster of ten by less is not worth a VM's brown-out."""

Points = NDArray[np.float64]

SAME = 1 + 1e-9
"""Deviations that differ by less are one: somebody else's sum of the same loads may end in other digits."""

NEAR = 12
"""How many of the fullest and of the emptiest hosts are looked at before all others."""


class Leveller:
    """Moves made one by one on the grid, each allowed by every rule and with the reserve kept on the way."""

    def __init__(self, grid: Grid, spare: Spare, hosts: Sequence[int], still: Flags) -> None:
        self.grid, self.spare = grid, spare
        self.dear: Points = np.ones(len(grid.vm_ids))
        """Bytes that each VM's move sends over the network, as a multiple of its memory."""
        self.shyness = 1.0
        """How little is thought of moves that carry a host past its level: 0 no less, 1 in proportion."""
        self.worth_points = 0.0
        """Two hosts whose use differs by less, halfway through a move of a VM that is sent once, are left as
        they are; of one that is sent twice, by less than twice that."""
        self.hosts: Ints = np.array(sorted(hosts), dtype=np.int64)
        self.still = still.copy()
        """VMs that may not be moved; whatever was moved once stays."""
        self.inside = np.zeros(len(grid.host_ids), dtype=np.bool_)
        self.inside[self.hosts] = True
        self.closed: Flags = ~(self.inside & grid.takes)
        self.hops: list[Hop] = []
        self._cut_levels = (0.0, 0.0)
        self._levels_until = 0
        self._too_large: dict[int, int] = {}
        """Memory that a host can't take without breaking the reserve, as found while one move is looked for:
        nothing larger is tried there. Where a cluster is nearly full that is most of what could be tried."""

    def points(self) -> float:
        """Population standard deviation of memory use over the hosts, in percent points."""
        return float(self.loads()[self.hosts].std()) if len(self.hosts) else 0.0

    def loads(self) -> Points:
        """Each host's memory use in percent, with all moves under way arrived."""
        return 100.0 * (self.grid.held - self.grid.parting) / np.maximum(1, self.grid.capacity)

    def run(
        self, threshold_points: float, *, most_moves: int | None = None, fill: bool = True
    ) -> tuple[Hop, ...]:
        """Until the deviation is at most that, no host stands empty that could have a VM (with `fill`), or
        nothing helps."""
        while most_moves is None or len(self.hops) < most_moves:
            if not (
                (fill and self._fill_empty())
                or (above(self.points(), threshold_points) and self._step(threshold_points))
            ):
                break
        return tuple(self.hops)

    def to_emptiest(self, vm: int) -> bool:
        """The VM to the host that is least full with it, of those that may take it; False where none may."""
        self._too_large.clear()
        grid = self.grid
        room = np.flatnonzero(grid.welcome(vm, self.closed))
        share = (grid.held[room] + grid.memory[vm]) / np.maximum(1, grid.capacity[room])
        targets = room[np.argsort(share, kind="stable")].tolist()
        return any(self._may(vm, target) and self._make(vm, target) for target in targets)

    def to_host(self, vm: int, target: int) -> bool:
        """The VM to that host, if it may; False if not."""
        self._too_large.clear()
        return self._may(vm, target) and self._make(vm, target)

    def take_back(self) -> None:
        """As if the last move had not been made."""
        vm, source, _ = self.hops.pop()
        self.grid.move(vm, source)
        self.still[vm] = False

    def without_room(self, vm: int) -> Ints:
        """Hosts that may take the VM by all rules, but have no room for it below their ceiling."""
        grid = self.grid
        held, grid.held = grid.held, np.zeros_like(grid.held)
        allowed = grid.welcome(vm, self.closed)
        grid.held = held
        found: Ints = np.flatnonzero(allowed & (held + grid.memory[vm] > grid.ceiling))
        return found

    def _fill_empty(self) -> bool:
        """One VM for a host that has none, from the fullest host that keeps another, if that evens things
        out."""
        self._too_large.clear()
        for host in self._idle():
            for near in (NEAR, len(self.hosts)):
                for vm, target in self._ranked(near, 0.0, least=0.0, only=host):
                    if self._staying(int(self.grid.at[vm])) > 1 and self._may(vm, target):
                        return self._make(vm, target)
        return False

    def _idle(self) -> list[int]:
        """Hosts that take VMs, have none that stays there, and none is on its way there."""
        grid = self.grid
        if not grid.bound_for:
            none = self.hosts[(grid.held[self.hosts] == 0) & grid.takes[self.hosts]]
            return [host for host in none.tolist() if not grid.residents[host]]
        stay = np.bincount(grid.at, minlength=len(grid.host_ids))
        for vm, target in grid.bound_for.items():
            stay[grid.at[vm]] -= 1
            stay[target] += 1
        found: list[int] = self.hosts[(stay[self.hosts] == 0) & grid.takes[self.hosts]].tolist()
        return found

    def _staying(self, host: int) -> int:
        if not self.grid.bound_for:
            return len(self.grid.residents[host])
        return sum(vm not in self.grid.bound_for for vm in self.grid.residents[host])

    def _step(self, threshold: float) -> bool:
        """The best move that is allowed."""
        self._too_large.clear()
        for near in (NEAR, 8 * NEAR):
            for vm, target in self._ranked(near, threshold):
                if self._may(vm, target):
                    return self._make(vm, target)
            if near >= len(self.hosts):
                break
        return False

    def _ranked(
        self, near: int, threshold: float, *, least: float = LEAST_GAIN_POINTS, only: int | None = None
    ) -> Iterator[tuple[int, int]]:
        """(VM, target), the best first: those that carry no host past its level before the others."""
        grid = self.grid
        loads = self.loads()
        order = self.hosts[np.argsort(loads[self.hosts], kind="stable")]
        targets = order[:near] if only is None else np.array([only], dtype=np.int64)
        sources = order[::-1][:near]
        vms = sorted(vm for host in sources.tolist() for vm in grid.residents[host])
        vm_array = np.array(vms, dtype=np.int64)
        vm_array = vm_array[~self.still[vm_array]]
        if not len(vm_array):
            return iter(())
        origin = grid.at[vm_array]
        memory = grid.memory[vm_array]
        less = 100.0 * memory / np.maximum(1, grid.capacity[origin])
        more = 100.0 * memory[:, None] / np.maximum(1, grid.capacity[targets])[None, :]
        before_s, before_t = loads[origin][:, None], loads[targets][None, :]
        after_s, after_t = before_s - less[:, None], before_t + more
        mean = float(loads[self.hosts].mean())
        count = len(self.hosts)
        # Change of the sum of squares around the present mean; the mean itself moves where hosts differ in
        # size.
        shift = (more - less[:, None]) / count
        gain = (before_s - mean) ** 2 + (before_t - mean) ** 2 - (after_s - mean) ** 2 - (after_t - mean) ** 2
        gain += count * shift**2
        dear = self.dear[vm_array][:, None]
        useful = (gain > 2 * least + 1e-9) & (before_s > before_t)
        if self.worth_points > 0:
            useful &= gain >= self.worth_points * dear * (less[:, None] + more)
        now = float(((loads[self.hosts] - mean) ** 2).sum())
        enough = now - gain <= count * threshold**2 * SAME
        high, low = self._levels(loads[self.hosts], threshold)
        over = np.maximum(0.0, high - after_s) + np.maximum(0.0, after_t - low)
        score = gain / dear * np.maximum(0.02, 1.0 - over / (less[:, None] + more)) ** self.shyness
        # Of moves that all reach the goal, the smallest.
        score = np.where(enough, 1e9 - dear * memory[:, None] / 2**20, score)
        score = np.where(useful, score, -1.0).ravel()
        wide = len(targets)
        return ((int(vm_array[index // wide]), int(targets[index % wide])) for index in _falling(score))

    def forget_levels(self) -> None:
        """For a new begin on the same grid."""
        self._levels_until = 0

    def _levels(self, loads: Points, threshold: float) -> tuple[float, float]:
        """(top, bottom) to which the hosts have to be cut and filled; found anew now and then."""
        if len(self.hops) >= self._levels_until:
            low, high = 0.0, float(np.abs(loads - loads.mean()).sum())
            cuts = _Cuts(np.sort(loads))
            for _ in range(16):
                amount = (low + high) / 2
                low, high = (amount, high) if cuts.deviation(amount) > threshold else (low, amount)
            cut = cuts.cut(high)
            self._cut_levels = float(cut.max()), float(cut.min())
            self._levels_until = len(self.hops) + 1 + len(loads) // 10
        return self._cut_levels

    def _may(self, vm: int, target: int) -> bool:
        """Allowed by every rule, and with the reserve kept while the VM counts on both ends."""
        grid = self.grid
        memory = int(grid.memory[vm])
        if memory >= self._too_large.get(target, memory + 1) or not grid.welcome(vm, self.closed)[target]:
            return False
        grid.held[target] += memory
        self.spare.ghosts = {vm: target} if vm in grid.mates else {}
        lacking = self.spare.lacking(grid.out)
        self.spare.ghosts = {}
        grid.held[target] -= memory
        if lacking is not None and vm not in grid.mates:
            self._too_large[target] = memory
        return lacking is None

    def _make(self, vm: int, target: int) -> bool:
        self.hops.append((vm, int(self.grid.at[vm]), target))
        self.grid.move(vm, target)
        self.still[vm] = True
        return True


def above(points: float, threshold_points: float) -> bool:
    """Whether the deviation is above the threshold, and not just told from sums made in another order."""
    return points > threshold_points * SAME


def _falling(score: Points) -> Iterator[int]:
    """Where it is above zero, the largest first and the first of equals. Mostly the first one is all that is
    asked for."""
    if not len(score) or score[best := int(score.argmax())] <= 0:
        return
    yield best
    worth = np.flatnonzero(score > 0)
    yield from worth[np.argsort(-score[worth], kind="stable")].tolist()[1:]


def bytes_of(grid: Grid, hops: Sequence[Hop]) -> int:
    """Memory of all VMs moved."""
    return int(sum(int(grid.memory[vm]) for vm, _, _ in hops))


def fluid_bytes(loads_points: Sequence[float], threshold_points: float, host_bytes: float) -> float:
    """Least bytes after which equal hosts with these loads can have that deviation, VMs taken as divisible.

    What is above a level is cut off and what is below another filled up; of all distributions with a given
    deviation this one is nearest in bytes.
    """
    loads = np.sort(np.asarray(loads_points, dtype=np.float64))
    mean = float(loads.mean())
    low, high = 0.0, float(np.abs(loads - mean).max(initial=0.0)) * len(loads)
    cuts = _Cuts(loads)
    for _ in range(60):
        amount = (low + high) / 2
        if cuts.cut(amount).std() > threshold_points:
            low = amount
        else:
            high = amount
    return high / 100 * host_bytes


class _Cuts:
    """What becomes of loads, in rising order, of which so many points are taken off the top and put on the
    bottom."""

    def __init__(self, ordered: Points) -> None:
        self._ordered = ordered
        self._low, self._high = _Fill(ordered), _Fill(-ordered[::-1])
        self._mean = float(ordered.mean())
        centred = ordered - self._mean
        self._centred: list[float] = centred.tolist()
        self._sums: list[float] = [0.0, *np.cumsum(centred).tolist()]
        self._squares: list[float] = [0.0, *np.cumsum(centred**2).tolist()]

    def deviation(self, amount: float) -> float:
        """Population standard deviation of what `cut` gives, by sums made once."""
        low, high = self._low.level(amount) - self._mean, -self._high.level(amount) - self._mean
        begin, end = bisect_left(self._centred, low), bisect_left(self._centred, high)
        if begin >= end:
            return float(self.cut(amount).std())
        count, above = len(self._centred), len(self._centred) - end
        mean = (begin * low + self._sums[end] - self._sums[begin] + above * high) / count
        squares = begin * low**2 + self._squares[end] - self._squares[begin] + above * high**2
        return math.sqrt(max(0.0, squares / count - mean**2))

    def cut(self, amount: float) -> Points:
        return self._ordered.clip(self._low.level(amount), -self._high.level(amount))


class _Fill:
    """To which level an amount fills the lowest ones; at most the mean."""

    def __init__(self, ordered: Points) -> None:
        self._loads: list[float] = ordered.tolist()
        self._mean = float(ordered.mean())
        self._filled: list[float] = np.cumsum(np.diff(ordered) * np.arange(1, len(ordered))).tolist()

    def level(self, amount: float) -> float:
        filled = self._filled
        index = bisect_left(filled, amount)
        if index == len(filled):
            return self._mean if not index or math.isfinite(filled[-1]) else 0.0
        before = filled[index - 1] if index else 0.0
        return min(self._loads[index] + (amount - before) / (index + 1), self._mean)
