"""Starting on a half-patched cluster: which moves would go from a newer hypervisor to an older one.

QEMU promises that a VM can go to a newer release, not back. Such a move often works, and where it doesn't
the VM stays where it is; but nobody should find that out in the middle of a run without having been asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId
from standfast.model.plan import Plan, PlannedMove
from standfast.model.reasons import Code, Reason

_NUMBERS = re.compile(r"\d+")


def version(hypervisor: str) -> tuple[int, ...]:
    """All numbers of a platform's words about a hypervisor, in order; empty where it says none."""
    return tuple(int(number) for number in _NUMBERS.findall(hypervisor))


def backward_moves(plan: Plan, snapshot: Snapshot) -> tuple[PlannedMove, ...]:
    """Moves of `plan` to an older hypervisor than their VM runs on, as far as the hosts say what they run.

    A target that is patched by then is taken to be as new as any.
    """
    return tuple(_backward(plan, snapshot))


def _backward(plan: Plan, snapshot: Snapshot) -> Iterator[PlannedMove]:
    now = {host.id: version(host.hypervisor) for host in snapshot.hosts}
    patched: set[HostId] = set()
    for wave in plan.waves:
        for move in (move for step in wave.hosts for move in step.moves):
            source, target = now.get(move.source, ()), now.get(move.target, ())
            if source and target and source > target and move.target not in patched:
                yield move
        patched.update(step.host for step in wave.hosts)


def against(plan: Plan, snapshot: Snapshot) -> Reason | None:
    """The refusal of a plan with such moves; None for one without."""
    moves = backward_moves(plan, snapshot)
    if not moves:
        return None
    first = moves[0]
    source, target = snapshot.host(first.source), snapshot.host(first.target)
    more = f", and {len(moves) - 1} more moves like it" if len(moves) > 1 else ""
    return Reason(
        Code.HALF_PATCHED,
        f"The cluster is half patched: {first.vm_name} would go from {source.name} ({source.hypervisor}) "
        f"back to {target.name} ({target.hypervisor}){more}.",
        "Patch the older hosts first (--order, --exclude), or accept it with --half-patched.",
        vm=first.vm,
    )
