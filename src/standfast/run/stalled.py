"""A host that is not empty and whose run has nothing left to do about it: said after a while, not waited for
for ever."""

from __future__ import annotations

from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow
from standfast.model.units import span
from standfast.run import absent
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.run.steps import hold_for

OTHERS_SECONDS = 1_800.0
"""How long a migration that is not this run's is waited for, from the last move of its host on."""


def moved_by_others(view: View, row: HostRow) -> Reason | None:
    """A VM that somebody else is moving off the host or to it for so long that it may never end, as where its
    memory is written faster than copied. That is not ours to end; the run is not to wait for ever either."""
    if not _still_for(view, row, OTHERS_SECONDS):
        return None
    for vm_id, target in view.board.flights.items():
        vm = view.snapshot.vm(vm_id)
        if vm is None or row.host not in (vm.host, target):
            continue
        way, waited = f"{'to' if target == row.host else 'off'} {row.name}", span(OTHERS_SECONDS)
        words = f"{vm.name} is being moved {way}, not by this run, for {waited} or more."
        mend = "End that migration with the hypervisor's own tools or let it end, then resume."
        return Reason(Code.VM_BUSY, words, mend, host=row.host, vm=vm.id)
    return None


def uncounted(view: View, row: HostRow) -> tuple[Action, ...]:
    """Held when no VM is seen on the host for long and its own hypervisor does not say that it runs none."""
    facts = view.facts(row)
    if facts is None or facts.active_vms == 0 or view.snapshot.vms_on(row.host) or row.host in view.moving:
        return ()
    silent = facts.active_vms is None
    longest = absent.UNREACHABLE_GRACE_SECONDS if silent else OTHERS_SECONDS
    if not _still_for(view, row, longest):
        return ()
    says = "does not answer to say so" if silent else f"counts {facts.active_vms} that run"
    words = f"No VM is seen on {row.name}, and its hypervisor {says}."
    mend = (
        f"{'Start' if silent else 'Look at'} the hypervisor's daemon on it and see what it runs, then resume."
    )
    return hold_for(view, row, Reason(Code.HOST_HYPERVISOR_DOWN, words, mend, host=row.host))


def _still_for(view: View, row: HostRow, seconds: float) -> bool:
    """For so long the host has been in its phase, and no move off it has ended."""
    # The phase alone first: a large run has thousands of moves, and this is asked at each tick.
    return view.now - row.since >= seconds and view.now - _last_end(view, row) >= seconds


def _last_end(view: View, row: HostRow) -> float:
    """When the last move off the host ended, in Unix seconds; 0 if there was none. All are read once in a
    round: a large run has thousands, and every host that is being emptied asks."""
    known: dict[HostId, float] | None = view.worked_out.get("last_end")
    if known is None:
        known = view.worked_out["last_end"] = {}
        for move in view.run.moves:
            if move.ended_at is not None and move.ended_at > known.get(move.source, 0.0):
                known[move.source] = move.ended_at
    return known.get(row.host, 0.0)
