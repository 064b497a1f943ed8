"""Real live migrations between two real hosts, foretold from a history of others in the same lab.

Guests differ in memory, working set and dirty rate, links in speed. All moves are made in a shuffled order,
one at a time, by the product's own adapter. The first half is the history: learnt from as `plan` learns. The
second half is foretold as `plan --measure 15` does, and compared. Beside that stand memory over line rate
(and QEMU's own downtime limit), and how far a move is from the median of its repeats: same guest, same link.
Nobody can foretell better than that.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from bench.claim import Claim, Settings, Skipped
from standfast.config.load import load
from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.names import Net
from standfast.lab.spec import LabSpec, VmSpec, default_hosts
from standfast.model.cluster import Host, Vm
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOrder, OutcomeKind, Prediction, Purpose
from standfast.model.run import MoveRow, MoveState
from standfast.ports import Outside
from standfast.predict.history import learn
from standfast.predict.precopy import DOWNTIME_LIMIT_SECONDS, predict_move
from standfast.wiring import outside_for

LAB = "bench-moves"
GUESTS = (
    VmSpec("calm", 160, 40, 200),
    VmSpec("usual", 224, 100, 800),
    VmSpec("busy", 224, 110, 2500),
    VmSpec("broad", 320, 200, 1200),
    VmSpec("hot", 192, 24, 5000),
)
SPEEDS = (300_000_000, 600_000_000, 1_200_000_000)
REPEATS, REPEATS_FULL = 4, 8
MEASURE_SECONDS = 15
MOST_SECONDS = 120.0
SEED = 5
REACH = {"brownout": 0.10, "blackout": 0.20}
WORDS = {"brownout": "brown-out", "blackout": "black-out"}


@dataclass(frozen=True, slots=True)
class Made:
    """One move: which guest at which speed, and its row with what the model alone had said of it."""

    guest: str
    speed: int
    row: MoveRow
    memory_bytes: int

    def seconds(self, span: str) -> float:
        found: float | None = getattr(self.row.record, f"{span}_seconds") if self.row.record else None
        return found or math.nan


def measure(settings: Settings) -> list[Claim]:
    """Two claims: brown-outs and black-outs of the second half."""
    made, vms, hosts = _in_a_lab(REPEATS_FULL if settings.full else REPEATS)
    half = len(made) // 2
    learnt = learn([each.row for each in made[:half]])
    told = [
        predict_move(vms[each.row.vm], *_ends(hosts, each.row, each.speed), learnt=learnt)
        for each in made[half:]
    ]
    return [_claim(span, made, half, told) for span in REACH]


def _ends(hosts: dict[HostId, Host], row: MoveRow, speed: int) -> tuple[Host, Host]:
    source, target = (
        replace(hosts[end], migration_bits_per_second=speed) for end in (row.source, row.target)
    )
    return source, target


def _claim(span: str, made: Sequence[Made], half: int, told: Sequence[Prediction]) -> Claim:
    held = made[half:]
    ours = [
        abs(getattr(each, f"{span}_seconds") / one.seconds(span) - 1)
        for each, one in zip(told, held, strict=True)
    ]
    naive = [abs(_naive(span, one) / one.seconds(span) - 1) for one in held]
    spread = _spread(span, made)
    typical = median(spread)
    most = max(REACH[span], 1.5 * typical)
    middle, ninth = median(ours), _ninth(ours)
    return Claim(
        f"{WORDS[span]} of {len(held)} real migrations, foretold from {half} others: median error",
        round(middle, 4),
        {
            "p90": round(ninth, 4),
            "naive, median": round(median(naive), 4),
            "naive, p90": round(_ninth(naive), 4),
            "identical repeats, median": round(typical, 4),
            "identical repeats, p90": round(_ninth(spread), 4),
        },
        f"median <= {most:.3f}, p90 <= {2 * most:.3f}",
        len(made) >= 60 and middle <= most and ninth <= 2 * most,
        tuple(_instance(one, span, each) for one, each in zip(made, [None] * half + list(told), strict=True)),
    )


def _naive(span: str, one: Made) -> float:
    return one.memory_bytes * 8 / one.speed if span == "brownout" else DOWNTIME_LIMIT_SECONDS


def _spread(span: str, made: Sequence[Made]) -> list[float]:
    """Of each move, how far it is from the median of the others of its kind."""
    found = []
    for one in made:
        others = [
            each.seconds(span)
            for each in made
            if each is not one and (each.guest, each.speed) == (one.guest, one.speed)
        ]
        found.append(abs(median(others) / one.seconds(span) - 1))
    return found


def _ninth(errors: Sequence[float]) -> float:
    return sorted(errors)[math.ceil(0.9 * len(errors)) - 1]


def _instance(one: Made, span: str, told: Prediction | None) -> dict[str, Any]:
    alone = one.row.predicted
    return {
        "guest": one.guest,
        "bits_per_second": one.speed,
        "from": str(one.row.source)[-4:],
        "for": "history" if told is None else "comparison",
        "measured_seconds": one.seconds(span),
        "foretold_seconds": None if told is None else round(getattr(told, f"{span}_seconds"), 3),
        "model_alone_seconds": round(getattr(alone, f"{span}_seconds"), 3),
        "once_seconds": round(alone.once_seconds, 3),
        "again_seconds": round(alone.again_seconds, 3),
        "switch_seconds": round(alone.switch_seconds, 4),
        "total_seconds": None if one.row.record is None else one.row.record.total_seconds,
        "wire_bytes": None if one.row.record is None else one.row.record.wire_bytes,
        "rounds": None if one.row.record is None else one.row.record.rounds,
        "foretold_bytes": alone.wire_bytes,
    }


# --- the lab ------------------------------------------------------------------------------------------------


def _in_a_lab(repeats: int) -> tuple[list[Made], dict[VmId, Vm], dict[HostId, Host]]:
    try:
        lab = Lab.up(LabSpec(name=LAB, hosts=default_hosts(2), vms=GUESTS), install=True)
    except LabError as error:
        Lab.remove(LAB)
        raise Skipped(f"no lab can be made here: {error}") from error
    try:
        [cluster] = load(lab.config_path).clusters.values()
        with tempfile.TemporaryDirectory(prefix="standfast-bench-") as where:
            outside = outside_for(cluster, Path(where), {})
            try:
                return _all_moves(lab, outside, repeats)
            finally:
                outside.platform.close()
    finally:
        lab.down()


def _all_moves(
    lab: Lab, outside: Outside, repeats: int
) -> tuple[list[Made], dict[VmId, Vm], dict[HostId, Host]]:
    assert outside.measuring is not None
    time.sleep(3.0)  # guests fill their working sets first
    outside.measuring.measure_memory(MEASURE_SECONDS)
    seen = outside.platform.observe()
    vms = {vm.id: vm for vm in seen.vms}
    hosts = {host.id: host for host in seen.hosts}
    chance = random.Random(SEED)
    made: list[Made] = []
    for _ in range(repeats):
        kinds = [(speed, guest.name) for speed in SPEEDS for guest in GUESTS]
        chance.shuffle(kinds)
        for speed, guest in kinds:
            lab.set_speed(Net.MIGRATION, speed)
            made.append(_move(outside, vms, hosts, guest, speed, len(made)))
    return made, vms, hosts


def _move(
    outside: Outside,
    vms: dict[VmId, Vm],
    hosts: dict[HostId, Host],
    guest: str,
    speed: int,
    number: int,
) -> Made:
    """Move the guest to the other host, and wait for it."""
    now = next(vm for vm in outside.platform.observe().vms if vm.name == guest)
    target = next(host for host in hosts if host != now.host)
    order = MoveOrder(MoveId(f"01BENCH-{number:04d}"), now.id, now.host, target, MOST_SECONDS)
    began = time.time()
    outside.platform.start_move(order)
    while (outcome := outside.platform.move_outcome(order)).kind is OutcomeKind.RUNNING:
        if time.time() - began > MOST_SECONDS:
            outside.platform.cancel_move(order)
        time.sleep(0.1)
    if outcome.kind is not OutcomeKind.SUCCEEDED or outcome.record is None:
        raise SystemExit(f"lab_migrations: {guest} at {speed} bit/s was not moved: {outcome.error}")
    row = MoveRow(
        order.id,
        now.id,
        guest,
        now.host,
        target,
        Purpose.EVACUATE,
        None,
        1,
        MoveState.DONE,
        began,
        began + MOST_SECONDS,
        Prediction(0.0, 0.0, 0.0, 0.0, 0),
        ended_at=time.time(),
        record=outcome.record,
    )
    alone = predict_move(vms[now.id], *_ends(hosts, row, speed))
    return Made(guest, speed, replace(row, predicted=alone), now.memory_bytes)
