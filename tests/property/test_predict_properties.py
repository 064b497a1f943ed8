"""What holds for every prediction, whatever the VM and the link."""

from __future__ import annotations

import math
from dataclasses import fields, replace

from hypothesis import example, given, settings
from hypothesis import strategies as st

from standfast.model.cluster import Host, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.model.moves import Prediction
from standfast.predict.calibrate import Past, Way, calibrate, estimate
from standfast.predict.fit import Point
from standfast.predict.measured import curve_of
from standfast.predict.precopy import predict_move
from standfast.predict.sharing import max_min

MIB = 1024**2
ORDINARY = settings(max_examples=150, deadline=None)
SLACK = 1.0 + 1e-6

memories = st.integers(0, 512 * 1024).map(lambda mib: mib * MIB)
rates = st.floats(0, 5e9)
speeds = st.integers(10_000_000, 400_000_000_000)
budgets = st.none() | st.floats(0.001, 10)
spans = st.floats(0.001, 1e5)


@st.composite
def vms(draw: st.DrawFn) -> Vm:
    memory = draw(memories)
    points = draw(st.lists(st.tuples(st.floats(0.05, 60), st.floats(0, 1)), max_size=6))
    use = MemoryUse(
        tuple(DirtyPoint(seconds, share * memory) for seconds, share in points),
        zero_bytes=draw(st.integers(0, memory)),
        state_bytes=draw(st.integers(0, 64 * MIB)),
        sampled_share=draw(st.floats(0.001, 1)),
    )
    return Vm(
        VmId("v"),
        "v",
        HostId("a"),
        VmState.RUNNING,
        memory,
        dirty_bytes_per_second=draw(st.none() | rates),
        memory_use=draw(st.none() | st.just(use)),
        blackout_budget_seconds=draw(budgets),
    )


def host(speed: int) -> Host:
    return Host(HostId("a"), "a", 2**40, migration_bits_per_second=speed)


def predicted(vm: Vm, speed: int, **options: object) -> Prediction:
    return predict_move(vm, host(speed), host(speed), **options)  # type: ignore[arg-type]


@ORDINARY
@given(vms(), speeds, st.booleans(), st.integers(1, 8))
def test_every_figure_is_finite_and_no_less_than_nothing_and_p95_no_less_than_p50(
    vm: Vm, speed: int, slowed: bool, share: int
) -> None:
    told = predicted(vm, speed, auto_converge=slowed, share=share)
    numbers = [getattr(told, each.name) for each in fields(told)]
    assert all(math.isfinite(n) and n >= 0 for n in numbers if isinstance(n, int | float))
    assert told.brownout_p95_seconds >= told.brownout_seconds
    assert told.blackout_p95_seconds >= told.blackout_seconds
    assert told.converges or not told.sure


@ORDINARY
@given(memories, rates, st.floats(1, 10), speeds, budgets)
@example(memory=MIB, rate=6.429363234401756e-173, factor=3.0, speed=10_000_000, budget=0.03125)
def test_a_busier_guest_is_never_moved_sooner(
    memory: int, rate: float, factor: float, speed: int, budget: float | None
) -> None:
    vm = Vm(VmId("v"), "v", HostId("a"), VmState.RUNNING, memory, blackout_budget_seconds=budget)
    calm = predicted(replace(vm, dirty_bytes_per_second=rate), speed)
    busy = predicted(replace(vm, dirty_bytes_per_second=rate * factor), speed)
    assert busy.brownout_seconds * SLACK >= calm.brownout_seconds
    assert calm.converges or not busy.converges


@ORDINARY
@given(memories, st.none() | rates, st.floats(1, 40), speeds, budgets)
@example(memory=524288 * MIB, rate=385514251.0, factor=14.0, speed=37464932802, budget=None)
def test_a_faster_link_never_takes_longer(
    memory: int, rate: float | None, factor: float, speed: int, budget: float | None
) -> None:
    vm = Vm(VmId("v"), "v", HostId("a"), VmState.RUNNING, memory)
    vm = replace(vm, dirty_bytes_per_second=rate, blackout_budget_seconds=budget)
    slow, fast = predicted(vm, speed), predicted(vm, int(speed * factor))
    assert fast.brownout_seconds <= slow.brownout_seconds * SLACK
    assert fast.converges or not slow.converges


@ORDINARY
@given(st.lists(st.tuples(st.floats(0.001, 100), st.floats(0, 1e12)), max_size=12), st.floats(0, 1e12))
def test_a_curve_rises_from_nothing_within_memory_whatever_was_measured(
    points: list[tuple[float, float]], size: float
) -> None:
    curve = curve_of([DirtyPoint(*point) for point in points], size)
    values = [curve.bytes_after(t) for t in (0, 0.01, 0.1, 1, 10, 100, 1e4)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] <= size * SLACK


@ORDINARY
@given(
    st.lists(st.tuples(spans, spans, spans, st.sampled_from("abc")), min_size=1, max_size=40), spans, spans
)
def test_whatever_was_learnt_gives_finite_spans_in_order(
    moves: list[tuple[float, float, float, str]], once: float, again: float
) -> None:
    history = [
        Past(Way("t", "x", target, f"vm{index % 5}"), Point(first, more, seconds))
        for index, (first, more, seconds, target) in enumerate(moves)
    ]
    learnt = calibrate(history, 0.8)
    fitted = learnt["t"]
    told = estimate(fitted, Way("t", "x", "a", "vm1"), once, again)
    assert 0 <= told.p50 <= told.p95 < math.inf
    vm = Vm(VmId("vm1"), "vm1", HostId("a"), VmState.RUNNING, 2**30)
    full = predicted(vm, 10**9, learnt=Learnt(fitted, fitted))
    assert 0 <= full.brownout_seconds <= full.brownout_p95_seconds < math.inf


@ORDINARY
@given(
    st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=3), max_size=12),
    st.lists(st.just(0.0) | st.floats(1, 1e10), min_size=6, max_size=6),
)
def test_shares_fill_no_port_beyond_its_capacity_and_starve_nobody(
    flows: list[list[str]], capacities: list[float]
) -> None:
    ports = dict(zip("abcdef", capacities, strict=True))
    given_rates = max_min(flows, ports)
    for port, capacity in ports.items():
        used = sum(rate for rate, flow in zip(given_rates, flows, strict=True) if port in flow)
        assert used <= capacity * SLACK + 1e-6
    for rate, flow in zip(given_rates, flows, strict=True):
        assert rate > 0 or any(ports[port] == 0 for port in flow)
