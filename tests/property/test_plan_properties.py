"""What holds for every plan, whatever the cluster."""

from __future__ import annotations

from dataclasses import replace
from statistics import pstdev
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from random_clusters import clusters, shuffled

from standfast.model.cluster import Disk, Snapshot, VmState
from standfast.model.ids import HostId
from standfast.model.moves import Flight
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.unmovable import Handling, Said
from standfast.plan import blockers
from standfast.plan.board import Board
from standfast.plan.checker import violations
from standfast.plan.drift import basis, compare
from standfast.plan.headroom import reserve
from standfast.plan.make import make_plan
from standfast.plan.place import choose
from standfast.plan.spread import spreading

POLICY = Policy()
ORDINARY = settings(max_examples=80, deadline=None)

PLANTED: tuple[tuple[dict[str, Any], Code], ...] = (
    ({"disks": (Disk("/a", shared=False),)}, Code.VM_LOCAL_DISK),
    ({"passthrough": ("gpu",)}, Code.VM_PASSTHROUGH),
    ({"state": VmState.PAUSED}, Code.VM_NOT_RUNNING),
    ({"managed_save": True}, Code.VM_MANAGED_SAVE),
    ({"unsupported": ("no",)}, Code.VM_UNSUPPORTED),
)


@ORDINARY
@given(clusters())
def test_a_second_opinion_finds_nothing_wrong(snapshot: Snapshot) -> None:
    assert violations(make_plan(snapshot, POLICY, now=0.0), snapshot) == ()


@ORDINARY
@given(clusters())
def test_vms_dealt_anew_for_slow_links_break_no_rule(snapshot: Snapshot) -> None:
    slow = tuple(replace(host, migration_bits_per_second=5_000_000) for host in snapshot.hosts)
    snapshot = replace(snapshot, hosts=slow)
    assert violations(make_plan(snapshot, POLICY, now=0.0), snapshot) == ()


@ORDINARY
@given(clusters())
def test_every_host_is_done_left_alone_or_refused_and_never_two_of_these(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY, now=0.0)
    done, alone = [step.host for step in plan.steps], [host.host for host in plan.left_alone]
    assert sorted(done + alone) == sorted(host.id for host in snapshot.hosts)
    refused = {reason.host for reason in plan.refusals}
    assert refused == {host.host for host in plan.left_alone if host.reason is not None}


@ORDINARY
@given(clusters())
def test_every_vm_of_a_patched_host_has_left_it_and_the_bound_holds(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY, now=0.0)
    done = {step.host for step in plan.steps}
    moved = {move.vm for move in plan.moves}
    assert all(vm.id in moved for vm in snapshot.vms if vm.host in done)
    assert sum(len(step.moves) for step in plan.steps) >= plan.bounds.moves_at_least
    assert plan.bounds.moves == len(plan.moves) >= plan.bounds.moves_at_least


@ORDINARY
@given(clusters())
def test_memory_never_passes_the_ceiling(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY, now=0.0)
    assert plan.bounds.peak_memory_fraction <= snapshot.rules.memory_ceiling + 1e-9


@ORDINARY
@given(st.data())
def test_the_plan_does_not_depend_on_the_order_of_the_snapshot(data: st.DataObject) -> None:
    snapshot = data.draw(clusters())
    other = data.draw(shuffled(snapshot))
    assert make_plan(other, POLICY, now=0.0) == make_plan(snapshot, POLICY, now=0.0)
    assert compare(basis(snapshot), other) == ()


@ORDINARY
@given(st.data())
def test_a_planted_blocker_is_the_refusal_of_its_host(data: st.DataObject) -> None:
    snapshot = data.draw(clusters().filter(lambda found: bool(found.vms)))
    victim = data.draw(st.sampled_from(snapshot.vms))
    changes, code = data.draw(st.sampled_from(PLANTED))
    vms = tuple(replace(vm, **changes) if vm.id == victim.id else vm for vm in snapshot.vms)
    plan = make_plan(replace(snapshot, vms=vms), POLICY, now=0.0)
    todo = not snapshot.host(victim.host).updates.compliant  # type: ignore[union-attr]
    told = [(reason.code, reason.host) for reason in plan.refusals if reason.vm == victim.id]
    assert ((code, victim.host) in told) is todo
    assert victim.host not in {step.host for step in plan.steps}
    assert all(move.vm != victim.id for move in plan.moves)


