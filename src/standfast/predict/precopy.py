"""What one move is expected to cost: the round model with what is known of the VM, the hosts and the past.

What is not known is taken from defaults that are stated here, and makes the interval wider: p95 is the same
migration with memory dirtied faster and a link that carries less, by as much as the input can be off. Where a
history exists, its own spread takes the place of that (`predict.calibrate`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from standfast.model.cluster import Host, Vm
from standfast.model.learnt import Learnt
from standfast.model.memory import MemoryUse
from standfast.model.moves import Prediction
from standfast.predict.calibrate import P95_FACTOR, Way, at_stop, estimate
from standfast.predict.dirty import steady
from standfast.predict.engine import AutoConverge, Engine, Path
from standfast.predict.measured import curve_of
from standfast.predict.rounds import Copying, Guest, copy

DEFAULT_BITS_PER_SECOND = 1_000_000_000
"""A migration network of unknown speed is taken for gigabit Ethernet, the slowest still usual."""

GOODPUT = 0.94
"""Payload of TCP over Ethernet with an MTU of 1500: 1448/1538 = 0.941; measured on Grid'5000: 0.932."""

SETUP_SECONDS = 0.8
"""Neither brown-out nor black-out. Hyper-V events 22507, 22508, 22509: 66.581 - 64.975 - 0.811 = 0.795 s."""

SWITCHOVER_SECONDS = 0.05
"""Fixed part of the black-out: stop, device state, resume. Google's median black-out is 50 ms (VEE'18)."""

DOWNTIME_LIMIT_SECONDS = 0.3
"""QEMU switches over when what is left takes no longer than `downtime-limit`, 300 ms by default."""

DEFAULT_DIRTY_SHARE = 0.01
DEFAULT_DIRTY_BYTES_PER_SECOND = 16 * 1024**2
"""Dirty rate where none was measured: 1 % of memory per second, at most 16 MiB/s (a lightly used guest)."""

RATE_WINDOW_SECONDS = 1.0
"""A single measured rate is one over a second: libvirt's shortest."""

BUFFERED_BYTES = 4 * 1024**2
"""What the sender's socket may hold when the guest is stopped, and has to go before anything else: where
Linux's buffers stop growing (the third figure of tcp_wmem). How much of it does is for a history to say."""

PATIENCE_PASSES, PATIENCE_SECONDS = 10.0, 60.0
"""A migration that has not ended after the time of ten copies of all memory, or a minute, is given up."""

DIRTIER = {"windows": 1.25, "rate": 1.5, "default": 4.0}
SLOWER = 1.25
"""How far dirty rate and link may be off for p95 where no history tells: repeats of a measured rate differ by
a quarter, a guess by far more; a link shared with other traffic is slower, not faster."""


BASIS = {
    "windows": "dirty rate at several windows",
    "rate": "one dirty rate",
    "default": "a default dirty rate",
}
"""What a prediction rests on, in words."""

UNTOUCHED = ", untouched memory left out"
"""Added to these where the guest is known to have memory that it never wrote."""


def goodput_bytes_per_second(
    source: Host, target: Host, *, bits_per_second: int | None = None, share: float = 1.0
) -> float:
    """Payload bytes per second of a migration between the two hosts with the link divided by `share`.

    `bits_per_second` overrides what the hosts say of their migration links; the slower end counts.
    """
    return _goodput(_link_bits_per_second(source, target, bits_per_second), share)


def _link_bits_per_second(source: Host, target: Host, bits_per_second: int | None) -> int:
    known = [rate for rate in (source.migration_bits_per_second, target.migration_bits_per_second) if rate]
    return bits_per_second or min(known, default=DEFAULT_BITS_PER_SECOND)


def _goodput(link_bits_per_second: int, share: float) -> float:
    return GOODPUT * link_bits_per_second / 8 / max(1, share)


def dirty_rate(vm: Vm) -> float:
    """Bytes per second that the VM dirties: measured, else the stated default."""
    if vm.dirty_bytes_per_second is not None:
        return vm.dirty_bytes_per_second
    return _usual_rate(vm.memory_bytes)


