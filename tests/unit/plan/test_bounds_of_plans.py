"""The figures of a plan are the same each time, to the last bit: its digest hangs on them."""

from __future__ import annotations

from small_clusters import cluster, host, vm

from standfast.model.policy import Policy
from standfast.plan.board import Board
from standfast.plan.bounds import time_bounds, turns
from standfast.plan.lengths import Lengths

MADE = cluster(
    [host(number) for number in range(1, 8)],
    [vm(f"vm{number}", number, 100 + 37 * number) for number in range(1, 8)],
)


def test_bounds_do_not_hang_on_the_order_in_which_hosts_are_named() -> None:
    board = Board.of(MADE)
    lengths = Lengths(board, Policy())
    hosts = [each.id for each in MADE.hosts]
    assert list(turns(board, lengths, hosts)) == list(turns(board, lengths, hosts[::-1]))
    assert time_bounds(board, lengths, hosts) == time_bounds(board, lengths, hosts[::-1])


def test_moves_that_are_alike_share_a_prediction_and_others_do_not() -> None:
    twins = cluster([host(1), host(2), host(3)], [vm("a", 1), vm("b", 2), vm("c", 1, 640)])
    lengths = Lengths(Board.of(twins), Policy())
    one, two, three = (each.id for each in twins.hosts)
    a, b, c = (each.id for each in twins.vms)
    assert lengths.way(a, one, two) is lengths.way(b, two, three)
    assert lengths.way(a, one, two) is not lengths.way(c, one, two)
    assert lengths.way(a, one, two).seconds(2.0) > lengths.way(a, one, two).seconds()
    assert lengths.shortest(a, one) == lengths.way(a, one, two).seconds()