@ORDINARY
@given(st.data())
def test_choice_and_reasons_agree(data: st.DataObject) -> None:
    snapshot = data.draw(clusters().filter(lambda found: bool(found.vms)))
    vm = data.draw(st.sampled_from(snapshot.vms))
    others = [host.id for host in snapshot.hosts if host.id != vm.host]
    patched = frozenset(data.draw(st.lists(st.sampled_from(others), unique=True)))
    chosen = choose(snapshot, vm, patched=patched, order=[host.id for host in snapshot.hosts])
    free = {host for host in others if not blockers.of_move(snapshot, vm, host)}
    if isinstance(chosen, Reason):
        assert not free
    else:
        assert chosen in free
        assert chosen in patched or not free & patched


@ORDINARY
@given(st.data())
def test_lifting_and_dropping_leaves_the_board_as_it_was(data: st.DataObject) -> None:
    snapshot = data.draw(clusters().filter(lambda found: bool(found.vms)))
    vm = data.draw(st.sampled_from(snapshot.vms))
    target = data.draw(st.sampled_from([host.id for host in snapshot.hosts if host.id != vm.host]))
    board, before = Board.of(snapshot), Board.of(snapshot)
    board.lift(vm.id, target)
    seen = replace(
        snapshot,
        vms=tuple(replace(one, flight=Flight(target)) if one.id == vm.id else one for one in snapshot.vms),
    )
    assert board.held == Board.of(seen).held
    board.drop(vm.id)
    assert (board.held, board.where, board.flights) == (before.held, before.where, before.flights)
    assert (board.residents, board.incoming, board.names) == (before.residents, before.incoming, before.names)


@ORDINARY
@given(clusters(), st.sampled_from((0.0, 2.0, 5.0, 20.0)))
def test_spreading_never_makes_it_worse_and_comes_to_rest(snapshot: Snapshot, points: float) -> None:
    eligible = frozenset(host.id for host in snapshot.hosts)
    policy = Policy(rebalance_threshold_points=points)
    board = Board.of(snapshot).copy()
    part = [host.id for host in snapshot.hosts if not host.cordoned]
    had_reserve = reserve(board, frozenset()) is None
    last = _deviation_points(board, part)
    told = spreading(snapshot, policy, eligible=eligible)
    for vm, source, target in told.moves:
        assert board.where[vm] == source
        assert blockers.of_move(board, board.vms[vm], target) == ()
        board.move(vm, target)
        now = _deviation_points(board, part)
        assert now < last
        last = now
    assert had_reserve is False or reserve(board, frozenset()) is None
    assert spreading(board, policy, eligible=eligible, still={move[0] for move in told.moves}).moves == ()


def _deviation_points(board: Board, hosts: list[HostId]) -> float:
    return pstdev(100 * board.settled_fraction(host) for host in hosts) if hosts else 0.0


@ORDINARY
@given(clusters(), st.data())
def test_vms_that_stay_are_stopped_only_with_a_word_and_are_never_moved(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    local = {vm.id for vm in snapshot.vms if data.draw(st.integers(0, 3)) == 0}
    vms = tuple(
        replace(vm, disks=(Disk("/a", shared=False),)) if vm.id in local else vm for vm in snapshot.vms
    )
    words = {
        vm.id: Said(vm.id, data.draw(st.sampled_from(list(Handling))), "alice", 0.0, "test")
        for vm in snapshot.vms
        if data.draw(st.integers(0, 3))
    }
    snapshot = replace(snapshot, vms=vms)
    plan = make_plan(snapshot, POLICY, now=0.0, said=words)
    assert violations(plan, snapshot) == ()
    others = {vm.id: {host.id for host in snapshot.hosts} - {vm.host} for vm in vms}
    pinned = {pin.vm for pin in snapshot.rules.pins if not others.get(pin.vm, set()) & pin.hosts}
    stay = local | pinned
    stops = {stop.vm: stop for step in plan.steps for stop in step.stops}
    assert stops.keys() <= stay & words.keys()
    assert not stay & {move.vm for move in plan.moves}
    assert all(stop.said == words[vm] for vm, stop in stops.items())
    assert all(words[vm].handling is not Handling.SKIP for vm in stops)
