"""N+1 proved by counting, without placing a VM: quick enough to be asked at every move of a large cluster.

Every VM is rounded up to a power of two of the smallest one. Sizes that divide each other are packed by
counting alone: where the hosts left have a free slot for each VM that must go, counted from the largest size
down, there is a place for all of them. Rules can forbid a VM no more hosts than it has mates, so the largest
hosts of that number are counted as full. That nothing is proved says nothing: then the VMs are placed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from standfast.model.ids import HostId, VmId
from standfast.plan.board import Board

Ints = NDArray[np.int64]

MOST_KINDS = 16
"""Kinds of VMs, by the hosts that could run them, up to which counting is worth its while."""
MOST_LEVELS = 40
"""Between the smallest and the largest VM, in doublings; beyond that nothing is proved."""


class Counts:
    """Slots and VMs of each host of one board, by size; read anew only where something was touched."""

    def __init__(self, board: Board) -> None:
        self.row = {host: number for number, host in enumerate(board.hosts)}
        sizes = [vm.memory_bytes for vm in board.vms.values()] or [1]
        self.least, self.most = max(1, min(sizes)), max(1, *sizes)
        levels = min(MOST_LEVELS, (-(-self.most // self.least) - 1).bit_length() + 1)
        self.size: Ints = self.least * (1 << np.arange(levels, dtype=np.int64))
        self.of_host: Ints = np.zeros((len(self.row), levels), dtype=np.int64)
        self.free: Ints = np.zeros(len(self.row), dtype=np.int64)
        self.kinds: list[frozenset[HostId]] = []
        self.has: NDArray[np.bool_] = np.zeros((len(self.row), MOST_KINDS), dtype=np.bool_)
        self.mates = max((len(_mates(board, vm)) for vm in board.groups if vm in board.vms), default=0)
        self.usable = self.most <= int(self.size[-1])
        self._read(board, board.hosts)

    @classmethod
    def of(cls, board: Board) -> Counts:
        """Those of the board as it is now."""
        known = board.counts
        if not isinstance(known, Counts) or not known._fits(board):
            known, board.counts_shared = cls(board), False
        elif board.touched:
            if board.counts_shared:
                known, board.counts_shared = known._twin(), False
            known._read(board, board.touched)
        board.counts = known
        board.touched.clear()
        return known

    def _fits(self, board: Board) -> bool:
        """Nothing came that is of a size beyond those known."""
        changed = (board.vms[vm].memory_bytes for host in board.touched for vm in board.residents[host])
        return all(self.least <= size <= self.most for size in changed) and self.usable

    def _twin(self) -> Counts:
        """A copy: boards that were copied from one another keep these for as long as nothing changes."""
        twin = object.__new__(Counts)
        twin.__dict__.update(self.__dict__)
        twin.of_host, twin.free, twin.has = self.of_host.copy(), self.free.copy(), self.has.copy()
        twin.kinds = list(self.kinds)
        return twin

    def _read(self, board: Board, hosts: Iterable[HostId]) -> None:
        for host in hosts:
            row = self.row[host]
            self.free[row] = board.hosts[host].memory_bytes - board.held[host]
            self.of_host[row], self.has[row] = 0, False
            for vm_id in board.residents[host]:
                vm = board.vms[vm_id]
                self.of_host[row, self.level(vm.memory_bytes)] += 1
                kind = self._kind(board.able(vm))
                if kind is None:
                    self.usable = False
                    return
                self.has[row, kind] = True

    def level(self, memory_bytes: int) -> int:
        """Number of the smallest size that is as large."""
        return (max(1, -(-memory_bytes // self.least)) - 1).bit_length()

    def _kind(self, able: frozenset[HostId]) -> int | None:
        for number, known in enumerate(self.kinds):
            if known is able or known == able:
                return number
        self.kinds.append(able)
        return len(self.kinds) - 1 if len(self.kinds) <= MOST_KINDS else None


def proved(board: Board, out: frozenset[HostId]) -> bool:
    """True if counting shows what `headroom.reserve` asks for. False says nothing."""
    counts = Counts.of(board)
    losses = board.rules.reserve_hosts
    stay = [host for host in board.hosts if board.hosts[host].reachable and host not in out]
    if not counts.usable or len(stay) < losses:
        return False
    takes = np.zeros(len(counts.row), dtype=np.bool_)
    takes[[counts.row[host] for host in stay if not board.hosts[host].cordoned]] = True
    slots = np.where(takes, np.maximum(0, counts.free), 0)[:, None] // counts.size[None, :]
    going, kinds_out = _going(board, counts, out)
    rows = np.array([counts.row[host] for host in stay], dtype=np.int64)
    need = _carried(_with_arriving(board, counts, out)[rows])
    forbidden = counts.mates + min(counts.mates, len(board.flights))
    for kind, able in enumerate(counts.kinds):
        affected = counts.has[rows, kind] | kinds_out[kind]
        if not affected.any():
            continue
        can = np.zeros(len(counts.row), dtype=np.bool_)
        can[[counts.row[host] for host in able]] = True
        mine = np.where(can[:, None], slots, 0)
        largest = mine.max(axis=0, initial=0)
        lost = need + mine[rows]
        if losses > 1:  # any of the others may be lost beside it
            lost = np.sort(lost, axis=0)[-losses:].sum(axis=0)[None, :]
        elif losses == 0:
            lost = np.zeros((1, len(counts.size)), dtype=np.int64)
        else:
            lost = lost[affected]
        asked = lost + going
        enough = asked <= mine.sum(axis=0) - forbidden * largest
        idle = (going == 0) & (need.max(axis=0, initial=0) == 0)
        if not (enough | idle).all():
            return False
    return True


def _going(board: Board, counts: Counts, out: frozenset[HostId]) -> tuple[Ints, NDArray[np.bool_]]:
    """Slots that VMs take which have to leave the hosts that are out and are not on their way to others; and
    their kinds."""
    found = np.zeros(len(counts.size), dtype=np.int64)
    kinds = np.zeros(MOST_KINDS, dtype=np.bool_)
    for host in out & board.residents.keys():
        for vm_id in board.residents[host]:
            target = board.flights.get(vm_id)
            if (target is None or target in out) and vm_id not in board.stays:
                found[counts.level(board.vms[vm_id].memory_bytes)] += 1
                kinds |= counts.has[counts.row[host]]
    return _carried(found[None, :])[0], kinds


def _with_arriving(board: Board, counts: Counts, out: frozenset[HostId]) -> Ints:
    """VMs by size of each host, with those that are on their way to it from hosts that are out."""
    found = counts.of_host.copy()
    for vm, target in board.flights.items():
        if target is not None and board.where[vm] in out:
            found[counts.row[target], counts.level(board.vms[vm].memory_bytes)] += 1
    return found


def _carried(counts: Ints) -> Ints:
    """From VMs by size to slots of each size that these and all larger ones take, row by row."""
    need = np.zeros_like(counts)
    carried = np.zeros(len(counts), dtype=np.int64)
    for level in reversed(range(counts.shape[1])):
        carried = 2 * carried + counts[:, level]
        need[:, level] = carried
    return need


def _mates(board: Board, vm: VmId) -> set[VmId]:
    return {mate for group in board.groups.get(vm, ()) for mate in group.vms} - {vm}
