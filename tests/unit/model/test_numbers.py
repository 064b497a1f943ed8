"""Figures that can't be are named with whose they are."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Fitted, Learnt, Line
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.model.numbers import impossible

HOST = Host(HostId("h"), "kvm1", 4 * 2**30, migration_bits_per_second=10**9)
VM = Vm(VmId("v"), "web", HostId("h"), VmState.RUNNING, 2**30, dirty_bytes_per_second=1e6)
GOOD = Snapshot(
    "c", "test", 1.0, (HOST,), (VM,), learnt=Learnt(brownout=Fitted(Line(1.0, 1.0, 0.0), 20, 1.5, 1.5))
)


def with_vm(**changes: object) -> Snapshot:
    return replace(GOOD, vms=(replace(VM, **changes),))  # type: ignore[arg-type]


def used(*points: tuple[float, float], **more: float) -> Snapshot:
    return with_vm(memory_use=MemoryUse(tuple(DirtyPoint(*point) for point in points), **more))  # type: ignore[arg-type]


def test_a_snapshot_as_it_should_be_is_left_alone() -> None:
    assert list(impossible(GOOD)) == []
    assert list(impossible(used((1.0, 0.0), (2.0, 5e6)))) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (replace(GOOD, taken_at=-1.0), "taken at -1 seconds"),
        (
            replace(GOOD, hosts=(replace(HOST, migration_bits_per_second=0),)),
            "kvm1 has a migration link of 0",
        ),
        (replace(GOOD, hosts=(replace(HOST, memory_bytes=-1),)), "kvm1 has -1 bytes"),
        (with_vm(memory_bytes=-5), "web has -5 bytes"),
        (with_vm(dirty_bytes_per_second=math.nan), "web writes nan bytes"),
        (with_vm(dirty_bytes_per_second=math.inf), "web writes inf bytes"),
        (with_vm(dirty_bytes_per_second=-1.0), "web writes -1 bytes"),
        (with_vm(blackout_budget_seconds=0.0), "web has a black-out budget of 0 seconds"),
        (used((1.0, -4.0)), "web was measured to write -4 bytes within 1 seconds"),
        (used((0.0, 4.0)), "within 0 seconds"),
        (used((2.0, 4.0), (1.0, 5.0)), "spans that do not grow"),
        (used((1.0, 4.0), zero_bytes=-1), "size or share that can't be"),
        (used((1.0, 4.0), sampled_share=0.0), "size or share that can't be"),
        (replace(GOOD, learnt=Learnt(brownout=Fitted(Line(-5.0, 1.0, 0.0), 20, 1.5, 1.5))), "brown-outs"),
        (replace(GOOD, learnt=Learnt(blackout=Fitted(Line(0.1, math.nan, 0.0), 20, 1.5, 1.5))), "black-outs"),
        (replace(GOOD, learnt=Learnt(sent_usual=0.0)), "bytes sent"),
    ],
)
def test_each_impossible_figure_is_named(wrong: Snapshot, says: str) -> None:
    (found,) = impossible(wrong)
    assert says in found.sentence
