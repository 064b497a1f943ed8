"""Whether one more migration may go now: limits, rules of those in the air, and links that are full.

Moves that share a link all take longer and end no sooner (`predict.streams`), so where one fills it the next
begins when the one before is nearly over: it then sets up while the other ends, and the link never idles.
Nothing waits long for a migration that is late, or whose guest writes faster than it is copied.
"""

from __future__ import annotations

from collections.abc import Iterable

from standfast.model.cluster import Vm
from standfast.model.ids import HostId, VmId
from standfast.predict.precopy import SETUP_SECONDS
from standfast.predict.streams import streams
from standfast.run.lagging import lags
from standfast.run.seen import View


def may_fly(view: View, vm: Vm, target: HostId, under_way: int) -> bool:
    """Limits of both hosts and of the run, and no other member of the VM's groups in the air."""
    board = view.board
    mates = (mate for group in board.groups.get(vm.id, ()) for mate in group.vms if mate != vm.id)
    incoming = board.incoming[target]
    return (
        may_leave(view, vm.host, under_way)
        and len(incoming) < board.hosts[target].limits.inbound
        and _has_room(view, target, incoming)
        and not any(mate in board.flights for mate in mates)
    )


def may_leave(view: View, host: HostId, under_way: int) -> bool:
    """As far as the sender and the run are concerned."""
    if under_way >= view.policy.moves_at_once:
        return False
    board = view.board
    leaving = [vm for vm in board.residents[host] if vm in board.flights]
    return len(leaving) < board.hosts[host].limits.outbound and _has_room(view, host, leaving)


def _has_room(view: View, host: HostId, flying: Iterable[VmId]) -> bool:
    about = view.board.hosts[host]
    return about.limits.wanted or sum(_fills(view, vm) for vm in flying) < streams(about)


def _fills(view: View, vm_id: VmId) -> bool:
    """Whether this migration will need its link for a while yet."""
    row = view.on_record.get(vm_id)
    vm = view.snapshot.vm(vm_id)
    if row is None:
        return vm is None or vm.flight is None  # decided on just now; else somebody else's: limits have to do
    if vm is None or vm.flight is None:
        return False  # no more seen on its way
    if view.now - row.started_at > row.predicted.brownout_p95_seconds or lags(vm):
        return False
    soon = SETUP_SECONDS + view.policy.tick_seconds  # when one that is asked for now begins to send
    rate = vm.flight.bytes_per_second
    return rate <= 0 or vm.flight.remaining_bytes > soon * rate
