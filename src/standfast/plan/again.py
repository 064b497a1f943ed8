"""Planning anew in the middle of a run: the hosts that still wait, from what is there now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId
from standfast.model.plan import Plan, Wave
from standfast.model.reasons import Code, Reason
from standfast.plan.best import Task, best_run
from standfast.plan.board import Board
from standfast.plan.finish import p95_seconds
from standfast.plan.order import order


def plan_again(
    snapshot: Snapshot,
    plan: Plan,
    waiting: Sequence[HostId],
    *,
    patched: frozenset[HostId],
    working: frozenset[HostId],
    out: frozenset[HostId],
) -> Plan | Reason:
    """`plan` with new waves, moves and order for the hosts of `waiting`; or why one of them can't be done.

    `patched` are hosts where VMs should go. Those of `working` are worked on: nobody's turn comes before they
    are patched and back, and by then their VMs are where the plan sends them. Those of `out` stay out: they
    hold no VM and count as lost, and so do those of `working` that are silent now. What the plan knows of
    each host's updates is kept: they were scanned when it was made. Moves under way are taken for done.
    """
    silent = frozenset(host for host in working if not _answers(snapshot, host))
    working, out = working - silent, out | silent
    board = Board.of(_back(snapshot, working)).copy()
    board.learnt = plan.learnt
    for vm in [vm for vm, target in board.flights.items() if target is not None]:
        board.land(vm)
    _evacuate(board, plan, working)
    known = {step.host: step for step in plan.steps}
    for host in waiting:
        if host not in board.hosts or not board.hosts[host].reachable:
            sentence = f"{known[host].name} does not answer."
            return Reason(Code.HOST_UNREACHABLE, sentence, "Skip it, then replan.", host=host)
    board.stays = frozenset(stop.vm for host in waiting for stop in known[host].stops)
    begun = _without(plan.waves, frozenset(waiting))
    task = Task(
        order(board, waiting),
        (patched | working) & board.hosts.keys(),
        {host: known[host].stops for host in waiting},
        out=out & board.hosts.keys(),
        known={host: known[host] for host in waiting},
        begun=len(begun),
    )
    made, refusals = best_run(board, plan.policy, task)
    if refusals and silent:
        names = ", ".join(sorted(known[host].name for host in silent if host in known))
        return replace(refusals[0], mend=f"{refusals[0].mend} Or replan when {names} answers again.")
    if refusals:
        return refusals[0]
    waves = (*begun, *made.waves)
    seconds = sum(wave.seconds + wave.soak_seconds for wave in begun)
    p95 = sum(max(map(p95_seconds, wave.hosts)) + wave.soak_seconds for wave in begun)
    moves = sum(len(step.moves) for wave in waves for step in wave.hosts) + len(made.last)
    peak = max(plan.bounds.peak_memory_fraction, made.peak_fraction)
    return replace(
        plan,
        waves=waves,
        rebalance=made.last,
        bounds=replace(plan.bounds, moves=moves, peak_memory_fraction=peak, seconds=seconds + made.seconds),
        predicted_seconds=seconds + made.seconds + made.last_seconds,
        predicted_p95_seconds=p95 + made.seconds_p95 + made.last_seconds_p95,
    )


def _answers(snapshot: Snapshot, host: HostId) -> bool:
    return any(there.id == host and there.reachable for there in snapshot.hosts)


def _back(snapshot: Snapshot, working: frozenset[HostId]) -> Snapshot:
    """As it will be when the hosts now worked on take VMs again."""
    hosts = (
        replace(host, cordoned=False, cordoned_by="") if host.id in working else host
        for host in snapshot.hosts
    )
    return replace(snapshot, hosts=tuple(hosts))


def _evacuate(board: Board, plan: Plan, working: frozenset[HostId]) -> None:
    """VMs that still are on hosts worked on go where the plan sends them."""
    for move in (move for step in plan.steps if step.host in working for move in step.moves):
        if board.where.get(move.vm) == move.source and move.target in board.hosts:
            board.move(move.vm, move.target)


def _without(waves: Sequence[Wave], waiting: frozenset[HostId]) -> tuple[Wave, ...]:
    """The waves with the hosts that have begun, numbered without gaps."""
    kept = [
        (tuple(step for step in wave.hosts if step.host not in waiting), wave.soak_seconds) for wave in waves
    ]
    return tuple(
        Wave(tuple(replace(step, wave=number) for step in steps), soak)
        for number, (steps, soak) in enumerate(pair for pair in kept if pair[0])
    )
