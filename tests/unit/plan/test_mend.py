"""What `balance` mends before it evens anything out."""

from __future__ import annotations

import pytest
from small_clusters import apart, cluster, host, host_id, pin, vm

from standfast.model.cluster import Snapshot
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan
from standfast.plan.checker import violations

GIB = 1024
HOSTS = [host(number) for number in range(1, 5)]
ANY = 100.0  # points: nothing is to be evened out


def mended(snapshot: Snapshot, **how: object) -> Plan:
    plan = balance_plan(snapshot, Policy(), now=0.0, goal=ANY, **how)  # type: ignore[arg-type]
    assert violations(plan, snapshot) == ()
    assert plan.balance is not None
    assert plan.balance.mending_moves == len(plan.rebalance)
    return plan


def moved(plan: Plan) -> dict[str, object]:
    return {move.vm_name: move.target for move in plan.rebalance}


def test_a_vm_goes_to_the_emptiest_host_of_its_pin() -> None:
    vms = [vm("a", 1), vm("b", 2, GIB), vm("c", 3, GIB // 2)]
    assert moved(mended(cluster(HOSTS, vms, pins=(pin("a", 2, 3),)))) == {"a": host_id(3)}


def test_it_leaves_a_cordoned_host_against_which_its_pin_is() -> None:
    vms = [vm("a", 1), vm("b", 2, GIB)]
    there = cluster([host(1, cordoned=True), *HOSTS[1:]], vms, pins=(pin("a", 2, 3, 4),))
    assert moved(mended(there)) == {"a": host_id(3)}


def test_nothing_is_moved_off_a_host_that_can_not_be_reached() -> None:
    there = cluster([host(1, reachable=False), *HOSTS[1:]], [vm("a", 1)], pins=(pin("a", 2),))
    assert moved(mended(there)) == {}


def test_of_mates_on_one_host_all_but_the_largest_leave_to_hosts_of_their_own() -> None:
    vms = [vm("a", 1, GIB), vm("b", 1, GIB // 2), vm("c", 1, GIB // 4), vm("d", 2, GIB // 4)]
    there = cluster(HOSTS, vms, anti_affinity=(apart("web", "a", "b", "c"),))
    assert moved(mended(there)) == {"c": host_id(3), "b": host_id(4)}


def test_a_mate_that_can_not_be_moved_stays_and_the_other_goes() -> None:
    vms = [vm("a", 1, GIB), vm("b", 1, GIB // 4, passthrough=("gpu",))]
    assert set(moved(mended(cluster(HOSTS, vms, anti_affinity=(apart("web", "a", "b"),))))) == {"a"}


def test_a_host_above_its_ceiling_gives_the_smallest_vm_that_is_enough() -> None:
    vms = [vm("a", 1, 3 * GIB), vm("b", 1, GIB // 2), vm("c", 1, GIB // 4)]  # 3.75 of 3.6 GiB
    assert set(moved(mended(cluster(HOSTS, vms)))) == {"c"}


def test_pins_are_mended_first_where_the_budget_is_too_small_for_all() -> None:
    vms = [vm("a", 1), vm("b", 1), vm("c", 2)]
    rules = {"anti_affinity": (apart("web", "a", "b"),), "pins": (pin("c", 3),)}
    assert set(moved(mended(cluster(HOSTS, vms, **rules), most_moves=1))) == {"c"}


def test_what_can_not_be_mended_stays_and_is_told() -> None:
    held = {"passthrough": ("gpu",)}
    full = [vm("b", 2, 3 * GIB, **held), vm("c", 2, GIB // 2, **held)]  # host2, and nobody can leave it
    vms = [vm("a", 1), *full, vm("d", 3)]
    plan = mended(cluster(HOSTS, vms, pins=(pin("a", 2), pin("d", 1))))
    assert moved(plan) == {"d": host_id(1)}
    assert [reason.vm for reason in plan.warnings] == [vms[0].id], "what is mended is not warned of"


@pytest.mark.parametrize("goal", [0.0, 5.0])
def test_evening_out_comes_after_and_undoes_nothing(goal: float) -> None:
    vms = [vm(f"a{number}", 1, GIB // 4) for number in range(10)] + [vm("b", 2, GIB // 4)]
    there = cluster(HOSTS, vms, pins=(pin("b", 1),), anti_affinity=(apart("web", "a0", "a1"),))
    plan = balance_plan(there, Policy(), now=0.0, goal=goal)
    assert violations(plan, there) == ()
    assert plan.balance is not None
    assert plan.balance.mending_moves == 2
    assert [move.vm_name for move in plan.rebalance].count("b") == 1
    assert moved(plan)["b"] == host_id(1)
    assert plan.balance.points_after < plan.balance.points_before


def test_another_leaves_the_only_host_of_a_pin_for_a_vm_that_has_no_room_there() -> None:
    vms = [vm("a", 1, 2 * GIB), vm("b", 2, GIB), vm("c", 2, GIB + 512), vm("d", 3, GIB)]
    plan = mended(cluster(HOSTS, vms, pins=(pin("a", 2),), reserve_hosts=0))
    assert moved(plan) == {"b": host_id(4), "a": host_id(2)}
    assert [move.vm_name for move in plan.rebalance] == ["b", "a"]
    first, second = plan.rebalance
    assert first.start_seconds is not None
    assert second.start_seconds is not None
    assert second.start_seconds >= first.start_seconds + first.predicted.brownout_seconds


def test_nobody_leaves_for_it_where_that_takes_more_than_one_or_more_moves_than_are_left() -> None:
    small = [vm(f"s{number}", 2, 768) for number in range(4)]
    there = cluster(HOSTS, [vm("a", 1, 3 * GIB), *small], pins=(pin("a", 2),), reserve_hosts=0)
    assert moved(mended(there)) == {}
    vms = [vm("a", 1, 2 * GIB), vm("b", 2, GIB), vm("c", 2, GIB + 512)]
    there = cluster(HOSTS, vms, pins=(pin("a", 2),), reserve_hosts=0)
    assert moved(mended(there, most_moves=1)) == {}
