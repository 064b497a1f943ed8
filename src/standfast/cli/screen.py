"""A run as somebody watching sees it: lines of text from rows, events and the live row. Pure."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from standfast.model.run import ENDED_PHASES, EventRow, HostRow, MoveState, Phase, Run, RunState
from standfast.model.units import size, span
from standfast.report.plain import cell

LEASE_SECONDS = 20.0
"""How long a controller's lease lasts after it was last heard of."""
MOST_NAMED = 3
"""Up to so many hosts at work are named in the header."""
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
    published_at: float = 0.0
    """When the live row was written, on the cluster's own clock; 0: never."""
    starting: bool = False
    """A controller's process is there, and has not taken the lease yet."""

    @property
    def cluster_now(self) -> float:
        """Now on the cluster's own clock, which is virtual where it is simulated: as far as it is known."""
        known = max(self.published_at, max((event.at for event in self.events[-1:]), default=0.0))
        return self.now if 0.0 <= self.now - known < LEASE_SECONDS else known

    @property
    def alone(self) -> bool:
        """Nobody acts, and nobody is about to."""
        return not self.alive and not self.starting and self.alone_seconds >= GRACE_SECONDS

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
        lines.append(" · ".join(part for part in (_soak(seen), _left(seen.live), _controller(seen)) if part))
    return [cell(line) for line in lines]


def _progress(run: Run) -> str:
    if run.plan.balance is not None:
        made = sum(move.state is MoveState.DONE for move in run.moves)
        return f"{made} of {len(run.plan.rebalance)} moves made"
    ended = [row for row in run.hosts if row.phase in ENDED_PHASES]
    current = [row for row in run.hosts if row.phase not in ENDED_PHASES and row.phase != Phase.PLANNED]
    done = f"{sum(row.phase == Phase.DONE for row in ended)} of {len(run.hosts)} hosts done"
    if run.ended or not current:
        return done
    if len(current) > MOST_NAMED:
        return f"{done}, {len(current)} at work"
    names = ", ".join(f"{row.name} {row.phase}" for row in current)
    return f"host {len(ended) + 1} of {len(run.hosts)}, {names}"


def _soak(seen: Seen) -> str:
    """What the run waits for: a maintenance window, or for the first hosts to stay well for a while."""
    opens = seen.live.get("window_opens_at")
    if opens and seen.run.state is RunState.RUNNING:
        return f"the next hosts wait for their window, which opens in {span(max(0.0, opens - seen.now))}"
    left = seen.live.get("soak_left_seconds", 0.0)
    return f"others follow in {span(left)}" if left and seen.run.state is RunState.RUNNING else ""


def _left(live: dict[str, Any]) -> str:
    left = live.get("left_seconds")
    if not left or left[0] <= 0:
        return ""
    low, high = span(left[0]), span(left[1])
    return f"about {low} left" if low == high else f"{low} to {high} left"


def _controller(seen: Seen) -> str:
    ago = span(max(0.0, round(seen.now - seen.heard_at)))
    if seen.alive:
        return f"controller alive {ago} ago"
    if not seen.alone:
        return "the controller is starting"
    return f"controller silent for {ago}" if seen.controller else "no controller"


def lanes(seen: Seen, rows: Sequence[HostRow]) -> list[tuple[str, str, str]]:
    """For each row (host, phase, what happened last there)."""
    last = {event.host: event.text for event in seen.events if event.host is not None}
    return [(cell(row.name), _phase(row), cell(last.get(row.host, ""))) for row in rows]


def _phase(row: HostRow) -> str:
    return f"held (was {cell(row.held_phase)})" if row.phase == Phase.HELD else cell(row.phase)


def age(seen: Seen, row: HostRow) -> str:
    """` 12 s of about 30 s`, in a phase that lasts; the prediction only where there is one."""
    if row.phase in ENDED_PHASES or row.phase == Phase.PLANNED or seen.run.ended:
        return ""
    text = f" {span(round(max(0.0, seen.cluster_now - row.since)))}"
    expected = _expected(seen.run, row)
    return f"{text} of about {span(round(expected))}" if expected >= 1.0 else text


def _expected(run: Run, row: HostRow) -> float:
    """Predicted seconds in the phase that the host is in; 0 where the plan has none."""
    names = {
        Phase.DRAINING: "drain_seconds",
        Phase.PATCHING: "patch_seconds",
        Phase.REBOOTING: "reboot_seconds",
        Phase.VERIFYING: "verify_seconds",
    }
    step = next((step for step in run.plan.steps if step.host == row.host), None)
    name = next((name for phase, name in names.items() if phase == row.phase), "")
    return float(getattr(step, name)) if step is not None and name else 0.0


def in_the_air(seen: Seen) -> list[dict[str, Any]]:
    """Moves under way, as last published; none once the run has ended."""
    return [] if seen.run.ended else list(seen.live.get("flights", []))


def flights(seen: Seen) -> list[tuple[str, str, str, str]]:
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
        for each in in_the_air(seen)
    ]


def blocks(seen: Seen) -> list[str]:
    """What keeps the run from going on, and what to type; empty where nothing does."""
    run = seen.run
    type_ = f"standfast run {{}} {shlex.quote(short(run.id))}"
    lines: list[str] = []
    if run.state is RunState.HELD:
        reasons = [(row.name, row.reason) for row in run.hosts if row.phase == Phase.HELD and row.reason]
        lines += [_about(name, str(reason)) for name, reason in reasons]
        if not reasons and run.reason:
            lines.append(str(run.reason))
        lines.append(f"Try again from here:        {type_.format('resume')}")
        names = [row.name for row in run.hosts if row.phase == Phase.HELD]
        if names:
            lines.append(f"Go on without it:           {type_.format('skip ' + shlex.quote(names[0]))}")
        lines.append(f"Give all back and end:      {type_.format('cancel')}")
        lines.append(f"Stop acting, list the rest: {type_.format('abandon')}")
    elif run.state is RunState.PAUSED:
        lines.append(f"{run.reason or 'Paused.'} Go on: {type_.format('resume')}")
    if not run.ended and seen.alone:
        lines.append("No controller acts on this run. Start one: standfast serve --until-idle")
    return [cell(line) for line in lines]


def _about(name: str, sentence: str) -> str:
    """The sentence with the host's name in front, where it does not begin with it."""
    return sentence if sentence.startswith((f"{name}:", f"{name} ")) else f"{name}: {sentence}"


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
