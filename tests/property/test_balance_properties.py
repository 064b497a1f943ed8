"""Balancing: never less even, never against a rule, within its budget, and done when it is done."""

from __future__ import annotations

from dataclasses import replace
from statistics import pstdev

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_clusters import broken_clusters, clusters, shuffled

from standfast.model.cluster import Snapshot, VmState
from standfast.model.errors import RefusedError
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan
from standfast.plan.checker import violations

GOALS = st.sampled_from((0.0, 1.0, 5.0, 10.0))


def carried_out(plan: Plan, snapshot: Snapshot) -> Snapshot:
    target = {move.vm: move.target for move in plan.rebalance}
    return replace(snapshot, vms=tuple(replace(vm, host=target.get(vm.id, vm.host)) for vm in snapshot.vms))


def points(snapshot: Snapshot) -> float:
    """The score, told apart from the code under test."""
    takers = [host for host in snapshot.hosts if host.reachable and not host.cordoned]
    held = {host.id: 0 for host in snapshot.hosts}
    for vm in snapshot.vms:
        held[vm.host] += vm.memory_bytes if vm.state is VmState.RUNNING else 0
    return pstdev(100 * held[host.id] / host.memory_bytes for host in takers) if takers else 0.0


@given(clusters(), GOALS)
def test_hosts_are_never_less_even_and_no_rule_is_broken(snapshot: Snapshot, goal: float) -> None:
    plan = balance_plan(snapshot, Policy(), now=0.0, goal=goal)
    assert plan.balance is not None
    assert violations(plan, snapshot) == ()
    before, after = points(snapshot), points(carried_out(plan, snapshot))
    assert after <= before + 1e-9
    assert abs(plan.balance.points_before - before) < 0.001
    assert abs(plan.balance.points_after - after) < 0.001
    assert (not plan.rebalance) or before > goal
    assert not (plan.rebalance and plan.refusals)


@given(clusters(), st.integers(1, 4))
def test_the_budget_is_kept_and_each_vm_moved_once(snapshot: Snapshot, budget: int) -> None:
    plan = balance_plan(snapshot, Policy(), now=0.0, goal=0.0, most_moves=budget)
    assert len(plan.rebalance) <= budget
    assert len({move.vm for move in plan.rebalance}) == len(plan.rebalance)


@given(clusters(), GOALS)
def test_after_reaching_its_goal_nothing_is_moved_again(snapshot: Snapshot, goal: float) -> None:
    plan = balance_plan(snapshot, Policy(), now=0.0, goal=goal)
    assert plan.balance is not None
    if not plan.balance.why_no_more and not plan.refusals:
        assert balance_plan(carried_out(plan, snapshot), Policy(), now=0.0, goal=goal).rebalance == ()


@given(st.data())
def test_the_order_in_which_a_cluster_is_told_does_not_matter(data: st.DataObject) -> None:
    snapshot = data.draw(clusters())
    plan = balance_plan(snapshot, Policy(), now=0.0)
    assert balance_plan(data.draw(shuffled(snapshot)), Policy(), now=0.0).rebalance == plan.rebalance


def broken(snapshot: Snapshot) -> set[tuple[str, ...]]:
    """Broken pins, and pairs of mates on one host, told apart from the code under test."""
    at = {vm.id: vm.host for vm in snapshot.vms}
    found = {("pin", vm) for vm, hosts in snapshot.rules.pins_of.items() if at[vm] not in hosts}
    pairs = {
        ("pair", *sorted((one, other)))
        for rule in snapshot.rules.anti_affinity
        for one in rule.vms
        for other in rule.vms - {one}
        if at[one] == at[other]
    }
    return found | pairs


@settings(max_examples=50)
@given(broken_clusters())
def test_broken_rules_are_mended_and_none_is_broken_for_it(snapshot: Snapshot) -> None:
    try:
        plan = balance_plan(snapshot, Policy(), now=0.0, goal=100.0)
    except RefusedError:
        assume(False)
    before, after = broken(snapshot), broken(carried_out(plan, snapshot))
    assert violations(plan, snapshot) == ()
    assert after <= before
    assert bool(plan.rebalance) == (after != before), "a move for nothing, or none for something"
    told = {str(warning) for warning in plan.warnings}
    assert plan.refusals or bool(after) == bool(told)
