"""The best run found for given hosts: what a plan at the start and one amid a run have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from standfast.model.ids import HostId
from standfast.model.plan import HostStep
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.plan.assemble import Assembled, Stops, assemble
from standfast.plan.board import Board
from standfast.plan.draft import Builder, Draft, DraftWave
from standfast.plan.drain import drain
from standfast.plan.early import dealt
from standfast.plan.grid import Grid
from standfast.plan.lengths import Lengths
from standfast.plan.search import Candidate, Search
from standfast.plan.spare import Spare


@dataclass(frozen=True, slots=True)
class Task:
    """What a run is asked to do."""

    hosts: Sequence[HostId]
    """Those to be done, in the order to begin with."""
    patched: frozenset[HostId]
    """Those that need no turn: where VMs should go."""
    stops: Stops = field(default_factory=dict)
    fixed: int = 0
    """So many at the head of `hosts` keep their places."""
    out: frozenset[HostId] = frozenset()
    """Hosts that hold no VM, take none and count as lost all the time."""
    known: Mapping[HostId, HostStep] = field(default_factory=dict)
    """Turns as planned before: what they say of updates is kept."""
    begun: int = 0
    """So many waves went before."""
    effort: float = 1.0
    """Share of the usual tries."""


def best_run(board: Board, policy: Policy, task: Task) -> tuple[Assembled, list[Reason]]:
    """The best run found, told in the plan's words, and why hosts are not in it."""
    stopping = [
        host for host, found in task.stops.items() if any(stop.said.handling.consents for stop in found)
    ]
    grid, lengths = Grid(board, out=task.out), Lengths(board, policy, stopping, known=task.known)
    patched = set(grid.numbers(task.patched - task.out))
    flags = np.zeros(len(grid.host_ids), dtype=np.bool_)
    flags[sorted(patched)] = True
    builder = Builder(grid, Spare(grid), policy, flags, begun=task.begun)
    builder.fixed = task.fixed
    order = grid.numbers(task.hosts)
    search = Search(grid, builder, lengths, sorted(patched.union(order)))
    found = search.best(order, task.fixed, task.effort)
    refusals: list[Reason] = []
    if found.draft.stuck:
        found, refusals = _second_look(search, found, task)
    found = dealt(search, found)
    return assemble(grid, lengths, builder, search.chosen(found), task.stops), refusals


def _second_look(search: Search, found: Candidate, task: Task) -> tuple[Candidate, list[Reason]]:
    """Hosts for which there seems to be no way, tried once more move by move; with what is against each."""
    grid, waves = search.grid, list(found.draft.waves)
    board = grid.board.copy()
    for vm, _, target in (hop for wave in waves for hop in wave.hops):
        board.move(grid.vm_ids[vm], grid.host_ids[target])
    stuck = [grid.host_ids[host] for host in found.draft.stuck]
    patched = set(task.patched) | {grid.host_ids[host] for wave in waves for host in wave.hosts}
    while stuck:
        refusals: list[Reason] = []
        for host in stuck:
            order = [other for other in stuck if other != host]
            result = drain(board, (host,), patched=frozenset(patched), order=order, out=task.out)
            if isinstance(result, Reason):
                refusals.append(replace(result, host=host))
                continue
            hops = [(grid.vm_number[vm], grid.host_number[a], grid.host_number[b]) for vm, a, b in result]
            waves.append(DraftWave((grid.host_number[host],), tuple(hops)))
            patched.add(host)
        if len(refusals) == len(stuck):
            break
        stuck = [host for host in stuck if host not in patched]
    if len(waves) == len(found.draft.waves):
        return found, refusals
    return search.again(Draft(tuple(waves), tuple(grid.numbers(stuck)))), refusals if stuck else []