def _usual_rate(memory_bytes: int) -> float:
    return min(memory_bytes * DEFAULT_DIRTY_SHARE, DEFAULT_DIRTY_BYTES_PER_SECOND)


def guest_of(vm: Vm) -> tuple[Guest, str]:
    """The VM as the round model sees it, and what that rests on: `windows`, `rate` or `default`."""
    return _guest(vm.memory_bytes, vm.memory_use, vm.dirty_bytes_per_second)


def _guest(memory_bytes: int, use: MemoryUse | None, measured_rate: float | None) -> tuple[Guest, str]:
    zero = state = 0
    if use is not None:
        zero, state = min(use.zero_bytes, memory_bytes), use.state_bytes
    written = memory_bytes - zero
    if use is not None and len(use.dirty) > 1:
        curve, rests_on = _measured(use.dirty, written, use.sampled_share), "windows"
    elif measured_rate is not None:
        curve, rests_on = steady(measured_rate, written, RATE_WINDOW_SECONDS), "rate"
    else:
        curve, rests_on = steady(_usual_rate(memory_bytes), written), "default"
    share = zero / memory_bytes if memory_bytes else 0.0
    return Guest(float(memory_bytes), curve, share, float(state)), rests_on


_measured = lru_cache(maxsize=4096)(curve_of)
_copied = lru_cache(maxsize=16384)(copy)


def engine_for(vm: Vm, *, auto_converge: bool = False) -> Engine:
    """QEMU as it is asked to move this VM: its downtime limit is what the black-out budget leaves."""
    return _engine(vm.blackout_budget_seconds, auto_converge)


def _engine(budget_seconds: float | None, auto_converge: bool) -> Engine:
    limit = DOWNTIME_LIMIT_SECONDS
    if budget_seconds is not None:
        limit = max(0.0, min(limit, budget_seconds - SWITCHOVER_SECONDS))
    return Engine(
        downtime_limit_seconds=limit,
        auto_converge=AutoConverge() if auto_converge else None,
        setup_seconds=SETUP_SECONDS,
        stop_seconds=SWITCHOVER_SECONDS,
    )


def copying(guest: Guest, path: Path, engine: Engine) -> Copying:
    """`predict.rounds.copy` with this product's patience."""
    once = guest.memory_bytes / engine.sending_bytes_per_second(path)
    return _copied(guest, path, engine, patience_seconds=max(PATIENCE_SECONDS, PATIENCE_PASSES * once))


def predict_move(
    vm: Vm,
    source: Host,
    target: Host,
    *,
    bits_per_second: int | None = None,
    share: float = 1.0,
    auto_converge: bool = False,
    learnt: Learnt | None = None,
) -> Prediction:
    """What moving `vm` from `source` to `target` is expected to cost.

    `share`: how many migrations divide the link. `learnt`: from former moves (`predict.history`). Where
    pre-copy does not converge within the VM's black-out budget (QEMU's default where none is set),
    `converges` is False, the brown-out is the time until it is given up, and the black-out is what a forced
    switch-over would take then.
    """
    link = _link_bits_per_second(source, target, bits_per_second)
    alone = _by_rounds(
        vm.memory_bytes,
        vm.memory_use,
        vm.dirty_bytes_per_second,
        vm.blackout_budget_seconds,
        link,
        share,
        auto_converge,
    )
    if learnt is None or not alone.converges:
        return alone
    return _taught(alone, learnt, vm, source, target)


