"""What a watcher wants to know between events: moves in the air and time left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from standfast.model.cluster import Vm
from standfast.model.ids import HostId
from standfast.model.plan import HostStep, Wave
from standfast.model.run import ENDED_PHASES, HostRow, Phase, Run
from standfast.run import foretell, turns
from standfast.run.seen import Seen, View

SPREAD = 1.5
"""p95 over p50 of what is left: patch and boot times vary more than moves; replaced by history later."""


def live(run: Run, seen: Seen, now: float, drains: foretell.Drains | None = None) -> dict[str, Any]:
    """The live row: `{"flights", "left_seconds": [p50, p95], "soak_left_seconds", "window_opens_at"}`.

    Bytes and seconds; the window's opening in Unix seconds, None where no window is waited for. `drains`
    remembers what was foretold of many moves from one time to the next.
    """
    view = View.of(run, seen, now)
    draining = (drains or foretell.Drains()).left(view)
    left, soak = left_seconds(run, now, draining), turns.soak_left_seconds(view)
    flights = [
        {
            "vm": move.vm_name,
            "source": seen.snapshot.host_name(move.source),
            "target": seen.snapshot.host_name(move.target),
            "seconds": max(0.0, now - move.started_at),
            "predicted_seconds": move.predicted.brownout_seconds,
            **_flight(seen.snapshot.vm(move.vm)),
        }
        for move in run.started
    ]
    return {
        "flights": flights,
        "left_seconds": [left, left * SPREAD],
        "soak_left_seconds": soak,
        "window_opens_at": turns.window_opens_at(view),
    }


def _flight(vm: Vm | None) -> dict[str, Any]:
    """What the platform says of a move under way; nought until its job is seen."""
    flight = vm.flight if vm is not None else None
    if flight is None:
        return {"total_bytes": 0, "sent_bytes": 0, "bytes_per_second": 0.0, "iteration": 0}
    return {
        "total_bytes": flight.total_bytes,
        "sent_bytes": max(0, flight.total_bytes - flight.remaining_bytes),
        "bytes_per_second": flight.bytes_per_second,
        "iteration": flight.iteration,
    }


def left_seconds(run: Run, now: float, drains: Mapping[HostId, float]) -> float:
    """Predicted seconds to the end of the run, from the plan's spans and each host's phase.

    A wave takes as long as its slowest host, and its soak where others are still to follow. `drains`: seconds
    that hosts which are being evacuated will still need for that.
    """
    waves = [_left_of(wave, run.row_of, now, drains) for wave in run.plan.waves]
    return sum(waves) + _spreading_left(run, now)


def _spreading_left(run: Run, now: float) -> float:
    """From the planned end of the moves after the last wave, less what was planned before the next one."""
    moves = run.plan.rebalance
    rows = {row.vm: row for row in run.moves_of.get(None, ())}
    ends = [(move.start_seconds or 0.0) + move.predicted.brownout_seconds for move in moves]
    open_ends = [
        (move.start_seconds or 0.0) + (now - rows[move.vm].started_at if move.vm in rows else 0.0)
        for move in moves
        if move.vm not in rows or rows[move.vm].ended_at is None
    ]
    return max(0.0, max(ends) - min(open_ends)) if open_ends else 0.0


def _left_of(wave: Wave, rows: Mapping[HostId, HostRow], now: float, drains: Mapping[HostId, float]) -> float:
    there = [(step, rows[step.host]) for step in wave.hosts if step.host in rows]
    ended = [row.since for _, row in there if row.phase in ENDED_PHASES]
    if len(ended) < len(there):
        return max(_left(step, row, now, drains) for step, row in there) + wave.soak_seconds
    return max(0.0, max(ended, default=now) + wave.soak_seconds - now) if wave.soak_seconds else 0.0


def _left(step: HostStep, row: HostRow, now: float, drains: Mapping[HostId, float]) -> float:
    if row.phase in ENDED_PHASES:
        return 0.0
    if row.phase == Phase.PLANNED:
        return step.drain_seconds + step.patch_seconds + step.reboot_seconds + step.verify_seconds
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
    if row.phase == Phase.DRAINING:
        current = drains.get(row.host, current)
    return current + sum(spans.get(later, 0.0) for later in ahead)
