"""One live migration by pre-copy: rounds of copying what was dirtied during the round before.

The round model is Clark et al. (NSDI'05) with a saturating dirty set: of M bytes of memory, t seconds after a
clean start, D(t) = M · (1 - exp(-r·t / M)) bytes are dirty, r being the dirty rate of a short window. It is
linear while r·t is small against M and never exceeds M. Zero pages are not known here and count as full ones,
so brown-outs come out too long rather than too short.
"""

from __future__ import annotations

import math

from standfast.model.cluster import Host, Vm
from standfast.model.moves import Prediction

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

P95_FACTOR = 1.5
"""p95 over p50. 90th-percentile errors of published models on KVM are 12 to 46 % (SoCC'15); this is wider."""

PAGE_OVERHEAD = 1 + 8 / 4096
"""QEMU's page header on the wire."""

MAX_ROUNDS = 60
STALLED_SHARE = 0.99
STALLED_ROUNDS = 3
"""Rounds that shrink by less than 1 %, three times running, will not end by themselves."""


def goodput_bytes_per_second(
    source: Host, target: Host, *, bits_per_second: int | None = None, share: int = 1
) -> float:
    """Payload bytes per second of one of `share` equal migrations between the two hosts.

    `bits_per_second` overrides what the hosts say of their migration links; the slower end counts.
    """
    known = [rate for rate in (source.migration_bits_per_second, target.migration_bits_per_second) if rate]
    link = bits_per_second or min(known, default=DEFAULT_BITS_PER_SECOND)
    return GOODPUT * link / 8 / max(1, share)


def dirty_rate(vm: Vm) -> float:
    """Bytes per second that the VM dirties: measured, else the stated default."""
    if vm.dirty_bytes_per_second is not None:
        return vm.dirty_bytes_per_second
    return min(vm.memory_bytes * DEFAULT_DIRTY_SHARE, DEFAULT_DIRTY_BYTES_PER_SECOND)


def predict_move(
    vm: Vm, source: Host, target: Host, *, bits_per_second: int | None = None, share: int = 1
) -> Prediction:
    """What moving `vm` from `source` to `target` is expected to cost.

    `share`: how many migrations divide the link. Where pre-copy does not converge within the VM's black-out
    budget (QEMU's default where none is set), `converges` is False, the brown-out is that of the rounds until
    this shows, and the black-out is what a forced switch-over would take.
    """
    rate = goodput_bytes_per_second(source, target, bits_per_second=bits_per_second, share=share)
    limit = DOWNTIME_LIMIT_SECONDS
    if vm.blackout_budget_seconds is not None:
        limit = max(0.0, min(limit, vm.blackout_budget_seconds - SWITCHOVER_SECONDS))
    seconds, sent, left, converges = _rounds(vm.memory_bytes, dirty_rate(vm), rate, limit)
    brownout = SETUP_SECONDS + seconds
    blackout = SWITCHOVER_SECONDS + left * PAGE_OVERHEAD / rate
    return Prediction(
        brownout_seconds=brownout,
        brownout_p95_seconds=brownout * P95_FACTOR,
        blackout_seconds=blackout,
        blackout_p95_seconds=blackout * P95_FACTOR,
        wire_bytes=round(sent + left * PAGE_OVERHEAD),
        converges=converges,
    )


def _rounds(memory: float, dirty: float, rate: float, limit: float) -> tuple[float, float, float, bool]:
    """(seconds of copying, bytes sent, bytes left for the switch-over, whether it converges)."""
    seconds = sent = 0.0
    left, stalled = memory, 0
    for _ in range(MAX_ROUNDS):
        span = left * PAGE_OVERHEAD / rate
        seconds += span
        sent += left * PAGE_OVERHEAD
        dirtied = memory * -math.expm1(-dirty * span / memory) if memory else 0.0
        if dirtied * PAGE_OVERHEAD <= rate * limit:
            return seconds, sent, dirtied, True
        stalled = stalled + 1 if dirtied >= STALLED_SHARE * left else 0
        left = dirtied
        if stalled >= STALLED_ROUNDS:
            break
    return seconds, sent, left, False
