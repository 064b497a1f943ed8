"""What a move is expected to cost, from what a snapshot knows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from standfast.model.cluster import Host, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.model.units import GIB, MIB
from standfast.predict.calibrate import Past, Way, calibrate
from standfast.predict.dirty import steady
from standfast.predict.fit import Point
from standfast.predict.precopy import (
    DEFAULT_BITS_PER_SECOND,
    DOWNTIME_LIMIT_SECONDS,
    SETUP_SECONDS,
    SWITCHOVER_SECONDS,
    dirty_rate,
    goodput_bytes_per_second,
    predict_move,
)

GIGABIT = 1_000_000_000


def host(rate: int | None = GIGABIT) -> Host:
    return Host(HostId(f"h{rate}"), "h", 64 * GIB, migration_bits_per_second=rate)


def vm(memory: int = GIB, dirty: float | None = 0.0, budget: float | None = None) -> Vm:
    return Vm(
        VmId("v"),
        "v",
        HostId("h"),
        VmState.RUNNING,
        memory,
        dirty_bytes_per_second=dirty,
        blackout_budget_seconds=budget,
    )


def test_an_idle_vm_is_copied_once_the_last_of_it_while_it_is_dark() -> None:
    """QEMU stops the guest as soon as what is left fits into the downtime limit, and sends that then."""
    predicted = predict_move(vm(), host(), host())
    rate = goodput_bytes_per_second(host(), host())
    fixed = SETUP_SECONDS + SWITCHOVER_SECONDS
    total = predicted.brownout_seconds + predicted.blackout_seconds
    assert total == pytest.approx(fixed + GIB / rate, rel=0.003)
    assert SWITCHOVER_SECONDS < predicted.blackout_seconds <= SWITCHOVER_SECONDS + DOWNTIME_LIMIT_SECONDS
    assert predicted.wire_bytes == pytest.approx(GIB, rel=0.003)
    assert predicted.converges
    assert predicted.sure


def test_the_seeds_vm_of_7_6_gb_takes_about_65_seconds() -> None:
    """Event 22508 of a public field report: a brown-out of 64.975 s at 1 Gbit/s."""
    predicted = predict_move(vm(7_600_000_000), host(), host())
    assert predicted.brownout_seconds == pytest.approx(64.975, rel=0.05)


def test_linear_dirtying_follows_the_geometric_series() -> None:
    """V/B * (1 + rho + rho^2 …) for a rate far below saturation (migration science, section 4)."""
    rate = goodput_bytes_per_second(host(), host())
    memory, rho = 16 * GIB, 0.1
    predicted = predict_move(vm(memory, rho * rate), host(), host())
    assert predicted.brownout_seconds == pytest.approx(memory / rate / (1 - rho), rel=0.05)


@pytest.mark.parametrize(
    ("ends", "override", "expected"),
    [
        ((GIGABIT, 10 * GIGABIT), None, GIGABIT),
        ((None, 10 * GIGABIT), None, 10 * GIGABIT),
        ((None, None), None, DEFAULT_BITS_PER_SECOND),
        ((GIGABIT, GIGABIT), 25 * GIGABIT, 25 * GIGABIT),
    ],
)
def test_the_slower_known_end_counts_unless_told_otherwise(
    ends: tuple[int | None, int | None], override: int | None, expected: int
) -> None:
    rate = goodput_bytes_per_second(host(ends[0]), host(ends[1]), bits_per_second=override)
    assert rate == pytest.approx(0.94 * expected / 8)


def test_sharing_a_link_takes_longer() -> None:
    alone, shared = predict_move(vm(), host(), host()), predict_move(vm(), host(), host(), share=4)
    assert shared.brownout_seconds > 3.5 * alone.brownout_seconds


def test_a_vm_that_writes_faster_than_the_link_does_not_converge() -> None:
    predicted = predict_move(vm(8 * GIB, 1e9), host(), host())
    assert not predicted.converges
    assert predicted.blackout_seconds > 10
    assert predicted.brownout_seconds < 3600


def test_a_small_vm_converges_whatever_it_writes_if_it_fits_into_the_limit() -> None:
    assert predict_move(vm(32 * MIB, 1e9), host(), host()).converges


def test_a_smaller_black_out_budget_asks_for_more_rounds() -> None:
    usual = predict_move(vm(dirty=40e6), host(), host())
    strict = predict_move(vm(dirty=40e6, budget=0.1), host(), host())
    assert strict.blackout_seconds <= 0.1 < usual.blackout_seconds
    assert strict.brownout_seconds > usual.brownout_seconds


@pytest.mark.parametrize("dirty", [0.0, 20e6, 60e6, 90e6])
def test_p95_is_that_of_a_busier_guest_on_a_slower_link(dirty: float) -> None:
    predicted = predict_move(vm(dirty=dirty), host(), host())
    assert predicted.brownout_p95_seconds > 1.2 * predicted.brownout_seconds
    assert predicted.blackout_p95_seconds > predicted.blackout_seconds


def test_what_is_not_measured_makes_the_interval_wider() -> None:
    def width(vm: Vm) -> float:
        predicted = predict_move(vm, host(), host())
        return predicted.brownout_p95_seconds / predicted.brownout_seconds

    busy = vm(4 * GIB, dirty=40e6)
    windows = tuple(DirtyPoint(t, steady(40e6, 4 * GIB).bytes_after(t)) for t in (0.1, 1.0, 10.0, 40.0))
    measured = replace(busy, memory_use=MemoryUse(windows))
    assert width(measured) < width(busy)


def test_zero_pages_are_not_copied() -> None:
    half = replace(vm(), memory_use=MemoryUse(zero_bytes=GIB // 2))
    full, less = predict_move(vm(), host(), host()), predict_move(half, host(), host())
    assert less.wire_bytes == pytest.approx(full.wire_bytes / 2, rel=0.01)
    assert less.brownout_seconds < 0.6 * full.brownout_seconds


def test_a_vm_that_almost_does_not_converge_is_not_sure() -> None:
    predicted = predict_move(vm(8 * GIB, 100e6), host(), host())
    assert predicted.converges
    assert not predicted.sure


def test_auto_converge_makes_a_busy_vm_converge() -> None:
    busy = vm(4 * GIB, 200e6)
    assert not predict_move(busy, host(), host()).converges
    assert predict_move(busy, host(), host(), auto_converge=True).converges


def test_former_moves_take_the_place_of_the_models_own_constants() -> None:
    first = predict_move(vm(), host(), host())
    point = Point(first.once_seconds, first.again_seconds, 2 * first.brownout_seconds)
    past = [Past(Way(), point)] * 3
    learnt = Learnt(brownout=calibrate(past, SETUP_SECONDS)[""])
    second = predict_move(vm(), host(), host(), learnt=learnt)
    assert second.brownout_seconds == pytest.approx(2 * first.brownout_seconds, rel=0.01)
    assert second.blackout_seconds == first.blackout_seconds
    assert "3 former moves" in second.basis


def test_an_unknown_dirty_rate_is_a_share_of_memory_with_a_limit() -> None:
    assert dirty_rate(vm(GIB, None)) == pytest.approx(0.01 * GIB)
    assert dirty_rate(vm(64 * GIB, None)) == 16 * MIB
    assert dirty_rate(vm(GIB, 0.0)) == 0.0


def test_a_vm_without_memory_is_no_error() -> None:
    assert predict_move(vm(0), host(), host()).converges
