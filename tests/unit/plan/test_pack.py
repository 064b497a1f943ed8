"""Where all VMs of a wave's hosts go, together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from small_clusters import apart, cluster, host, pin, vm

from standfast.model.cluster import Snapshot
from standfast.plan.board import Board
from standfast.plan.grid import Grid
from standfast.plan.pack import Taste, Wanted, _Packing, empty

HOSTS = [host(number) for number in range(1, 5)]
GIB = 1024
FULL = 3686  # MiB: nine tenths of a host


def emptied(
    there: Snapshot,
    *wave: int,
    patched: Sequence[int] = (),
    turn: Sequence[int] = (-1, -1, -1, -1),
    taste: Taste = Taste.LATE,
    kept: Sequence[int] = (),
) -> dict[str, int] | str:
    """Host number of each VM that is moved, by name; or the name of the one that finds no place."""
    grid = Grid(Board.of(there))
    before = grid.at.tolist()

    def flags(numbers: Sequence[int]) -> Any:
        return np.isin(np.arange(1, 1 + len(grid.host_ids)), list(numbers))

    wanted = Wanted(flags(wave), flags(patched), np.array(turn), taste, flags(kept) if kept else None)
    names = [there.vm(vm_id).name for vm_id in grid.vm_ids]  # type: ignore[union-attr]
    found = empty(grid, [number - 1 for number in wave], wanted)
    if isinstance(found, int):
        assert grid.at.tolist() == before, "what was tried is undone"
        return names[found]
    assert all(int(grid.at[moved]) == target for moved, _, target in found)
    return {names[moved]: target + 1 for moved, _, target in found}


def test_patched_hosts_come_first_then_those_without_a_turn_then_the_last_turn() -> None:
    there = cluster(HOSTS, [vm("a", 1), vm("b", 2, GIB), vm("c", 3, GIB // 2)])
    assert emptied(there, 1, patched=(2,), turn=(0, -1, 1, 2)) == {"a": 2}
    assert emptied(there, 1, turn=(0, 1, -1, 2)) == {"a": 3}
    assert emptied(there, 1, turn=(0, 3, 1, 2)) == {"a": 2}


@pytest.mark.parametrize(("taste", "target"), [(Taste.SPREAD, 4), (Taste.TIGHT, 2)])
def test_a_taste_for_the_least_loaded_or_for_the_fullest_that_has_room(taste: Taste, target: int) -> None:
    there = cluster(HOSTS, [vm("a", 1), vm("b", 2, 2 * GIB), vm("c", 3, GIB)])
    assert emptied(there, 1, turn=(0, 1, 1, 1), taste=taste) == {"a": target}


def test_hosts_that_are_kept_get_a_vm_only_where_no_other_can_take_it() -> None:
    vms = [vm("a", 1, GIB), vm("b", 1, GIB // 2), vm("c", 2, FULL - GIB // 2), vm("d", 3, FULL)]
    assert emptied(cluster(HOSTS, vms), 1, kept=(4,)) == {"a": 4, "b": 2}


def test_nothing_goes_to_a_host_of_the_same_wave_and_what_no_pin_allows_is_named() -> None:
    there = cluster(HOSTS, [vm("a", 1), vm("b", 2), vm("c", 1)], pins=(pin("c", 1, 2),))
    assert emptied(there, 1, 2) == "c"
    assert emptied(there, 1) == {"a": 3, "c": 2}


def test_one_that_was_placed_makes_room_for_one_that_can_go_nowhere_else() -> None:
    """All have three hosts to choose from, so the larger goes first, into the only gap of the smaller one."""
    hosts = [host(1), host(2), host(3, memory_bytes=2 * 1024**3)]
    vms = [vm("large", 1, GIB), vm("x", 2, 2 * GIB), vm("mate", 3, 10), vm("small", 1, GIB - 200)]
    there = cluster(hosts, [*vms, vm("y", 2, 200)], anti_affinity=(apart("web", "mate", "small"),))
    assert emptied(there, 1, turn=(-1, -1, -1)) == {"large": 3, "small": 2}


def test_mates_of_one_host_part() -> None:
    there = cluster(HOSTS, [vm("a", 1), vm("b", 1), vm("c", 1)], anti_affinity=(apart("web", "a", "b"),))
    found = emptied(there, 1)
    assert isinstance(found, dict)
    assert found["a"] != found["b"]


def test_without_room_for_all_nothing_is_moved() -> None:
    vms = [vm("a", 1, 2 * GIB), *(vm(f"x{number}", number, 2 * GIB) for number in (2, 3, 4))]
    assert emptied(cluster(HOSTS, vms), 1) == "a"


@pytest.mark.parametrize("taste", [Taste.LATE, Taste.SPREAD])
@pytest.mark.parametrize("keeping", [False, True])
def test_shelves_name_the_host_that_a_look_at_all_hosts_would(taste: Taste, keeping: bool) -> None:
    """Over a wave of 30 hosts with pairs, one patched third and hosts whose turn is now or later."""
    hosts = [host(number) for number in range(1, 31)]
    vms = [vm(f"v{number:03}", 1 + number % 30, 128 * (1 + number % 5)) for number in range(150)]
    pairs = [apart(f"pair{n}", vms[n].name, vms[n + 1].name) for n in range(0, 60, 2)]
    grid = Grid(Board.of(cluster(hosts, vms, anti_affinity=tuple(pairs))))
    wave = [0, 1, 2]
    out, patched, turn = (np.zeros(30, dtype=np.bool_), np.zeros(30, dtype=np.bool_), np.full(30, -1))
    out[wave], patched[20:], turn[3:18] = True, True, np.arange(15) // 3
    kept = np.arange(30) % 4 == 0 if keeping else None
    work = _Packing(grid, Wanted(out, patched, turn, taste, kept), port_bytes=512 * 2**20)
    seen = set()
    for each in [each for number in wave for each in sorted(grid.residents[number])]:
        welcome = grid.welcome(each, work.closed)
        if kept is not None and (welcome & ~kept).any():
            welcome &= ~kept
        assert work.shelves is not None
        best = work.shelves.best(each)
        assert best == work._best(each, welcome)
        assert work.place(each)
        seen.add(best)
    assert len(seen) > 3
