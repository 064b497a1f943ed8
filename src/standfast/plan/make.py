"""The plan: which host when, which VM where, what is refused and why, how long and how few moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.plan import SCHEMA_VERSION, Bounds, LeftAlone, Plan, PlannedMove
from standfast.model.policy import Policy
from standfast.model.reasons import Reason
from standfast.model.unmovable import Said
from standfast.plan import backward, blockers
from standfast.plan.best import Task, best_run
from standfast.plan.blackout import Darkness
from standfast.plan.board import Board
from standfast.plan.bounds import moves_at_least, time_bounds
from standfast.plan.drift import basis
from standfast.plan.finish import too_late
from standfast.plan.order import in_order
from standfast.plan.sane import refuse_contradictions
from standfast.plan.standing import broken_now
from standfast.plan.triage import Triage, triage
from standfast.plan.unmovable import Unmovable


def make_plan(
    snapshot: Snapshot,
    policy: Policy,
    *,
    now: float,
    only: frozenset[HostId] | None = None,
    exclude: frozenset[HostId] = frozenset(),
    first: Sequence[HostId] = (),
    said: Mapping[VmId, Said] = MappingProxyType({}),
    finish_by: float | None = None,
    half_patched: bool = False,
    effort: float = 1.0,
) -> Plan:
    """Plan a run over `snapshot` in waves; `now` is Unix time in seconds and only recorded.

    `first` are hosts whose turn comes before that of all others, in this order. `said` is what was said
    beforehand about VMs that can't be moved. No host will start that may end later than `finish_by` (Unix
    seconds). `half_patched` accepts moves to an older hypervisor. `effort` is the share of the usual tries.

    Every move is placed with all hosts of its wave counted out, so each rule holds in every intermediate
    state. Hosts that can't be done are refused with a reason; the plan is complete for the others and may not
    be applied while there are refusals. The same snapshot gives the same plan. RefusedError where the
    snapshot or its rules contradict themselves.
    """
    refuse_contradictions(snapshot)
    board = Board.of(snapshot)
    warnings = list(broken_now(board))
    unmovable = Unmovable(board, said)
    sorted_out = triage(unmovable, policy, only=only, exclude=exclude)
    stops = {host: unmovable.stops(host) for host in sorted_out.ready}
    board.stays = frozenset(stop.vm for found in stops.values() for stop in found)
    ready = sorted_out.ready
    task = Task(
        in_order(board, ready, first),
        sorted_out.compliant,
        stops,
        fixed=len(set(first) & set(ready)),
        effort=effort,
    )
    made, refusals = best_run(board, policy, task)
    done = frozenset(step.host for wave in made.waves for step in wave.hosts)
    warnings += _about_moves(board, policy, made.moves)
    plan = Plan(
        schema_version=SCHEMA_VERSION,
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        created_at=now,
        basis=basis(snapshot, touched=done),
        waves=made.waves,
        rebalance=made.last,
        left_alone=_left_alone(board, sorted_out, refusals),
        refusals=(*sorted_out.refusals, *refusals),
        warnings=tuple(warnings),
        bounds=Bounds(
            moves_at_least(board, done),
            len(made.moves) + len(made.last),
            made.peak_fraction,
            made.seconds,
            time_bounds(board, made.lengths, done),
        ),
        predicted_seconds=made.seconds + made.last_seconds,
        predicted_p95_seconds=made.seconds_p95 + made.last_seconds_p95,
        policy=policy,
        learnt=snapshot.learnt,
        finish_by=finish_by,
    )
    return _with_doubts(plan, snapshot, half_patched=half_patched)


def _with_doubts(plan: Plan, snapshot: Snapshot, *, half_patched: bool) -> Plan:
    """The plan with what speaks against it as a whole."""
    late = tuple(too_late(plan))
    back = backward.against(plan, snapshot)
    refused = (back,) if back is not None and not half_patched else ()
    warned = (back,) if back is not None and half_patched else ()
    return replace(plan, refusals=plan.refusals + refused, warnings=plan.warnings + late + warned)


def _left_alone(board: Board, sorted_out: Triage, refusals: Sequence[Reason]) -> tuple[LeftAlone, ...]:
    late = [LeftAlone(reason.host, board.name(reason.host), reason) for reason in refusals if reason.host]
    return tuple(sorted((*sorted_out.left_alone, *late), key=lambda alone: (alone.name, alone.host)))


def _about_moves(board: Board, policy: Policy, moves: Sequence[PlannedMove]) -> list[Reason]:
    """What is worth knowing of the VMs that will move: transient ones, those too busy for their budget."""
    found: list[Reason] = []
    darkness = Darkness(board, policy)
    seen: set[VmId] = set()
    for move in moves:
        if move.vm in seen:
            continue
        seen.add(move.vm)
        vm = board.vms[move.vm]
        found += blockers.warnings_of(vm)
        if may_be_dark := darkness.warning(vm, move.predicted):
            found.append(may_be_dark)
    return found
