"""The picture of a plan: a lane for each host that something happens to, and how full it gets on the way.

Seconds count from the begin of the run, at the predicted p50. The waves of a plan begin when the hosts before
them are done and well; the final spreading comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from standfast.model.cluster import Snapshot, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.plan import HostStep, Plan, PlannedMove
from standfast.model.units import count, size, span
from standfast.report.html.scale import STEPS, TICKS, Bar, LengthScale, Tick, fits, short, tick

VERY_FEW, FEW = 12, 40
"""Up to so many lanes have a memory curve of their own, or at least names; more are a narrow stripe each."""
HEAD, FOOT = 24, 24
CURVE = 26
"""Pixels from an empty host to a full one."""
COLUMNS = 240
"""Stretches of time for which the fullest host is shown."""
PEAK = 110
CLEAR_PERCENT, GAP_PERCENT, LEAST_PERCENT = 1.2, 0.5, 0.3
"""Moves at least so wide are drawn one by one; others with a gap up to this are one, and never narrower."""
PHASES = ("draining", "receiving", "patching", "rebooting", "verifying")


@dataclass(frozen=True, slots=True)
class Share:
    """How full the host is for a while: `height` pixels of `CURVE`."""

    x: float
    width: float
    height: float
    told: str
    high: bool


@dataclass(frozen=True, slots=True)
class Lane:
    name: str
    note: str
    y: int
    blocks: list[Bar]
    shares: list[Share]


@dataclass(frozen=True, slots=True)
class Band:
    """One wave, its soak, or the spreading: a stretch over all lanes."""

    label: str
    x: float
    width: float
    soak: bool
    fit: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class Planned:
    height: int
    lane: int
    named: bool
    curved: bool
    lanes: list[Lane]
    peaks: list[Share]
    """The fullest of all hosts over time, `PEAK` pixels for a full one."""
    bands: list[Band]
    ticks: list[Tick]
    ceiling: float
    """The memory ceiling, as a share of a host's memory."""
    phases: list[str]
    untouched: int

    @property
    def floor(self) -> int:
        return self.height - FOOT


@dataclass(frozen=True, slots=True)
class Flying:
    """One move with its place in the whole run."""

    move: PlannedMove
    begin: float
    end: float


def planned(plan: Plan, snapshot: Snapshot) -> Planned:
    """The picture's marks. No lanes where the plan does nothing."""
    scale = LengthScale.up_to(max(plan.predicted_seconds, 1.0))
    starts = wave_starts(plan)
    flights = list(flying(plan, starts))
    steps = {step.host: step for step in plan.steps}
    touched = {host for each in flights for host in (each.move.source, each.move.target)} | steps.keys()

    def place(host: HostId) -> tuple[int, str]:
        return steps[host].wave if host in steps else len(starts), _name(snapshot, host)

    order = sorted(touched, key=place)
    named, curved = len(order) <= FEW, len(order) <= VERY_FEW
    lane = 70 if curved else 34 if named else 10
    curves = _curves(snapshot, flights)
    lanes = [
        _lane(host, steps.get(host), starts, flights, curves, snapshot, scale, HEAD + number * lane, curved)
        for number, host in enumerate(order)
    ]
    found = {block.phase for each in lanes for block in each.blocks}
    return Planned(
        height=HEAD + len(lanes) * lane + FOOT,
        lane=lane,
        named=named,
        curved=curved,
        lanes=lanes,
        peaks=_peaks(snapshot, curves, scale),
        bands=list(_bands(plan, starts, scale)),
        ticks=_ticks(scale),
        ceiling=snapshot.rules.memory_ceiling,
        phases=[phase for phase in PHASES if phase in found],
        untouched=len(snapshot.hosts) - len(lanes),
    )


def flying(plan: Plan, starts: Sequence[float]) -> Iterator[Flying]:
    """Every move with begin and end; one without a schedule begins when the one before it has ended."""
    for number, wave in enumerate(plan.waves):
        yield from _laid((move for step in wave.hosts for move in step.moves), starts[number])
    yield from _laid(plan.rebalance, starts[len(plan.waves)])


def _laid(moves: Iterable[PlannedMove], origin: float) -> Iterator[Flying]:
    at = origin
    for move in moves:
        begin = at if move.start_seconds is None else origin + move.start_seconds
        at = begin + move.predicted.brownout_seconds + move.predicted.blackout_seconds
        yield Flying(move, begin, at)


