"""Where a VM goes, in which order hosts go, and whether the reserve holds."""

from __future__ import annotations

import pytest
from small_clusters import apart, cluster, host, host_id, pin, vm

from standfast.model.cluster import Snapshot
from standfast.model.reasons import Code, Reason
from standfast.plan.board import Board
from standfast.plan.headroom import held_bytes, reserve
from standfast.plan.order import order
from standfast.plan.place import choose

HOSTS = [host(number) for number in range(1, 5)]
ORDER = tuple(host_id(number) for number in range(1, 5))
NOBODY: frozenset[str] = frozenset()


def test_the_least_loaded_patched_host_comes_first() -> None:
    there = cluster(HOSTS, [vm("web", 1), vm("a", 2, 600), vm("b", 3, 500)])
    chosen = choose(there, there.vms[0], patched=frozenset({host_id(2), host_id(3)}), order=ORDER)
    assert chosen == host_id(3)


def test_load_is_a_share_of_memory() -> None:
    there = cluster([host(1), host(2, memory_bytes=2 * 1024**3), host(3)], [vm("web", 1), vm("a", 3, 300)])
    assert choose(there, there.vms[0], patched=frozenset({host_id(2), host_id(3)})) == host_id(2)
    busier = cluster([host(1), host(2, memory_bytes=2 * 1024**3), host(3)], [vm("web", 1), vm("a", 3, 100)])
    assert choose(busier, busier.vms[0], patched=frozenset({host_id(2), host_id(3)})) == host_id(3)


def test_without_a_patched_host_it_is_the_one_whose_turn_is_last() -> None:
    there = cluster(HOSTS, [vm("web", 1), vm("a", 4, 900)])
    assert choose(there, there.vms[0], patched=frozenset(), order=ORDER) == host_id(4)


def test_a_host_that_will_not_be_drained_is_better_than_the_last_one() -> None:
    there = cluster(HOSTS, [vm("web", 1)])
    assert choose(there, there.vms[0], patched=frozenset(), order=(ORDER[0], ORDER[2], ORDER[3])) == ORDER[1]


def test_hosts_to_avoid_are_never_chosen() -> None:
    there = cluster(HOSTS, [vm("web", 1)])
    avoid = frozenset({host_id(2), host_id(4)})
    assert choose(there, there.vms[0], patched=frozenset({host_id(2)}), avoid=avoid, order=ORDER) == host_id(
        3
    )


def test_a_choice_made_a_moment_ago_counts_for_the_next() -> None:
    there = cluster(HOSTS, [vm("a", 1, 2000), vm("b", 1, 2000)])
    board = Board.of(there)
    patched = frozenset({host_id(2), host_id(3)})
    first = choose(board, there.vms[0], patched=patched)
    assert first == host_id(2)
    board.lift(there.vms[0].id, host_id(2))
    assert choose(board, there.vms[1], patched=patched) == host_id(3)


def test_no_target_says_what_each_host_has_against_the_vm() -> None:
    there = cluster(
        [host(1), host(2, cordoned=True, cordoned_by="anna"), host(3, networks=frozenset()), host(4)],
        [vm("web", 1), vm("dag", 4)],
        anti_affinity=(apart("quorum", "web", "dag"),),
    )
    reason = choose(there, there.vms[0], patched=frozenset(), order=ORDER)
    assert isinstance(reason, Reason)
    assert reason.code is Code.NO_TARGET
    assert reason.sentence == (
        "No host can take web (160 MiB) from host1: host2 is cordoned by anna and takes no VMs; "
        "host3 lacks network lan of web; web may not share host4 with dag (rule quorum)."
    )


def test_the_host_with_the_fewest_vms_goes_first_then_the_least_memory_then_the_name() -> None:
    there = cluster(HOSTS, [vm("a", 4), vm("b", 3, 700), vm("c", 2), vm("d", 2), vm("e", 1, 160)])
    assert order(there, [one.id for one in HOSTS]) == (ORDER[0], ORDER[3], ORDER[2], ORDER[1])


def test_held_memory_counts_both_ends() -> None:
    there = cluster(HOSTS, [vm("a", 1, 100)])
    board = Board.of(there)
    board.lift(there.vms[0].id, host_id(2))
    held = held_bytes(board)
    assert held[host_id(1)] == held[host_id(2)] == 100 * 1024**2
    board.drop(there.vms[0].id)
    assert held_bytes(board)[host_id(2)] == 0


def two_left(mebibytes: int) -> Snapshot:
    return cluster(HOSTS[:3], [vm("a", 1, mebibytes), vm("b", 2, mebibytes), vm("c", 3, mebibytes)])


@pytest.mark.parametrize(("mebibytes", "holds"), [(1365, True), (1366, False)])
def test_after_a_loss_a_host_may_be_filled_to_the_brim(mebibytes: int, holds: bool) -> None:
    """3 × 1365 MiB are 4095 MiB of 4096: above the ceiling of planned work, and enough to start all VMs."""
    assert (reserve(two_left(mebibytes), frozenset({host_id(1)})) is None) is holds


def test_the_reserve_is_for_hosts_besides_those_that_are_out() -> None:
    there = two_left(2000)
    assert reserve(there, frozenset()) is None
    reason = reserve(there, frozenset({host_id(1)}))
    assert reason is not None
    assert reason.code is Code.NO_RESERVE
    assert reason.sentence.startswith("With host1 out, losing host2 would leave no room for ")


def test_nothing_is_in_reserve_where_nobody_is_left() -> None:
    there = cluster(HOSTS[:2], [vm("a", 1)])
    assert reserve(there, frozenset({host_id(1)})) is not None
    assert reserve(cluster(HOSTS[:2], [vm("a", 1)], reserve_hosts=0), frozenset({host_id(1)})) is None
    assert reserve(cluster(HOSTS[:2], []), frozenset({host_id(1)})) is None


def test_anti_affinity_holds_after_a_loss_too() -> None:
    rule = (apart("dag", "a", "b", "c"),)
    there = cluster(HOSTS[:3], [vm("a", 1), vm("b", 2), vm("c", 3)], anti_affinity=rule)
    assert reserve(there, frozenset()) is not None
    four = cluster(HOSTS, [vm("a", 1), vm("b", 2), vm("c", 3)], anti_affinity=rule)
    assert reserve(four, frozenset()) is None


def test_a_vm_that_only_the_lost_host_could_run_is_left_out() -> None:
    there = cluster(HOSTS, [vm("a", 1)], pins=(pin("a", 1),))
    assert reserve(there, frozenset()) is None


def test_cordoned_hosts_take_nobody_after_a_loss() -> None:
    hosts = [host(1), host(2, cordoned=True), host(3, memory_bytes=1024**3)]
    assert reserve(cluster(hosts, [vm("a", 1, 2000)]), frozenset()) is not None


def test_a_tight_fit_is_found_by_best_fit_decreasing() -> None:
    """Gaps of 1000, 700 and 300 MiB take 1000, 700 and 300 in no other way."""
    gaps = (1000, 700, 300)
    hosts = [host(1), *(host(number) for number in range(2, 5))]
    residents = [vm(f"r{number}", number, 4096 - gap) for number, gap in zip(range(2, 5), gaps, strict=True)]
    lost = [vm("s", 1, 300), vm("m", 1, 700), vm("l", 1, 1000)]
    there = cluster(hosts, [*residents, *lost], reserve_hosts=0)
    assert reserve(there, frozenset({host_id(1)})) is None
    more = cluster(hosts, [*residents, *lost, vm("x", 1, 1)], reserve_hosts=0)
    assert reserve(more, frozenset({host_id(1)})) is not None
