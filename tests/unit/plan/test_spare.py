"""N+1 on arrays: by counting where that is a proof, else by placing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_clusters import apart, cluster, host, pin, vm

from standfast.model.cluster import Snapshot
from standfast.plan.board import Board
from standfast.plan.grid import Grid
from standfast.plan.headroom import reserve
from standfast.plan.spare import Spare

GIB = 1024
HOSTS = [host(number) for number in range(1, 5)]


def lacking(there: Snapshot, *out: int) -> tuple[tuple[int, ...], str] | None:
    """(numbers of the lost hosts, name of the VM without a place), the same in words for `headroom`."""
    grid = Grid(Board.of(there))
    gone = np.isin(np.arange(1, 1 + len(grid.host_ids)), list(out))
    found = Spare(grid).lacking(gone)
    told = reserve(there, frozenset(there.hosts[number - 1].id for number in out))
    assert (found is None) == (told is None), "both say the same of a small cluster"
    if found is None:
        return None
    name = there.vm(grid.vm_ids[found[1]]).name  # type: ignore[union-attr]
    return tuple(number + 1 for number in found[0]), name


def filled(*gib: Sequence[float], **rules: Any) -> Snapshot:
    """On each host VMs of so many GiB, named by host and place: `v1a`, `v1b`, …"""
    vms = [
        vm(f"v{number}{'abcdefgh'[place]}", number, int(size * GIB))
        for number, sizes in enumerate(gib, 1)
        for place, size in enumerate(sizes)
    ]
    return cluster([host(number) for number in range(1, 1 + len(gib))], vms, **rules)


FINE = {
    "half full": filled([2], [2], [2], [2]),
    "exactly enough": filled([1, 1], [1, 1], [3], []),
    "sizes of their own, placed one by one": filled([1.3, 0.9], [2.7], [2.1], [1.1]),
    "no loss is asked for": filled([4], [4], reserve_hosts=0),
    "two losses": filled([1], [1], [1], [1], reserve_hosts=2),
    "a VM that only the lost host could run": filled(
        [2, 2], [1], [1], [1], pins=(pin("v1a", 1), pin("v1b", 1))
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_a_reserve_that_is_there_is_seen(name: str) -> None:
    assert lacking(FINE[name]) is None


def test_the_loss_and_the_vm_without_a_place_are_named() -> None:
    assert lacking(filled([3.5], [1], [1], [1])) == ((1,), "v1a")
    assert lacking(filled([2], [2], [2], [2], reserve_hosts=3)) is not None


def test_a_large_vm_finds_no_place_in_many_small_gaps() -> None:
    assert lacking(filled([3], [2], [2], [2])) == ((1,), "v1a")


def test_mates_count_after_a_loss_too() -> None:
    there = filled([1], [1], [1], anti_affinity=(apart("web", "v1a", "v2a", "v3a"),))
    assert lacking(there) is not None
    assert lacking(filled([1], [1], [1], [1], anti_affinity=(apart("web", "v1a", "v2a", "v3a"),))) is None


def test_a_host_that_is_out_has_its_own_vms_placed_besides() -> None:
    there = filled([2], [2], [2], [])
    assert lacking(there) is None
    assert lacking(there, 4) is None
    assert lacking(filled([2.5], [2], [2], []), 4) is not None
    assert lacking(filled([1], [1], [1], [1]), 1) is None


def test_where_a_vm_in_the_air_will_be_no_mate_of_it_is_placed() -> None:
    """v1a has three hosts to go to; one is full, one has a mate, and to the third another mate flies."""
    there = filled([2], [3.5], [1], [1, 1], anti_affinity=(apart("web", "v1a", "v3a", "v4b"),))
    grid = Grid(Board.of(there))
    spare = Spare(grid)
    assert spare.lacking(grid.out) is not None, "without host 1 mates are on both hosts with room"
    roomy = filled([2], [1], [1], [1, 1], anti_affinity=(apart("web", "v1a", "v3a", "v4b"),))
    grid = Grid(Board.of(roomy))
    spare = Spare(grid)
    assert spare.lacking(grid.out) is None
    spare.ghosts = {grid.vm_number[vm_of(roomy, "v4b")]: 1}
    assert spare.lacking(grid.out) is not None, "host 2 is as good as taken"


def vm_of(there: Snapshot, name: str) -> Any:
    return next(each.id for each in there.vms if each.name == name)


def test_while_the_gaps_are_kept_the_others_may_be_filled_to_the_brim() -> None:
    vms = [vm(f"v{number}", number, GIB) for number in range(1, 31)]
    grid = Grid(Board.of(cluster([host(number) for number in range(1, 41)], vms)))
    spare = Spare(grid)
    kept = spare.gaps(grid.out, 1)
    assert kept.any()
    assert set(np.flatnonzero(kept).tolist()) <= {
        number for number in range(40) if not grid.residents[number]
    }, "the emptiest"
    grid.held[~kept] = grid.capacity[~kept]
    assert spare.lacking(grid.out) is None