def wave_starts(plan: Plan) -> list[float]:
    """Begin of each wave in seconds, and then of the spreading."""
    found = [0.0]
    for wave in plan.waves:
        found.append(found[-1] + wave.seconds + wave.soak_seconds)
    return found


def _bands(plan: Plan, starts: Sequence[float], scale: LengthScale) -> Iterator[Band]:
    for number, wave in enumerate(plan.waves):
        x, end = scale.x(starts[number]), scale.x(starts[number] + wave.seconds)
        label = "canary" if wave.soak_seconds and number == 0 else f"wave {number + 1}"
        yield Band(label, x, end - x, False, fits(end - x, label))
        if wave.soak_seconds:
            soaked = scale.x(starts[number] + wave.seconds + wave.soak_seconds)
            yield Band("soak", end, soaked - end, True, fits(soaked - end, "soak"))
    if plan.rebalance:
        x, end = scale.x(starts[-1]), scale.x(plan.predicted_seconds)
        label = "spreading" if plan.waves else "moves"
        yield Band(label, x, end - x, False, fits(end - x, label))


def _lane(
    host: HostId,
    step: HostStep | None,
    starts: Sequence[float],
    flights: Sequence[Flying],
    curves: dict[HostId, list[tuple[float, int]]],
    snapshot: Snapshot,
    scale: LengthScale,
    y: int,
    curved: bool,
) -> Lane:
    name = _name(snapshot, host)
    coming = [_block("receiving", each, snapshot, scale) for each in flights if each.move.target == host]
    going = [_block("draining", each, snapshot, scale) for each in flights if each.move.source == host]
    blocks = [*_merged(coming, name, "in"), *_merged(going, name, "out")]
    if step is not None:
        blocks += _own(step, starts[step.wave], scale)
    memory = next((about.memory_bytes for about in snapshot.hosts if about.id == host), 0)
    shares = list(_shares(name, curves.get(host, []), memory, scale, snapshot)) if curved and memory else []
    return Lane(short(name), _note(step, host, flights), y, blocks, shares)


def _note(step: HostStep | None, host: HostId, flights: Sequence[Flying]) -> str:
    """`4 VMs out, 2 in, 3 updates, reboot`"""
    out = sum(each.move.source == host for each in flights)
    back = sum(each.move.target == host for each in flights)
    parts = [f"{count(out, 'VM')} out" if out else "", f"{count(back, 'VM')} in" if back else ""]
    if step is not None:
        parts += [count(len(step.pending), "update"), "reboot" if step.reboot else "no reboot foreseen"]
        parts += [f"{count(len(step.stops), 'VM')} shut down or held for"] if step.stops else []
    return ", ".join(part for part in parts if part)


def _merged(blocks: list[Bar], name: str, way: str) -> Iterator[Bar]:
    """Moves so close that nobody could tell them apart as one block each, wide enough to be seen."""
    near: list[Bar] = []
    for block in sorted(blocks, key=lambda block: (block.x, block.width)):
        wide = near and min(block.width, near[-1].width) > CLEAR_PERCENT
        if near and (wide or block.x - max(each.x + each.width for each in near) > GAP_PERCENT):
            yield _as_one(near, name, way)
            near = []
        near.append(block)
    if near:
        yield _as_one(near, name, way)


def _as_one(near: list[Bar], name: str, way: str) -> Bar:
    first, end = near[0], max(each.x + each.width for each in near)
    told = first.told if len(near) == 1 else f"{name}: {count(len(near), 'VM')} {way}, first {first.told}"
    return Bar(first.phase, first.x, round(max(LEAST_PERCENT, end - first.x), 3), told, "")


def _told(each: Flying, snapshot: Snapshot) -> str:
    way = f"{_name(snapshot, each.move.source)} → {_name(snapshot, each.move.target)}"
    cost = each.move.predicted
    return (
        f"{each.move.vm_name}: {way}, after {span(each.begin)}; "
        f"brown-out {span(cost.brownout_seconds)} (up to "
        f"{span(cost.brownout_p95_seconds)}), black-out {span(cost.blackout_seconds)} (up to "
        f"{span(cost.blackout_p95_seconds)})"
    )


