"""What a watcher wants to know between events: moves in the air and time left."""

from __future__ import annotations

from typing import Any

from standfast.model.plan import HostStep
from standfast.model.run import ENDED_PHASES, HostRow, Phase, Run
from standfast.run.seen import Seen

SPREAD = 1.5
"""p95 over p50 of what is left: patch and boot times vary more than moves; replaced by history later."""


def live(run: Run, seen: Seen, now: float) -> dict[str, Any]:
    """The live row: `{"flights": […], "left_seconds": [p50, p95]}`; bytes and seconds."""
    left = left_seconds(run, now)
    started = {move.vm: move for move in run.moves if move.ended_at is None}
    flights = [
        {
            "vm": vm.name,
            "source": seen.snapshot.host_name(vm.host),
            "target": seen.snapshot.host_name(started[vm.id].target),
            "total_bytes": vm.flight.total_bytes,
            "sent_bytes": max(0, vm.flight.total_bytes - vm.flight.remaining_bytes),
            "bytes_per_second": vm.flight.bytes_per_second,
            "iteration": vm.flight.iteration,
        }
        for vm in seen.snapshot.vms
        if vm.flight is not None and vm.id in started
    ]
    return {"flights": flights, "left_seconds": [left, left * SPREAD]}


def left_seconds(run: Run, now: float) -> float:
    """Predicted seconds to the end of the run, from the plan's spans and each host's phase."""
    steps = {step.host: step for step in run.plan.steps}
    hosts = sum(_left(steps[row.host], row, now) for row in run.hosts if row.host in steps)
    return hosts + sum(move.predicted.brownout_seconds for move in run.plan.rebalance)


def _left(step: HostStep, row: HostRow, now: float) -> float:
    if row.phase in ENDED_PHASES:
        return 0.0
    spans = {
        Phase.DRAINING: step.drain_seconds,
        Phase.PATCHING: step.patch_seconds,
        Phase.REBOOTING: step.reboot_seconds,
        Phase.VERIFYING: step.verify_seconds,
    }
    phase = row.held_phase if row.phase == Phase.HELD else row.phase
    order = [Phase.PLANNED, Phase.SILENCED, Phase.DRAINING, Phase.EMPTY, Phase.PATCHING]
    order += [Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING]
    ahead = order[order.index(Phase(phase)) + 1 :] if phase in order else order
    current = max(0.0, spans.get(Phase(phase), 0.0) - (now - row.since)) if phase in spans else 0.0
    return current + sum(spans.get(later, 0.0) for later in ahead)
