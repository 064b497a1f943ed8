"""Published evacuations (mVM, 2017): all VMs of 48 to 480 hosts to half as many, with the switches between.

Where each VM goes is given; only the schedule is free. Beside ours in the same run: hosts one after another
as far as ports allow (FIFO), any five at once over the cluster (KubeVirt's default, ports ignored), and one
at a time. The bound is the most loaded port or uplink.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from bench.claim import Claim, Settings, Skipped
from standfast.plan.schedule import Jobs, shortest

MOST_OVER_BOUND, MOST_OF_CAP = 1.10, 0.52
CAP = 5
TRIES = 40
MEGABITS_TO_MEGABYTES = 1 / 9
"""As mVM reckons: 1,000 Mbit/s carry 111 MB/s."""


@dataclass(frozen=True, slots=True)
class Evacuation:
    jobs: Jobs
    sources: tuple[int, ...]


def measure(settings: Settings) -> list[Claim]:
    """Mean of makespan over bound, and the share of cap 5 at the scale where it is largest."""
    folder = settings.folder("btrplace-decommission")
    rows = [
        _instance(path, folder) for path in sorted(folder.glob("*_scale/*/instance_*.json"), key=_natural)
    ]
    if not rows:
        raise Skipped(f"{folder} holds no *_scale/*/instance_*.json")
    scales = sorted({row["scale"] for row in rows})

    def mean(who: str, scale: str | None = None) -> float:
        chosen = [row for row in rows if scale is None or row["scale"] == scale]
        return round(fmean(row[who] / row["bound"] for row in chosen), 4)

    shares = {scale: round(mean("ours", scale) / mean("cap", scale), 4) for scale in scales}
    worst = max(shares, key=lambda scale: shares[scale])
    wrong = sum(row["violations"] for row in rows)
    told = ", ".join(f"{scale} {mean('ours', scale):g}" for scale in scales)
    return [
        Claim(
            f"mean makespan over bound of {len(rows)} evacuations, without CP-SAT ({told})",
            mean("ours"),
            {"FIFO by host": mean("fifo"), f"cap {CAP}": mean("cap"), "one at a time": mean("one")},
            f"<= {MOST_OVER_BOUND}, no port over its rate",
            mean("ours") <= MOST_OVER_BOUND and wrong == 0,
            tuple(rows),
        ),
        Claim(
            f"makespan as a share of cap {CAP}, mean of a scale, the worst ({worst})",
            shares[worst],
            {f"cap {CAP}": 1.0},
            f"<= {MOST_OF_CAP} at each scale",
            shares[worst] <= MOST_OF_CAP,
        ),
    ]


def _natural(path: Path) -> tuple[str, int, str]:
    scale = path.parent.name
    return path.parent.parent.name, int(scale.lstrip("x") or 0), path.name


def _instance(path: Path, folder: Path) -> dict[str, Any]:
    try:
        made = read(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise Skipped(f"{path} can't be read as an evacuation: {error!r}") from error
    begins = shortest(made.jobs, TRIES)
    return {
        "instance": str(path.relative_to(folder)),
        "scale": f"{path.parent.parent.name} {path.parent.name}",
        "migrations": len(made.jobs.seconds),
        "bound": round(made.jobs.bound(), 3),
        "ours": round(float((begins + made.jobs.seconds).max()), 3),
        "violations": overfull(made.jobs, begins.tolist()),
        "fifo": round(_fifo(made), 3),
        "cap": round(_capped(made.jobs.seconds.tolist()), 3),
        "one": round(float(made.jobs.seconds.sum()), 3),
    }


def read(told: dict[str, Any]) -> Evacuation:
    """Migrations with their lengths at full port speed; ports and uplinks each way as resources."""
    model = told["model"]
    at = {
        vm: int(node)
        for node, inside in model["mapping"]["onlineNodes"].items()
        for vm in inside["runningVMs"]
    }
    goes = {each["vm"]: each["nodes"][0] for each in told["constraints"] if each["id"] == "fence"}
    net = next(view for view in model["views"] if view["id"] == "net")
    port: dict[int, dict[str, Any]] = {}
    uplink: dict[int, dict[str, Any]] = {}
    for link in net["links"]:
        end = link["physicalElement"]
        (port if end["type"] == "node" else uplink)[end["id"]] = link
    numbers: dict[tuple[str, int], int] = {}
    streams: list[int] = []
    seconds, uses, sources = [], [], []
    for vm in sorted(goes):
        source, target = at[vm], goes[vm]
        if source == target:
            continue
        mine = [("out", port[source]), ("in", port[target])]
        here, there = port[source]["switch"], port[target]["switch"]
        if here != there:
            mine += [("out", uplink[each]) for each in (here,) if each in uplink]
            mine += [("in", uplink[each]) for each in (there,) if each in uplink]
        rate = min(port[source]["capacity"], port[target]["capacity"])
        for way, link in mine:
            if (way, link["id"]) not in numbers:
                numbers[way, link["id"]] = len(numbers)
                streams.append(max(1, int(link["capacity"] // rate)))
        uses.append([numbers[way, link["id"]] for way, link in mine])
        seconds.append(_seconds(model["attributes"]["vms"][str(vm)], rate))
        sources.append(source)
    return Evacuation(Jobs.of(seconds, uses, streams), tuple(sources))


def _seconds(vm: dict[str, Any], megabits: float) -> float:
    """The hot and cold formula of mVM."""
    rate = megabits * MEGABITS_TO_MEGABYTES
    memory, hot = float(vm["memUsed"]), float(vm["hotDirtySize"])
    hot_seconds, cold = float(vm["hotDirtyDuration"]), float(vm["coldDirtyRate"])
    plain = memory / rate
    again = (hot + max(0.0, plain - hot_seconds) * cold) / (rate - cold)
    last = (hot / rate) * (hot / hot_seconds) / (rate - hot / hot_seconds) if hot_seconds else 0.0
    return plain + again + last


def overfull(jobs: Jobs, begins: Sequence[float]) -> int:
    """Resources that hold more migrations at some moment than they may: told apart from the scheduler."""
    wrong = 0
    for resource, most in enumerate(jobs.streams.tolist()):
        mine = np.flatnonzero((jobs.uses == resource).any(axis=1)).tolist()
        events = sorted(
            event
            for job in mine
            for event in ((begins[job], 1), (begins[job] + float(jobs.seconds[job]) - 1e-6, -1))
        )
        level = peak = 0
        for _, step in events:
            level += step
            peak = max(peak, level)
        wrong += peak > most
    return wrong


def _fifo(made: Evacuation) -> float:
    """In the order of hosts, each as soon as all of its resources are free; none waits for one behind it."""
    jobs = made.jobs
    order = sorted(range(len(jobs.seconds)), key=lambda job: (made.sources[job], job))
    free = jobs.streams.tolist()
    uses = [[use for use in row if use >= 0] for row in jobs.uses.tolist()]
    running: list[tuple[float, int]] = []
    now = 0.0
    while order or running:
        waiting = []
        for job in order:
            if all(free[use] > 0 for use in uses[job]):
                for use in uses[job]:
                    free[use] -= 1
                heappush(running, (now + float(jobs.seconds[job]), job))
            else:
                waiting.append(job)
        order = waiting
        now, ended = heappop(running)
        for use in uses[ended]:
            free[use] += 1
    return now


def _capped(seconds: Sequence[float]) -> float:
    """Any five at once, at full speed whatever ports they share."""
    running: list[float] = []
    now = 0.0
    for length in seconds:
        if len(running) >= CAP:
            now = heappop(running)
        heappush(running, now + length)
    return max(running, default=0.0)
