"""What is kept from one look to the next is what a fresh look would give; what is proved holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st
from random_clusters import clusters

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight
from standfast.plan.board import Board
from standfast.plan.following import Following
from standfast.plan.proof import Counts, proved

SOME = settings(deadline=None, max_examples=60)


def _state(board: Board) -> tuple[object, ...]:
    counts = Counts.of(board)
    sums = {host: (int(counts.free[row]), int(counts.of_host[row].sum())) for host, row in counts.row.items()}
    shown = board.vms, {host: board.on(host) for host in board.hosts}
    return shown, board.held, board.where, board.flights, board.residents, board.incoming, board.names, sums


@SOME
@given(st.data())
def test_a_followed_board_is_the_board_of_the_last_snapshot(data: st.DataObject) -> None:
    snapshot = data.draw(clusters())
    following = Following()
    following.board(snapshot)
    hosts = [host.id for host in snapshot.hosts]
    for _ in range(4):
        changed = [
            _changed(data, vm, hosts) if data.draw(st.integers(0, 4)) == 0 else vm for vm in snapshot.vms
        ]
        snapshot = replace(snapshot, vms=tuple(changed))
        board = following.board(snapshot)
        assert _state(board.copy()) == _state(Board.of(snapshot))


def _changed(data: st.DataObject, vm: Vm, hosts: list[HostId]) -> Vm:
    if vm.flight is not None and data.draw(st.booleans()):
        further = replace(vm.flight, iteration=vm.flight.iteration + 1)
        return replace(vm, flight=further, memory_bytes=vm.memory_bytes * data.draw(st.integers(1, 2)))
    target = data.draw(st.sampled_from(hosts))
    if target != vm.host and data.draw(st.booleans()):
        return replace(vm, flight=Flight(target))
    return replace(vm, host=target, flight=None)


@SOME
@given(clusters(), st.integers(0, 2))
def test_where_counting_proves_the_reserve_all_vms_can_be_placed(snapshot: Snapshot, out_first: int) -> None:
    board = Board.of(snapshot)
    out = frozenset(host.id for host in snapshot.hosts[:out_first])
    if not proved(board, out):
        return
    stay = [host for host in board.hosts if host not in out]
    for lost in combinations(stay, board.rules.reserve_hosts):
        gone = out.union(lost)
        homeless = [vm for host in gone for vm in board.residents[host]]
        places = [host for host in stay if host not in gone and not board.hosts[host].cordoned]
        free = {host: board.hosts[host].memory_bytes - board.held[host] for host in places}
        assert _placed(board, sorted(homeless, key=lambda vm: -board.vms[vm].memory_bytes), free, {})


def _placed(board: Board, vms: list[VmId], free: dict[HostId, int], at: dict[VmId, HostId]) -> bool:
    """Search all ways to place them, the largest first."""
    if not vms:
        return True
    vm, rest = board.vms[vms[0]], vms[1:]
    tried: set[int] = set()
    for host in sorted(free, key=lambda host: free[host]):
        mates = {mate for group in board.groups.get(vm.id, ()) for mate in group.vms} - {vm.id}
        clash = any(at.get(mate) == host or mate in board.residents[host] for mate in mates)
        if free[host] < vm.memory_bytes or clash or host not in board.able(vm):
            continue
        if not mates and free[host] in tried and not board.groups:
            continue
        tried.add(free[host])
        less = {**free, host: free[host] - vm.memory_bytes}
        if _placed(board, rest, less, {**at, vm.id: host}):
            return True
    return not board.able(vm) & free.keys()  # no headroom would help it
