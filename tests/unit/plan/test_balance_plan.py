"""Which moves `balance` thinks worth their cost."""

from __future__ import annotations

import pytest
from bench.generated import fleet
from bench.rebalance import points
from small_clusters import apart, cluster, host, host_id, pin, vm

from standfast.model.cluster import Snapshot
from standfast.model.plan import Plan, PlanKind
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan, goal_points
from standfast.plan.checker import violations

GIB = 1024
HOSTS = [host(number) for number in range(1, 5)]


def hot(**rules: object) -> Snapshot:
    """Four hosts of 4 GiB; the first holds 3 GiB, the others a quarter of one each."""
    vms = [vm(f"a{number}", 1, GIB // 4) for number in range(12)]
    return cluster(HOSTS, [*vms, *(vm(f"b{number}", number, GIB // 4) for number in (2, 3, 4))], **rules)


def made(snapshot: Snapshot, **how: object) -> Plan:
    plan = balance_plan(snapshot, Policy(), now=0.0, **how)  # type: ignore[arg-type]
    assert violations(plan, snapshot) == ()
    return plan


def test_a_hot_host_gives_to_the_others_until_the_goal_is_reached() -> None:
    plan = made(hot())
    assert plan.kind is PlanKind.BALANCE
    assert plan.steps == ()
    assert plan.balance is not None
    assert plan.balance.points_after <= plan.balance.goal_points == 5.0 < plan.balance.points_before
    assert {move.source for move in plan.rebalance} == {host_id(1)}
    assert plan.balance.memory_bytes >= plan.balance.memory_bytes_at_least > 0
    assert plan.balance.wire_bytes >= plan.balance.memory_bytes
    assert plan.balance.why_no_more == ""


def test_moves_that_do_not_touch_each_other_are_planned_at_once() -> None:
    starts = [move.start_seconds for move in made(hot()).rebalance]
    assert starts == sorted(starts, key=float)  # type: ignore[arg-type]
    assert starts[0] == 0.0


def test_less_aggressive_means_fewer_moves_and_none_for_a_small_difference() -> None:
    policy = Policy()
    goals = [goal_points(policy, level) for level in range(1, 6)]
    assert goals == sorted(goals, reverse=True)
    numbers = [len(made(hot(), goal=goal).rebalance) for goal in goals]
    assert numbers == sorted(numbers)
    assert numbers[0] < numbers[-1]
    with pytest.raises(KeyError):
        goal_points(policy, 6)


def test_a_vm_whose_memory_has_to_be_sent_often_is_not_worth_moving() -> None:
    busy = cluster(
        HOSTS,
        [
            *(vm(f"a{number}", 1, GIB // 4, dirty_bytes_per_second=90e6) for number in range(6)),
            *(vm(f"c{number}", 1, GIB // 4) for number in range(6)),
            *(vm(f"b{number}", number, GIB // 4) for number in (2, 3, 4)),
        ],
    )
    assert {move.vm_name[0] for move in made(busy).rebalance} == {"c"}


def test_pinned_vms_stay_and_group_mates_do_not_meet() -> None:
    rules = {
        "anti_affinity": (apart("web", "a0", "b2"), apart("db", "a1", "b3", "b4")),
        "pins": (pin("a2", 1), pin("a3", 1, 2)),
    }
    plan = made(hot(**rules), goal=0.0)
    targets = {move.vm_name: move.target for move in plan.rebalance}
    assert "a2" not in targets
    assert targets.get("a0") != host_id(2)
    assert targets.get("a1") not in (host_id(3), host_id(4))


def test_a_host_above_its_ceiling_is_relieved_even_where_hosts_are_even_enough() -> None:
    vms = [vm(f"a{number}", 1, GIB // 4) for number in range(15)]  # 3.75 of 4 GiB
    vms += [vm(f"b{number}", 2 + number % 3, GIB // 4) for number in range(33)]
    there = cluster(HOSTS, vms, reserve_hosts=0)
    plan = made(there, goal=40.0)
    assert [move.source for move in plan.rebalance] == [host_id(1)]


def test_without_room_for_a_loss_nothing_is_moved_and_that_is_refused() -> None:
    vms = [vm(f"a{number}", 1, GIB // 4) for number in range(14)]
    vms += [vm(f"b{number}", 2 + number % 3, GIB // 4) for number in range(36)]
    plan = balance_plan(cluster(HOSTS, vms), Policy(), now=0.0, goal=0.0)
    assert plan.rebalance == ()
    assert [str(reason.code) for reason in plan.refusals] == ["no_reserve"]


def test_a_goal_that_is_reached_but_for_the_last_digit_of_a_sum_is_reached() -> None:
    made_up = fleet(10, 0.34, 1, hot=True, memory_gib=512)
    first = balance_plan(made_up, Policy(), now=0.0, goal=0.3055)
    at = {vm.id: vm.host for vm in made_up.vms} | {move.vm: move.target for move in first.rebalance}
    reached = points(made_up, at)
    again = balance_plan(made_up, Policy(), now=0.0, goal=reached)
    assert first.balance is not None
    assert again.balance is not None
    assert again.balance.memory_bytes == first.balance.memory_bytes
    assert again.balance.why_no_more == ""


def test_one_host_alone_can_not_be_evened_out() -> None:
    alone = cluster(HOSTS[:1], [vm("a", 1, GIB)], reserve_hosts=0)
    assert made(alone).rebalance == ()
