"""The last spreading."""

from __future__ import annotations

from statistics import pstdev

import pytest
from small_clusters import apart, changed_host, cluster, host, host_id, vm, vm_id

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight
from standfast.model.policy import Policy
from standfast.plan.board import Board
from standfast.plan.spread import spreading

HOSTS = [host(number) for number in range(1, 5)]
ALL = frozenset(one.id for one in HOSTS)

Step = tuple[VmId, HostId, HostId]


def spread(there: Snapshot | Board, policy: Policy, *, eligible: frozenset[HostId]) -> tuple[Step, ...]:
    return spreading(there, policy, eligible=eligible).moves


def deviation_points(there: Snapshot | Board, hosts: list[HostId]) -> float:
    """Told apart from the code under test, from the hosts' memory alone."""
    board = Board.of(there)
    return pstdev(100 * board.settled_fraction(one) for one in hosts)


def after(snapshot: Snapshot, steps: tuple[Step, ...]) -> Board:
    board = Board.of(snapshot).copy()
    for moved, _, target in steps:
        board.move(moved, target)
    return board


def test_an_even_cluster_is_left_as_it_is() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", number) for number in range(1, 5)])
    assert spread(there, Policy(), eligible=ALL) == ()


def test_an_empty_host_gets_its_share_by_one_move() -> None:
    vms = [vm(f"v{number}", 1 + number % 3) for number in range(9)]
    there = cluster(HOSTS, vms)
    (step,) = spread(there, Policy(), eligible=ALL)
    assert step[2] == host_id(4)


def test_an_empty_host_stays_empty_where_no_other_holds_two() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", number) for number in range(1, 4)])
    assert spread(there, Policy(), eligible=ALL) == ()


def test_moves_go_on_until_the_deviation_is_low_enough() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 300) for number in range(8)])
    steps = spread(there, Policy(rebalance_threshold_points=5.0), eligible=ALL)
    hosts = [one.id for one in HOSTS]
    assert deviation_points(there, hosts) > 20
    assert deviation_points(after(there, steps), hosts) <= 5.0
    assert len(steps) == 6 or len(steps) == 5
    for dropped in range(len(steps)):
        fewer = steps[:dropped] + steps[dropped + 1 :]
        board = after(there, fewer)
        assert deviation_points(board, hosts) > 5.0 or any(not board.residents[one] for one in hosts)


def test_each_move_makes_it_better() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 100 + 37 * number) for number in range(8)])
    hosts = [one.id for one in HOSTS]
    last = deviation_points(there, hosts)
    steps = spread(there, Policy(rebalance_threshold_points=0.0), eligible=ALL)
    for count in range(1, len(steps) + 1):
        now = deviation_points(after(there, steps[:count]), hosts)
        assert now < last
        last = now


def test_a_host_that_is_not_eligible_neither_gives_nor_takes() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 400) for number in range(8)])
    for step in spread(there, Policy(), eligible=ALL - {host_id(2)}):
        assert host_id(2) not in step[1:]
    assert spread(there, Policy(), eligible=ALL - {host_id(1)}) == ()


@pytest.mark.parametrize("changes", [{"reachable": False}, {"cordoned": True}])
def test_unreachable_and_cordoned_hosts_take_no_part(changes: dict[str, bool]) -> None:
    there = changed_host(cluster(HOSTS, [vm(f"v{number}", 1, 300) for number in range(8)]), 3, **changes)
    steps = spread(there, Policy(), eligible=ALL)
    assert steps
    assert all(host_id(3) not in step[1:] for step in steps)


def test_rules_hold_in_the_spreading() -> None:
    there = cluster(
        [*HOSTS[:2], host(3, networks=frozenset()), host(4)],
        [*(vm(f"v{number}", 1, 500) for number in range(6)), vm("dag1", 1), vm("dag2", 2)],
        anti_affinity=(apart("dag", "dag1", "dag2"),),
    )
    steps = spread(there, Policy(), eligible=ALL)
    assert steps
    assert all(step[2] != host_id(3) for step in steps)
    assert (vm_id("dag1"), host_id(1), host_id(2)) not in steps


def test_a_vm_on_its_way_counts_where_it_will_be() -> None:
    """Else a run that asks again while the one move is under way would order a second."""
    vms = [vm(f"v{number}", 1 + number % 3) for number in range(9)]
    there = cluster(HOSTS, vms)
    ((moved, _, target),) = spread(there, Policy(), eligible=ALL)
    flying = [
        vm(one.name, int(one.host[-1]), flight=Flight(target)) if one.id == moved else one for one in vms
    ]
    assert spread(cluster(HOSTS, flying), Policy(), eligible=ALL) == ()


def test_what_was_spread_needs_no_more_spreading() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 100 + 37 * number) for number in range(8)])
    board = after(there, spread(there, Policy(), eligible=ALL))
    assert spread(board, Policy(), eligible=ALL) == ()


def test_without_a_reserve_nothing_is_moved() -> None:
    there = cluster(HOSTS[:2], [vm("a", 1, 1500), vm("b", 1, 1500), vm("c", 2, 1500)])
    assert spread(there, Policy(), eligible=ALL) == ()


def test_a_vm_that_shall_stay_is_not_moved() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1 + number % 3) for number in range(9)])
    ((moved, _, _),) = spread(there, Policy(), eligible=ALL)
    others = spreading(there, Policy(), eligible=ALL, still={moved}).moves
    assert [step[0] == moved for step in others] == [False]


def test_a_budget_of_moves_is_kept_and_spent_on_the_best_ones() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 300) for number in range(8)])
    free = spreading(there, Policy(), eligible=ALL)
    bounded = spreading(there, Policy(), eligible=ALL, most_moves=2)
    assert bounded.moves == free.moves[:2]
    assert free.points_before == bounded.points_before > bounded.points_after > free.points_after


def test_what_is_told_of_the_deviation_is_what_the_moves_make_of_it() -> None:
    there = cluster(HOSTS, [vm(f"v{number}", 1, 300) for number in range(8)])
    told, hosts = spreading(there, Policy(), eligible=ALL), [one.id for one in HOSTS]
    assert told.points_before == pytest.approx(deviation_points(there, hosts))
    assert told.points_after == pytest.approx(deviation_points(after(there, told.moves), hosts))
