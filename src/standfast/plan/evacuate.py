"""The plan to empty one host as fast as its links allow, for hardware that is failing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.ids import HostId
from standfast.model.moves import Prediction, Purpose
from standfast.model.plan import (
    SCHEMA_VERSION,
    Bounds,
    HostStep,
    LeftAlone,
    Plan,
    PlanKind,
    PlannedMove,
    Wave,
)
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.plan import blockers
from standfast.plan.board import Board
from standfast.plan.drift import basis
from standfast.plan.headroom import reserve
from standfast.plan.lengths import move_seconds, move_seconds_p95
from standfast.plan.place import choose
from standfast.plan.triage import cordoned
from standfast.predict.precopy import predict_move
from standfast.predict.together import Flow, at_share, between, last_end


def urgency(snapshot: Snapshot, vm: Vm) -> tuple[object, ...]:
    """Sorts VMs of a failing host: by priority, then the quickest first, so that most are safe soonest."""
    priority = dict(snapshot.rules.priorities).get(vm.id, 0)
    return (-priority, vm.memory_bytes, vm.name, vm.id)


def evacuation(
    snapshot: Snapshot, policy: Policy, host: HostId, *, now: float, spend_reserve: bool = False
) -> Plan:
    """The plan, with one step and no updates. VMs that can't go are warnings: the others go all the same.

    Refused where the host can't be asked or is cordoned by somebody else, and where no room for the loss of
    another host would be left, unless `spend_reserve` accepts that. KeyError if the cluster has no such host.
    """
    about = snapshot.host(host)
    board = Board.of(snapshot).copy()
    ways: list[tuple[Vm, HostId]] = []
    warnings: list[Reason] = []
    for vm in sorted(board.on(host), key=lambda vm: urgency(snapshot, vm)):
        target = next(iter(blockers.of_vm(vm)), None) or choose(
            board, vm, patched=frozenset(), avoid=frozenset({host})
        )
        if isinstance(target, Reason):
            warnings.append(target)
            continue
        ways.append((vm, target))
        board.move(vm.id, target)
    moves, drain = _flown(snapshot, policy, about, ways)
    lacking = reserve(board, frozenset({host}))
    refusals = list(_against(snapshot, host))
    if lacking is not None and not spend_reserve:
        refusals.append(replace(lacking, mend="Accept that with --spend-reserve.", host=host))
    elif lacking is not None:
        warnings.append(replace(lacking, mend="You accepted that.", host=host))
    step = _step(about, moves, drain)
    return Plan(
        schema_version=SCHEMA_VERSION,
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        created_at=now,
        basis=basis(snapshot, touched=frozenset()),
        waves=(Wave((step,)),),
        rebalance=(),
        left_alone=tuple(
            LeftAlone(other.id, other.name, Reason(Code.OPERATOR, f"{other.name} is not evacuated."))
            for other in sorted(snapshot.hosts, key=lambda other: (other.name, other.id))
            if other.id != host
        ),
        refusals=tuple(refusals),
        warnings=tuple(warnings),
        bounds=Bounds(len(board.on(host)) + len(moves), len(moves), board.peak_fraction),
        predicted_seconds=step.seconds,
        predicted_p95_seconds=step.p95_seconds,
        policy=policy,
        kind=PlanKind.EVACUATE,
        spends_reserve=spend_reserve,
        learnt=snapshot.learnt,
    )


def _against(snapshot: Snapshot, host: HostId) -> Iterator[Reason]:
    about = snapshot.host(host)
    if not about.reachable or about.facts is None:
        why = f" ({about.unreachable_why})" if about.unreachable_why else ""
        yield Reason(
            Code.HOST_UNREACHABLE,
            f"{about.name} can't be asked{why}, and nothing can be moved off a host that can't.",
            "Bring it back, or start its VMs elsewhere once it is sure to be off.",
            host=host,
        )
    elif about.cordoned:
        yield cordoned(about)


def _flown(
    snapshot: Snapshot, policy: Policy, source: Host, ways: list[tuple[Vm, HostId]]
) -> tuple[list[PlannedMove], float]:
    """The moves with the share of the host's link that each will have, and seconds until all have ended."""

    def at(vm: Vm, target: HostId, share: float) -> Prediction:
        return predict_move(
            vm,
            source,
            snapshot.host(target),
            share=share,
            auto_converge=policy.auto_converge,
            learnt=snapshot.learnt,
        )

    def flow(vm: Vm, target: HostId) -> Flow:
        return Flow(source.id, target, lambda share: move_seconds(at(vm, target, share)))

    flows = [flow(*way) for way in ways]
    flown = between(snapshot.hosts, flows, at_once=policy.moves_at_once)
    moves = [
        PlannedMove(
            vm.id,
            vm.name,
            source.id,
            target,
            Purpose.EVACUATE,
            at_share(at(vm, target, 1.0), at(vm, target, each.share), each),
        )
        for (vm, target), each in zip(ways, flown, strict=True)
    ]
    return moves, last_end(flown)


def _step(about: Host, moves: list[PlannedMove], drain: float) -> HostStep:
    usual = sum(move_seconds(move.predicted) for move in moves)
    slow = sum(move_seconds_p95(move.predicted) for move in moves)
    return HostStep(
        host=about.id,
        name=about.name,
        moves=tuple(moves),
        pending=(),
        reboot=False,
        drain_seconds=drain,
        patch_seconds=0.0,
        reboot_seconds=0.0,
        verify_seconds=0.0,
        p95_seconds=drain * slow / usual if usual > 0 else 0.0,
    )
