"""N+1: whether every VM would still have a place if further hosts were lost.

After a loss VMs are started again, not migrated, so they may fill a host to 100 % of its memory: the memory
ceiling below that is the margin kept for planned work. Anti-affinity holds there as well. A VM that could run
on none of the hosts left (pinned, or needing their CPU or networks) is left out: no headroom would help it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from itertools import combinations, islice

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Code, Reason
from standfast.model.units import size
from standfast.plan import proof
from standfast.plan.board import Board

MAX_LOSSES = 20_000
"""How many combinations of lost hosts are looked at; with more, those of the fullest hosts come first."""


def held_bytes(cluster: Snapshot | Board) -> dict[HostId, int]:
    """Memory that each host holds for its VMs and for those on their way in; a VM in flight counts twice."""
    return dict(Board.of(cluster).held)


def reserve(cluster: Snapshot | Board, out: frozenset[HostId]) -> Reason | None:
    """None if, with the hosts of `out` gone, losing any `reserve_hosts` further ones leaves room for all VMs.

    A placement found by best-fit decreasing is the proof; that none was found is taken for its absence, so
    the answer errs towards caution. Cordoned and unreachable hosts take no VMs. The VMs of `out` and of lost
    hosts are placed anew, except those on their way to a host that stays: their memory is held there already.

    What holds for a host's state after its evacuation holds for every state on the way there too: the places
    found for the VMs of a lost host, and the targets of the moves still to come, are a placement.
    """
    board = Board.of(cluster)
    if proof.proved(board, out):
        return None
    stay = [host.id for host in board.hosts.values() if host.reachable and host.id not in out]
    takers = [host for host in stay if not board.hosts[host].cordoned]
    check = _Check(board, out, takers)
    fullest = sorted(stay, key=lambda host: (-board.held[host], board.name(host)))
    for lost in islice(combinations(fullest, board.rules.reserve_hosts), MAX_LOSSES):
        homeless = check.homeless(lost)
        if homeless is not None:
            return _no_reserve(board, out, lost, homeless)
    if len(stay) < board.rules.reserve_hosts and board.vms:
        return _no_reserve(board, out, tuple(stay), next(iter(board.vms.values())))
    return None


def _no_reserve(board: Board, out: Iterable[HostId], lost: Sequence[HostId], vm: Vm) -> Reason:
    gone = ", ".join(sorted(board.name(host) for host in out))
    further = ", ".join(sorted(board.name(host) for host in lost))
    head = f"With {gone} out" if gone else "As things stand"
    loss = f", losing {further} would leave" if further else " there is"
    return Reason(
        Code.NO_RESERVE,
        f"{head}{loss} no room for {vm.name} ({size(vm.memory_bytes)}).",
        "Add memory or a host, shut VMs down, or lower reserve_hosts.",
        host=min(out, default=None),
        vm=vm.id,
    )


class _Check:
    """What all losses under one `out` have in common, so that each costs little."""

    def __init__(self, board: Board, out: frozenset[HostId], takers: Sequence[HostId]) -> None:
        self.board, self.out = board, out
        self.takers = frozenset(takers)
        self.free = {host: board.hosts[host].memory_bytes - board.held[host] for host in takers}
        self.ranked = sorted((free, host) for host, free in self.free.items())
        largest = max((vm.memory_bytes for vm in board.vms.values()), default=0)
        self.slots = {host: max(0, free) // largest if largest else 1 for host, free in self.free.items()}
        self.all_slots = sum(self.slots.values())
        self.plain = {
            host: all(self._is_plain(board.vms[vm]) for vm in inside)
            for host, inside in board.residents.items()
        }

    def _is_plain(self, vm: Vm) -> bool:
        return vm.id not in self.board.groups and self.takers <= self.board.able(vm)

    def homeless(self, lost: Sequence[HostId]) -> Vm | None:
        """A VM without a place after this loss, or None."""
        gone = self.out.union(lost)
        count = sum(len(self.board.residents[host]) for host in gone)
        slots = self.all_slots - sum(self.slots.get(host, 0) for host in lost)
        if count <= slots and all(self.plain[host] for host in gone):
            return None  # even if all of them were as large as the largest VM
        left = self.takers - gone
        moved = [vm for vm in self._displaced(gone) if not left or self.board.able(vm) & left]
        left_out: Vm | None = None
        for rank in _RANKS:
            left_out = self._pack(sorted(moved, key=lambda vm: rank(self.board, vm)), gone)
            if left_out is None:
                return None
        return left_out

    def _displaced(self, gone: frozenset[HostId]) -> list[Vm]:
        board = self.board
        return [
            board.vms[vm]
            for host in sorted(gone)
            for vm in board.residents[host]
            if (board.flights.get(vm) is None or board.flights[vm] in gone)
            and not (host in self.out and vm in board.stays)  # it is shut down meanwhile
        ]

    def _pack(self, vms: Iterable[Vm], gone: frozenset[HostId]) -> Vm | None:
        """Each VM into the fullest host that has room; the first that finds none is returned."""
        ranked = [pair for pair in self.ranked if pair[1] not in gone]
        placed: dict[HostId, set[VmId]] = {}
        for vm in vms:
            for index in range(bisect_left(ranked, (vm.memory_bytes, HostId(""))), len(ranked)):
                free, host = ranked[index]
                if host in self.board.able(vm) and not self._clash(vm, host, placed):
                    del ranked[index]
                    insort(ranked, (free - vm.memory_bytes, host))
                    placed.setdefault(host, set()).add(vm.id)
                    break
            else:
                return vm
        return None

    def _clash(self, vm: Vm, host: HostId, placed: dict[HostId, set[VmId]]) -> bool:
        board = self.board
        for group in board.groups.get(vm.id, ()):
            for other in group.vms:
                if other != vm.id and (
                    other in board.residents[host]
                    or other in board.incoming[host]
                    or other in placed.get(host, ())
                ):
                    return True
        return False


def _large_first(board: Board, vm: Vm) -> tuple[object, ...]:
    return (-vm.memory_bytes, vm.id not in board.groups, vm.name, vm.id)


def _bound_first(board: Board, vm: Vm) -> tuple[object, ...]:
    return (vm.id not in board.groups, len(board.able(vm)), -vm.memory_bytes, vm.name, vm.id)


_RANKS: tuple[Callable[[Board, Vm], tuple[object, ...]], ...] = (_large_first, _bound_first)
