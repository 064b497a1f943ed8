"""The checker's own proof of N+1, by other means than the planner's: place the VMs of each lost host.

First all hosts at once: each VM of a lost host on a host of its own, the largest on the one with the most
free memory. Where that finds a place for all, a placement is shown. Only what it leaves open is searched,
depth first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.ids import HostId, VmId

SEARCH_LIMIT = 50_000
"""Placements tried for one loss before the reserve counts as not shown."""

COMBINATIONS = 20_000
"""With more combinations of lost hosts than this that are not shown at once, the reserve counts as not
shown."""


class Losses:
    """Follows the walk (`flies`, `landed`) and answers which loss would leave VMs without a place."""

    def __init__(
        self,
        snapshot: Snapshot,
        vms: Mapping[VmId, Vm],
        at: Mapping[VmId, HostId],
        inside: Mapping[HostId, set[VmId]],
        could_run: Callable[[Vm, HostId], bool],
    ) -> None:
        self.snapshot, self.vms, self.at, self.inside = snapshot, vms, at, inside
        self.could_run = could_run
        self.hosts: dict[HostId, Host] = {host.id: host for host in snapshot.hosts}
        self.order = sorted(self.hosts)
        self.row = {host: row for row, host in enumerate(self.order)}
        self.memory = np.array([self.hosts[host].memory_bytes for host in self.order], dtype=np.int64)
        self.held = np.zeros(len(self.order), dtype=np.int64)
        self.flying: dict[VmId, HostId] = {}
        for host, residents in inside.items():
            self.held[self.row[host]] = sum(vms[vm].memory_bytes for vm in residents)
        self.mates: dict[VmId, frozenset[VmId]] = {}
        for rule in snapshot.rules.anti_affinity:
            for vm in rule.vms & vms.keys():
                self.mates[vm] = self.mates.get(vm, frozenset()) | (rule.vms & vms.keys()) - {vm}
        self.ranked: dict[HostId, list[VmId]] = {}
        self.rank: dict[VmId, int] = {}
        self.widest = 1 + max((len(residents) for residents in inside.values()), default=0)
        self.sizes = np.zeros((len(self.order), self.widest), dtype=np.int64)
        for host in self.order:
            self._resort(host)
        self.stale: set[HostId] = set()
        self.picky = self._find_picky()

    def _find_picky(self) -> list[Vm]:
        """VMs that some host could not run."""
        pinned = {pin.vm for pin in self.snapshot.rules.pins}
        easy: dict[object, bool] = {}
        found = []
        for vm in self.vms.values():
            key = (vm.cpu, vm.machine_type, vm.networks)
            if vm.id not in pinned and key not in easy:
                easy[key] = all(self.could_run(vm, host) for host in self.order)
            if vm.id in pinned or not easy[key]:
                found.append(vm)
        return found

    def _resort(self, host: HostId) -> None:
        ranked = sorted(self.inside[host], key=lambda vm: (-self.vms[vm].memory_bytes, vm))
        self.ranked[host] = ranked
        if len(ranked) > self.widest:
            more = np.zeros((len(self.order), len(ranked) + 8 - self.widest), dtype=np.int64)
            self.sizes = np.hstack([self.sizes, more])
            self.widest = self.sizes.shape[1]
        row = self.sizes[self.row[host]]
        row[:] = 0
        for place, vm in enumerate(ranked):
            row[place] = self.vms[vm].memory_bytes
            self.rank[vm] = place

    def flies(self, vm: VmId, target: HostId) -> None:
        self.flying[vm] = target
        self.held[self.row[target]] += self.vms[vm].memory_bytes

    def landed(self, vm: VmId, source: HostId, target: HostId) -> None:
        self.flying.pop(vm, None)
        self.held[self.row[source]] -= self.vms[vm].memory_bytes
        self.stale |= {source, target}

    def switched(self, vm: VmId, host: HostId, *, on: bool) -> None:
        """A VM is shut down on its host or started there again."""
        self.held[self.row[host]] += self.vms[vm].memory_bytes if on else -self.vms[vm].memory_bytes
        self.stale.add(host)

    def harmful(self, out: frozenset[HostId]) -> tuple[HostId, ...] | None:
        """A set of `reserve_hosts` hosts whose loss, with `out` gone, leaves VMs without a place; else
        None."""
        for host in self.stale:
            self._resort(host)
        self.stale = set()
        count = self.snapshot.rules.reserve_hosts
        up = [host for host in self.order if self.hosts[host].reachable and host not in out]
        homeless = any(self.inside[host] for host in out)
        if not self.vms or (count == 0 and not homeless):
            return None
        if len(up) < count:
            return tuple(up)
        open_ = up if homeless or count == 0 else self._open(out, up, count)
        if not open_:
            return None
        pools = open_ if count == 1 else up
        if comb(len(pools), count) > COMBINATIONS:
            return tuple(open_[:count])
        for lost in combinations(pools, count):
            if not self._survives(out.union(lost), up):
                return lost
        return None

    def _open(self, out: frozenset[HostId], up: Sequence[HostId], count: int) -> list[HostId]:
        """Hosts for which one VM per free host is no proof."""
        takers = [self.row[host] for host in up if not self.hosts[host].cordoned]
        free = self.memory - self.held
        best = sorted(takers, key=lambda row: (-int(free[row]), row))[: count * (self.widest + 2)]
        lines = [self.row[host] for host in up]
        need = self.sizes[lines]
        given = np.zeros(self.widest, dtype=np.int64)
        # The i-th VM of a lost host, of `count` lost at once, takes one of the `count` hosts at these ranks;
        # as many more are set aside for the lost hosts themselves.
        for place in range(self.widest):
            rank = (place + 1) * count - 1 + count
            if rank < len(best):
                given[place] = free[best[rank]]
        proven: NDArray[np.bool_] = np.all(need <= given[None, :], axis=1)
        if count == 1 and len(best) > self.widest:
            self._without_itself(lines, need, free, best, proven)
        found = {host for host, shown in zip(up, proven.tolist(), strict=True) if not shown}
        return sorted(found | self._clashing(best, count, up, found))

    def _without_itself(
        self,
        lines: list[int],
        need: NDArray[np.int64],
        free: NDArray[np.int64],
        best: list[int],
        proven: NDArray[np.bool_],
    ) -> None:
        """With one host lost, only the hosts among the best themselves have to be set aside."""
        first = np.array([free[row] for row in best[: self.widest]], dtype=np.int64)
        direct = (need[:, : len(first)] <= first[None, :]).all(axis=1)
        proven |= direct & ~np.isin(np.array(lines), np.array(best))

    def _clashing(self, best: list[int], count: int, up: Sequence[HostId], known: set[HostId]) -> set[HostId]:
        """Hosts with a VM whose place in the proof may be barred: a mate is there, or it can't run there."""
        at_rank: dict[HostId, list[int]] = {}
        for rank, row in enumerate(best):
            at_rank.setdefault(self.order[row], []).append(rank)
        found: set[HostId] = set()
        for host, ranks in at_rank.items():
            for mate in (mate for vm in self._present(host) for mate in self.mates.get(vm, ())):
                if any(self._near(mate, rank, count) for rank in ranks):
                    found.add(self.at[mate])
        for vm in self.picky:
            place = self.rank[vm.id]
            for rank in range(place * count, min(len(best), (place + 2) * count)):
                if not self.could_run(vm, self.order[best[rank]]):
                    found.add(self.at[vm.id])
                    break
        return {host for host in found if host not in known and host in set(up)}

    def _present(self, host: HostId) -> set[VmId]:
        return self.inside[host] | {vm for vm, target in self.flying.items() if target == host}

    def _near(self, vm: VmId, rank: int, count: int) -> bool:
        """Whether the proof might put the VM on the host of that rank."""
        place = self.rank[vm]
        return place * count <= rank <= (place + 1) * count - 1 + count

    def _survives(self, gone: frozenset[HostId], up: Sequence[HostId]) -> bool:
        takers = [host for host in up if host not in gone and not self.hosts[host].cordoned]
        homeless = [
            self.vms[vm] for host in gone for vm in self.inside[host] if self.flying.get(vm, host) in gone
        ]
        homeless = [vm for vm in homeless if not takers or any(self.could_run(vm, host) for host in takers)]
        homeless.sort(key=lambda vm: (-vm.memory_bytes, vm.id))
        if self._one_each(homeless, takers):
            return True
        free = {host: int(self.memory[self.row[host]] - self.held[self.row[host]]) for host in takers}
        inside = {host: set(self._present(host)) for host in takers}
        return _Search(self, free, inside).place(homeless, 0)

    def _one_each(self, homeless: Sequence[Vm], takers: Sequence[HostId]) -> bool:
        """Whether each VM finds a host of its own, the next free one from the top that may take it."""
        free = self.memory - self.held
        rows = np.array([self.row[host] for host in takers], dtype=np.int64)
        wanted = len(homeless) + 24
        if len(rows) > wanted:
            rows = rows[np.argpartition(-free[rows], wanted)[:wanted]]
        best = [self.order[row] for row in rows[np.argsort(-free[rows], kind="stable")].tolist()]
        for vm in homeless:
            mates = self.mates.get(vm.id, frozenset())
            for host in best:
                if vm.memory_bytes > free[self.row[host]]:
                    return False
                if mates.isdisjoint(self._present(host)) and self.could_run(vm, host):
                    best.remove(host)
                    break
            else:
                return False
        return True  # two mates among them are apart, each being alone


