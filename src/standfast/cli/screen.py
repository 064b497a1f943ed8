"""A run as somebody watching sees it: lines of text from rows, events and the live row. Pure."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from standfast.model.run import ENDED_PHASES, EventRow, HostRow, Phase, Run, RunState
from standfast.model.units import size, span
from standfast.report.plain import cell

LEASE_SECONDS = 20.0
"""How long a controller's lease lasts after it was last heard of."""
GRACE_SECONDS = 10.0
"""How long a controller may take to begin before it is missed."""

EXIT_CODES = {
    RunState.COMPLETED: 0,
    RunState.DEGRADED: 3,
    RunState.CANCELLED: 3,
    RunState.ABANDONED: 3,
    RunState.HELD: 4,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is read from the store for one look. Times are Unix seconds."""

    run: Run
    events: Sequence[EventRow]
    live: dict[str, Any]
    controller: str
    """Who holds the lease; empty: nobody."""
    heard_at: float
    now: float
    alone_seconds: float = math.inf
    """For how long nobody has acted, as far as this watcher knows."""

    @property
    def alive(self) -> bool:
        return bool(self.controller) and self.now - self.heard_at < LEASE_SECONDS


def short(run: str) -> str:
    """Enough of an id to type: the end of its time part and some of its random part."""
    return run[:13]


def header(seen: Seen) -> list[str]:
    """`Run 01K… on lab: running · host 2 of 3, kvm2 draining`, `3 min to 5 min left · controller …`."""
    run = seen.run
    lines = [f"Run {short(run.id)} on {run.cluster}: {run.state} · {_progress(run)}"]
    if not run.ended:
        lines.append(" · ".join(part for part in (_left(seen.live), _controller(seen)) if part))
    return [cell(line) for line in lines]


def _progress(run: Run) -> str:
    ended = [row for row in run.hosts if row.phase in ENDED_PHASES]
    current = [row for row in run.hosts if row.phase not in ENDED_PHASES and row.phase != Phase.PLANNED]
    if run.ended or not current:
        return f"{len(ended)} of {len(run.hosts)} hosts done"
    names = ", ".join(f"{row.name} {row.phase}" for row in current)
    return f"host {len(ended) + 1} of {len(run.hosts)}, {names}"


def _left(live: dict[str, Any]) -> str:
    left = live.get("left_seconds")
    if not left or left[0] <= 0:
        return ""
    low, high = span(left[0]), span(left[1])
    return f"about {low} left" if low == high else f"{low} to {high} left"


def _controller(seen: Seen) -> str:
    if not seen.controller:
        return "no controller" if seen.alone_seconds >= GRACE_SECONDS else "the controller is starting"
    ago = span(max(0.0, round(seen.now - seen.heard_at)))
    return f"controller alive {ago} ago" if seen.alive else f"controller silent for {ago}"


def lane(seen: Seen, row: HostRow) -> tuple[str, str, str]:
    """(host, phase with its age, what happened last there)."""
    phase = f"{row.phase} (was {row.held_phase})" if row.phase == Phase.HELD else str(row.phase)
    last = next((event.text for event in reversed(seen.events) if event.host == row.host), "")
    return cell(row.name), phase, cell(last)


def flights(live: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """(VM, way, sent of total, rate) of each move in the air."""
    return [
        (
            cell(str(each["vm"])),
            cell(f"{each['source']} -> {each['target']}"),
            f"{size(each['sent_bytes'])} of {size(each['total_bytes'])}"
            if each["total_bytes"]
            else "starting",
            f"{size(each['bytes_per_second'])}/s" if each["bytes_per_second"] else "",
        )
        for each in live.get("flights", [])
    ]


def blocks(seen: Seen) -> list[str]:
    """What keeps the run from going on, and what to type; empty where nothing does."""
    run = seen.run
    type_ = f"standfast run {{}} {shlex.quote(short(run.id))}"
    lines: list[str] = []
    if run.state is RunState.HELD:
        reasons = [(row.name, row.reason) for row in run.hosts if row.phase == Phase.HELD and row.reason]
        lines += [f"{name}: {reason}" for name, reason in reasons]
        if not reasons and run.reason:
            lines.append(str(run.reason))
        lines.append(f"Try again from here:        {type_.format('resume')}")
        lines.append(f"Give all back and end:      {type_.format('cancel')}")
        lines.append(f"Stop acting, list the rest: {type_.format('abandon')}")
    elif run.state is RunState.PAUSED:
        lines.append(f"{run.reason or 'Paused.'} Go on: {type_.format('resume')}")
    if not run.ended and not seen.alive and seen.alone_seconds >= GRACE_SECONDS:
        lines.append("No controller acts on this run. Start one: standfast serve --until-idle")
    return [cell(line) for line in lines]


def event_line(event: EventRow, names: dict[str, str]) -> str:
    """`14:02:11 kvm1: cordoned …`, with who said it where that was an operator."""
    clock = datetime.fromtimestamp(event.at).astimezone().strftime("%H:%M:%S")
    host = f"{names.get(str(event.host), str(event.host))}: " if event.host else ""
    actor = f"{event.actor}: " if event.actor != "standfast" else ""
    return cell(f"{clock} {host}{actor}{event.text}")


def host_names(run: Run) -> dict[str, str]:
    """Names by host id: hosts of the run, and those that it leaves alone."""
    return {str(alone.host): alone.name for alone in run.plan.left_alone} | {
        str(row.host): row.name for row in run.hosts
    }