@lru_cache(maxsize=16384)
def _by_rounds(
    memory_bytes: int,
    use: MemoryUse | None,
    measured_rate: float | None,
    budget_seconds: float | None,
    link_bits_per_second: int,
    share: float,
    auto_converge: bool,
) -> Prediction:
    """By the round model alone. What it depends on is spelt out, so that VMs that are alike share it, and a
    run that asks again at each tick is told again."""
    link = _goodput(link_bits_per_second, share)
    guest, rests_on = _guest(memory_bytes, use, measured_rate)
    engine = _engine(budget_seconds, auto_converge)
    likely = copying(guest, Path(link), engine)
    wary = copying(_dirtier(guest, DIRTIER[rests_on]), Path(link / SLOWER), engine)
    rate = engine.sending_bytes_per_second(Path(link))
    again = likely.seconds - min(likely.seconds, likely.first_seconds)
    switch = (likely.left_bytes + guest.state_bytes) / rate
    brownout = engine.setup_seconds + likely.seconds
    blackout = engine.stop_seconds + switch
    brownout_p95 = max(engine.setup_seconds + wary.p95_seconds, brownout)
    blackout_p95 = (
        P95_FACTOR * engine.stop_seconds + (likely.p95_left_bytes + guest.state_bytes) / rate * SLOWER
    )
    return Prediction(
        brownout_seconds=brownout,
        brownout_p95_seconds=brownout_p95,
        blackout_seconds=blackout,
        blackout_p95_seconds=max(blackout, blackout_p95),
        wire_bytes=round(likely.sent_bytes + likely.left_bytes + guest.state_bytes),
        converges=likely.converges,
        sure=likely.converges and wary.converges,
        slowed=likely.throttle,
        basis=BASIS[rests_on] + (UNTOUCHED if guest.zero_share > 0 else ""),
        once_seconds=likely.seconds - again,
        again_seconds=again,
        switch_seconds=switch,
        buffered_seconds=BUFFERED_BYTES / rate,
        share=max(1.0, share),
    )


def _taught(alone: Prediction, learnt: Learnt, vm: Vm, source: Host, target: Host) -> Prediction:
    """The same with what former moves taught, where there were any."""
    way = Way("", str(source.id), str(target.id), str(vm.id))
    sent = learnt.sent.get(str(vm.id), learnt.sent_usual)
    brownout, brownout_p95, basis = alone.brownout_seconds, alone.brownout_p95_seconds, alone.basis
    blackout, blackout_p95 = alone.blackout_seconds, alone.blackout_p95_seconds
    if learnt.brownout is not None:
        told = estimate(learnt.brownout, way, sent * alone.once_seconds, sent * alone.again_seconds)
        brownout, brownout_p95 = told.p50, told.p95
        basis += f", {told.moves} former moves"
    if learnt.blackout is not None:
        left = at_stop(alone.switch_seconds, alone.again_seconds, sent)
        told = estimate(learnt.blackout, way, left, alone.buffered_seconds)
        blackout, blackout_p95 = told.p50, told.p95
    return replace(
        alone,
        brownout_seconds=brownout,
        brownout_p95_seconds=max(brownout, brownout_p95),
        blackout_seconds=blackout,
        blackout_p95_seconds=max(blackout, blackout_p95),
        basis=basis,
    )


def _dirtier(guest: Guest, factor: float) -> Guest:
    """The same guest, writing so many times as much: to more memory, and where there is no more, as often."""
    size = guest.dirty.size_bytes
    if size <= 0:
        return guest  # nothing was seen to be written
    wider = min(factor, max(1.0, guest.memory_bytes * (1 - guest.zero_share) / size))
    classes = tuple(replace(each, size_bytes=each.size_bytes * wider) for each in guest.dirty.classes)
    return replace(guest, dirty=replace(guest.dirty, classes=classes).faster(factor / wider))


def least_blackout_seconds(predicted: Prediction, learnt: Learnt | None) -> float:
    """What would be left of the black-out if nothing had to be copied: the fixed part, known or learnt."""
    if learnt is None or learnt.blackout is None or not predicted.converges:
        return SWITCHOVER_SECONDS
    line = learnt.blackout.line
    whole = line.at(predicted.switch_seconds, predicted.buffered_seconds)
    return predicted.blackout_seconds * line.fixed / whole if whole > 0 else SWITCHOVER_SECONDS