def _own(step: HostStep, begin: float, scale: LengthScale) -> list[Bar]:
    """What the host does by itself while it is out."""
    found, at = [], begin + step.drain_seconds
    spans = (step.patch_seconds, step.reboot_seconds, step.verify_seconds)
    for phase, seconds in zip(("patching", "rebooting", "verifying"), spans, strict=True):
        if seconds > 0:
            told = f"{step.name}: {phase} for about {span(seconds)}, after {span(at)}"
            x = scale.x(at)
            width = round(scale.x(at + seconds) - x, 3)
            found.append(Bar(phase, x, width, told, fits(width, phase)))
        at += seconds
    return found


def _block(phase: str, each: Flying, snapshot: Snapshot, scale: LengthScale) -> Bar:
    x = scale.x(each.begin)
    return Bar(phase, x, round(scale.x(each.end) - x, 3), _told(each, snapshot), "")


def _curves(snapshot: Snapshot, flights: Sequence[Flying]) -> dict[HostId, list[tuple[float, int]]]:
    """For each host (second, bytes held from then on), a VM in flight counted at both ends."""
    memory: dict[VmId, int] = {vm.id: vm.memory_bytes for vm in snapshot.vms}
    held: dict[HostId, int] = {host.id: 0 for host in snapshot.hosts}
    for vm in snapshot.vms:
        if vm.state not in (VmState.SHUT_OFF, VmState.INCOMING) and vm.host in held:
            held[vm.host] += vm.memory_bytes
    found = {host: [(0.0, number)] for host, number in held.items()}
    changes = [(each.begin, 1, each.move.target, memory.get(each.move.vm, 0)) for each in flights]
    # An end comes before the starts of its instant, as in the plan.
    changes += [(each.end - 1e-6, 0, each.move.source, -memory.get(each.move.vm, 0)) for each in flights]
    for at, _, host, number in sorted(changes):
        if host in held:
            held[host] += number
            found[host].append((at, held[host]))
    return found


def _shares(
    name: str, curve: Sequence[tuple[float, int]], memory: int, scale: LengthScale, snapshot: Snapshot
) -> Iterator[Share]:
    peak = max(held for _, held in curve)
    for (at, held), until in zip(curve, [at for at, _ in curve[1:]] + [scale.most], strict=True):
        x = scale.x(at)
        width = round(scale.x(until) - x, 3)
        if width <= 0 or held <= 0:
            continue
        share = held / memory
        told = f"{name}: {size(held)} of {size(memory)} held ({share:.0%}) after {span(max(0.0, at))}"
        told += f", its most: {peak / memory:.0%}"
        high = share > snapshot.rules.memory_ceiling
        yield Share(x, width, round(min(1.0, share) * CURVE, 1), told, high)


def _peaks(
    snapshot: Snapshot, curves: dict[HostId, list[tuple[float, int]]], scale: LengthScale
) -> list[Share]:
    """The fullest host in each of `COLUMNS` stretches of time."""
    most: list[tuple[float, str]] = [(0.0, "")] * COLUMNS
    for host in snapshot.hosts:
        curve = curves[host.id] if host.memory_bytes > 0 else []
        for (at, held), until in zip(curve, [at for at, _ in curve[1:]] + [scale.most], strict=True):
            first = min(COLUMNS - 1, int(COLUMNS * max(0.0, at) / scale.most))
            last = min(COLUMNS - 1, int(COLUMNS * max(0.0, until) / scale.most))
            here = (held / host.memory_bytes, host.name)
            for column in range(first, last + 1):
                most[column] = max(most[column], here)
    width = 100.0 / COLUMNS
    found = []
    for column, (share, name) in enumerate(most):
        told = f"after {span(scale.most * column / COLUMNS)}: {name} is the fullest host with {share:.0%}"
        high = share > snapshot.rules.memory_ceiling
        x = round(column * width, 3)
        found.append(Share(x, round(width + 0.05, 3), round(min(1.0, share) * PEAK, 1), told, high))
    return found


def _name(snapshot: Snapshot, host: HostId) -> str:
    return snapshot.host_name(host)


def _ticks(scale: LengthScale) -> list[Tick]:
    """At round times after the begin."""
    step = next((step for step in STEPS if scale.most / step <= TICKS), 86_400 * (1 + scale.most // 500_000))
    found = [number * step for number in range(int(scale.most / step) + 1)]
    return [tick(scale.x(at), _after(at)) for at in found]


def _after(seconds: float) -> str:
    if seconds == 0:
        return "begin"
    if seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds % 60 == 0 else f"{seconds:g} s"
