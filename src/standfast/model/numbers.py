"""Figures that can't be: no plan and no prediction is made on them, whoever wrote them down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Fitted


@dataclass(frozen=True, slots=True)
class Impossible:
    """`sentence` names what is wrong of whom; `whose` is its id, empty for the cluster's own."""

    sentence: str
    whose: HostId | VmId | str = ""


def impossible(snapshot: Snapshot) -> Iterator[Impossible]:
    """Sizes, speeds and spans that are below nought, no numbers, or in an order that time does not have."""
    if not _possible(snapshot.taken_at):
        yield Impossible(f"The snapshot was taken at {snapshot.taken_at:g} seconds since 1970.")
    for host in snapshot.hosts:
        yield from _host(host)
    for vm in snapshot.vms:
        yield from _vm(vm)
    if snapshot.learnt is not None:
        learnt = snapshot.learnt
        for name, fitted in (("brown-outs", learnt.brownout), ("black-outs", learnt.blackout)):
            if fitted is not None and not _fits(fitted):
                yield Impossible(f"What was learnt of former {name} holds a figure that can't be.")
        sent = (*snapshot.learnt.sent.values(), snapshot.learnt.sent_usual)
        if not all(_possible(each, above=True) for each in sent):
            yield Impossible("What was learnt of bytes sent holds a figure that can't be.")


def _host(host: Host) -> Iterator[Impossible]:
    speed = host.migration_bits_per_second
    if speed is not None and speed <= 0:
        yield Impossible(f"Host {host.name} has a migration link of {speed} bits per second.", host.id)
    if host.memory_bytes < 0:
        yield Impossible(f"Host {host.name} has {host.memory_bytes} bytes of memory.", host.id)


def _vm(vm: Vm) -> Iterator[Impossible]:
    rate, budget, use = vm.dirty_bytes_per_second, vm.blackout_budget_seconds, vm.memory_use
    if vm.memory_bytes < 0:
        yield Impossible(f"VM {vm.name} has {vm.memory_bytes} bytes of memory.", vm.id)
    if rate is not None and not _possible(rate):
        yield Impossible(f"VM {vm.name} writes {rate:g} bytes per second.", vm.id)
    if budget is not None and not _possible(budget, above=True):
        yield Impossible(f"VM {vm.name} has a black-out budget of {budget:g} seconds.", vm.id)
    if use is None:
        return
    if use.zero_bytes < 0 or use.state_bytes < 0 or not 0 < use.sampled_share <= 1:
        yield Impossible(f"VM {vm.name} was measured with a size or share that can't be.", vm.id)
    for point in use.dirty:
        if not (_possible(point.seconds, above=True) and _possible(point.bytes)):
            words = f"{point.bytes:g} bytes within {point.seconds:g} seconds"
            yield Impossible(f"VM {vm.name} was measured to write {words}.", vm.id)
    spans = [point.seconds for point in use.dirty]
    if spans != sorted(spans):
        yield Impossible(f"VM {vm.name} was measured over spans that do not grow.", vm.id)


def _fits(fitted: Fitted) -> bool:
    line = fitted.line
    shifts = (*fitted.pairs.values(), *fitted.vms.values())
    return (
        all(_possible(each) for each in (line.fixed, line.once, line.again))
        and line.fixed + line.once + line.again > 0
        and fitted.moves > 0
        and all(_possible(each, above=True) for each in (fitted.ratio_p95, fitted.own_ratio_p95))
        and all(math.isfinite(shift) and abs(shift) < 10 for shift in shifts)
    )


def _possible(number: float, *, above: bool = False) -> bool:
    """Finite, and not below nought (or above it)."""
    return math.isfinite(number) and (number > 0 if above else number >= 0)
