"""Where a VM goes: patched hosts first, then the host whose turn comes last."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from standfast.model.cluster import Snapshot, Vm
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason
from standfast.model.units import size
from standfast.plan.blockers import objections
from standfast.plan.board import Board

NAMED_OBJECTIONS = 12
"""How many hosts a refusal speaks of one by one."""


class Taste(Enum):
    """Which of the allowed hosts is best. The later ones are for clusters where the first finds no way."""

    LATEST = "latest"  # unpatched hosts: the one whose turn is last
    SPREAD = "spread"  # unpatched hosts: the least loaded
    TIGHT = "tight"  # the fullest that has room, so that large gaps stay


def choose(
    cluster: Snapshot | Board,
    vm: Vm,
    *,
    patched: frozenset[HostId],
    avoid: frozenset[HostId] = frozenset(),
    order: Sequence[HostId] = (),
    taste: Taste = Taste.LATEST,
) -> HostId | Reason:
    """The best host for `vm`, or a typed NO_TARGET that says what is against each.

    Patched hosts come first, the least loaded one (by share of memory after the move) before the others.
    Then hosts that are not in `order`, since nobody will drain them, then those of `order` from its end: what
    lands there moves twice, and the later its turn, the more patched hosts have room by then.
    Hosts of `avoid` and the VM's own are never chosen. Ties go by name.
    """
    board = Board.of(cluster)
    turn = {host: place for place, host in enumerate(order)}
    own = board.where.get(vm.id, vm.host)

    def rank(host: HostId) -> tuple[object, ...]:
        load = board.fraction(host, vm.memory_bytes)
        if taste is Taste.TIGHT:
            load = -load
        late = 0
        if host not in patched and taste is Taste.LATEST:
            late = -turn.get(host, len(turn))
        return (host not in patched, host in turn, late, load, board.name(host), host)

    candidates = sorted((host for host in board.hosts if host != own and host not in avoid), key=rank)
    for host in candidates:
        if next(objections(board, vm, board.hosts[host]), None) is None:
            return host
    by_name = sorted(candidates, key=board.name)
    return no_target(board, vm, [next(objections(board, vm, board.hosts[host])).sentence for host in by_name])


def no_target(board: Board, vm: Vm, against: Sequence[str]) -> Reason:
    """The typed refusal; `against` is one sentence for each host that could have been."""
    source = board.where.get(vm.id, vm.host)
    named = (sentence.rstrip(".") for sentence in against[:NAMED_OBJECTIONS])
    told = "; ".join(named) or "there is no other host"
    if len(against) > NAMED_OBJECTIONS:
        told += f"; and {len(against) - NAMED_OBJECTIONS} more hosts have something against it"
    return Reason(
        Code.NO_TARGET,
        f"No host can take {vm.name} ({size(vm.memory_bytes)}) from {board.name(source)}: {told}.",
        "Remove one of these causes, then plan again.",
        host=source,
        vm=vm.id,
    )
