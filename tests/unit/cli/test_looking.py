"""What `plan` knows of memory without measuring it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from standfast.cli.looking import with_untouched
from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.ports import Outside
from standfast.predict.precopy import UNTOUCHED, predict_move

GIB = 2**30


class Knows:
    def untouched(self) -> Mapping[VmId, MemoryUse]:
        return {VmId(name): MemoryUse(zero_bytes=3 * GIB) for name in ("fresh", "measured", "gone")}


def cluster() -> Snapshot:
    hosts = tuple(Host(HostId(name), name, 64 * GIB) for name in "ab")
    fresh, measured, old = (
        Vm(VmId(name), name, HostId("a"), VmState.RUNNING, 4 * GIB) for name in ("fresh", "measured", "old")
    )
    measured = replace(measured, memory_use=MemoryUse((DirtyPoint(1.0, 1.0),)))
    return Snapshot("c", "test", 0.0, hosts, (fresh, measured, old))


def outside(measuring: object) -> Outside:
    return cast(Outside, SimpleNamespace(measuring=measuring))


def test_memory_that_was_never_touched_is_not_counted_as_copied() -> None:
    seen = with_untouched(outside(Knows()), cluster())
    fresh, measured, old = seen.vms
    assert (fresh.memory_use, old.memory_use) == (MemoryUse(zero_bytes=3 * GIB), None)
    assert measured.memory_use == MemoryUse((DirtyPoint(1.0, 1.0),)), "what was measured says more"
    moves: list[Any] = [predict_move(vm, *seen.hosts) for vm in (fresh, old)]
    assert moves[0].brownout_seconds < moves[1].brownout_seconds / 2
    assert [UNTOUCHED in each.basis for each in moves] == [True, False]


def test_a_platform_that_knows_nothing_of_memory_leaves_the_snapshot_as_it_is() -> None:
    assert with_untouched(outside(None), cluster()) == cluster()
