"""Sharing, advice, the published model, and the parts of a black-out."""

from __future__ import annotations

import pytest

from standfast.model.cluster import Host, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.memory import DirtyPoint
from standfast.predict.advice import assess, smallest_limit
from standfast.predict.darkness import darkness, fixed_and_copied
from standfast.predict.plain import bytes_at, plain
from standfast.predict.precopy import goodput_bytes_per_second
from standfast.predict.sharing import max_min

GIB = 1024**3
HOST = Host(HostId("h"), "h", 64 * GIB, migration_bits_per_second=1_000_000_000)


def vm(memory: int, dirty: float) -> Vm:
    return Vm(VmId("v"), "v", HostId("h"), VmState.RUNNING, memory, dirty_bytes_per_second=dirty)


@pytest.mark.parametrize(
    ("flows", "capacities", "expected"),
    [
        ([("a", "b")], {"a": 10.0, "b": 4.0}, [4.0]),
        ([("a", "b"), ("a", "c")], {"a": 10.0, "b": 4.0, "c": 10.0}, [4.0, 6.0]),
        ([("a", "b"), ("a", "b"), ("c", "b")], {"a": 2.0, "b": 9.0, "c": 10.0}, [1.0, 1.0, 7.0]),
        ([("a",), ("a",)], {"a": 0.0}, [0.0, 0.0]),
        ([], {}, []),
    ],
    ids=["slower end", "the rest to the other", "three", "no capacity", "none"],
)
def test_flows_share_max_min_fair(
    flows: list[tuple[str, ...]], capacities: dict[str, float], expected: list[float]
) -> None:
    assert max_min(flows, capacities) == pytest.approx(expected)


def test_no_flow_gets_more_than_one_stream_carries() -> None:
    assert max_min([("a",), ("b",)], {"a": 10.0, "b": 1.0}, most=3.0) == pytest.approx([3.0, 1.0])


def test_a_vm_that_keeps_its_budget_needs_no_advice() -> None:
    found = assess(vm(GIB, 1e6), HOST, HOST, budget_seconds=1.0)
    assert found.keeps_budget
    assert found.advice == ()


def test_a_vm_that_does_not_converge_gets_every_way_out_in_figures() -> None:
    found = assess(vm(8 * GIB, 150e6), HOST, HOST, budget_seconds=0.5)
    assert not found.keeps_budget
    assert not found.predicted.converges
    assert found.smallest_limit_seconds is not None
    assert found.smallest_bits_per_second is not None
    assert found.smallest_bits_per_second > 1e9
    assert found.slowed is not None
    text = " ".join(found.advice)
    for word in ("downtime limit", "Gbit/s", "auto-converge", "Post-copy"):
        assert word in text


def test_a_fixed_black_out_above_the_budget_is_said_to_be_no_matter_of_bandwidth() -> None:
    found = assess(vm(GIB, 0.0), HOST, HOST, budget_seconds=0.06)
    assert "no bandwidth brings it below" in " ".join(found.advice)


def test_the_smallest_limit_converges_and_a_little_less_does_not() -> None:
    busy = vm(8 * GIB, 150e6)
    slow, fast = (smallest_limit(busy, rate) for rate in (goodput_bytes_per_second(HOST, HOST), 1e9))
    assert slow is not None
    assert fast is not None
    assert fast < slow


def test_the_published_model_stops_where_it_is_stuck() -> None:
    stuck = [DirtyPoint(10.0, 8.0 * GIB)]
    assert plain(stuck, 8.0 * GIB, 0.0, 1e8, 0.3) is None
    calm = plain([DirtyPoint(1.0, 1e6), DirtyPoint(100.0, 1e7)], 8.0 * GIB, 0.0, 1e8, 0.3)
    assert calm is not None
    assert calm.rounds == 2
    assert calm.blackout_seconds < 0.3


def test_the_published_model_draws_straight_lines() -> None:
    points = [DirtyPoint(1.0, 10.0), DirtyPoint(3.0, 20.0)]
    assert [bytes_at(points, t) for t in (0.0, 0.5, 1.0, 2.0, 9.0)] == [0.0, 5.0, 10.0, 15.0, 20.0]


def test_nine_tenths_of_the_seeds_black_out_are_fixed() -> None:
    """0.811 s with 842 dirty pages and 4841 KB of state at 1 Gbit/s."""
    parts = darkness(0.811, 842, 4841 * 1024)
    assert parts.fixed_share == pytest.approx(0.91, abs=0.005)
    assert parts.saved_by(10) == pytest.approx(0.065, abs=0.001)


def test_a_black_out_shorter_than_its_bytes_need_has_no_negative_part() -> None:
    assert darkness(0.01, 100_000, 0).fixed_seconds == 0.0


@pytest.mark.parametrize(
    "wrong", [(-1.0, 1, 1, 1.0), (1.0, -1, 1, 1.0), (1.0, 1, 1, 0.0), (float("nan"), 1, 1, 1.0)]
)
def test_nonsense_has_no_parts(wrong: tuple[float, int, int, float]) -> None:
    with pytest.raises(ValueError, match="above zero"):
        darkness(*wrong)


def test_two_speeds_tell_what_stays_and_what_is_copied() -> None:
    fixed, copied = fixed_and_copied(16, 4, 10)
    assert fixed == pytest.approx(2.67, abs=0.01)
    assert fixed + copied / 10 == pytest.approx(4)
    with pytest.raises(ValueError, match="faster"):
        fixed_and_copied(4, 16, 10)