@dataclass
class _Search:
    """Depth first over hosts for each VM in turn, largest VM first, fullest host first."""

    losses: Losses
    free: dict[HostId, int]
    inside: dict[HostId, set[VmId]]
    tries: int = 0

    def place(self, vms: Sequence[Vm], index: int) -> bool:
        if index == len(vms):
            return True
        vm = vms[index]
        seen: set[tuple[object, ...]] = set()
        for host in sorted(self.free, key=lambda host: (self.free[host], host)):
            if self.tries > SEARCH_LIMIT:
                return False
            if vm.memory_bytes > self.free[host] or not self._welcome(vm, host):
                continue
            about = self.losses.hosts[host]
            ruled = frozenset(one for one in self.inside[host] if one in self.losses.mates)
            alike = (self.free[host], ruled, about.cpu, about.networks, about.machine_types)
            if alike in seen and not self.losses.snapshot.rules.pins:
                continue
            seen.add(alike)
            self.tries += 1
            self.free[host] -= vm.memory_bytes
            self.inside[host].add(vm.id)
            if self.place(vms, index + 1):
                return True
            self.inside[host].discard(vm.id)
            self.free[host] += vm.memory_bytes
        return False

    def _welcome(self, vm: Vm, host: HostId) -> bool:
        mates = self.losses.mates.get(vm.id, frozenset())
        return mates.isdisjoint(self.inside[host]) and self.losses.could_run(vm, host)
