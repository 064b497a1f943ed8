"""Small shops: whole plans beside an administrator's usual way, one host at a time and every VM back home."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from bench.claim import Claim, Settings
from bench.generated import SIZES_GIB, WEIGHTS, groups_of, host, snapshot, vm
from bench.walking import return_home
from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.policy import Policy
from standfast.plan.checker import stages_of, walk
from standfast.plan.checker_words import Limits, Stage, Verdict
from standfast.plan.make import make_plan

CLUSTERS, SEED = 200, 2026
MOST_TIME, MOST_MOVES, MOST_SECONDS = 0.7, 0.6, 1.0
LINKS = (1_000_000_000, 10_000_000_000, 25_000_000_000)


@dataclass(frozen=True, slots=True)
class Shop:
    """A cluster, drain-and-return through it, and what the checker said of that."""

    made: Snapshot
    home: tuple[Stage, ...]
    judged: Verdict


def measure(settings: Settings) -> list[Claim]:
    """Time, moves and speed over the same clusters; a cluster that one of the two can't do counts as
    refused."""
    draw = random.Random(SEED)
    found = [_instance(number, shop(draw)) for number in range(CLUSTERS)]
    done = [each for each in found if not each["refused"]]
    violations = sum(each["violations"] for each in found)
    slowest = max(each["plan_seconds"] for each in found)
    slowest_cpu = max(each["plan_cpu_seconds"] for each in found)
    claims = []
    for what, most in (("makespan", MOST_TIME), ("moves", MOST_MOVES)):
        ratio = fmean(each[what] / each[f"{what}_home"] for each in done)
        name = f"mean {what} of {len(done)} small shops, as a share of drain-and-return"
        holds = ratio <= most and violations == 0 and len(done) == CLUSTERS
        claims.append(
            Claim(
                name,
                round(ratio, 4),
                {"drain-and-return": 1.0},
                f"<= {most}, no violation",
                holds,
                tuple(found),
            )
        )
    name = f"slowest plan of {CLUSTERS} small shops, in seconds (of CPU {slowest_cpu:g})"
    claims.append(Claim(name, round(slowest, 3), {}, f"<= {MOST_SECONDS}", slowest <= MOST_SECONDS))
    return claims


def shop(draw: random.Random) -> Shop:
    """3 to 16 hosts of one to three sizes, 60 to 85 % full, the fullest that can still give one host up.

    The rules are the strictest that leave a way at all: N+1 while a host is out where there is room for it,
    else without. Nobody else's planner gets through the others either.
    """
    while True:
        made = _draw(draw)
        if made is not None:
            return made


def _draw(draw: random.Random) -> Shop | None:
    count = draw.randint(3, 16)
    fill = draw.uniform(0.60, 0.85)
    link = draw.choice(LINKS)
    sizes = draw.choice(((128,), (256,), (128, 256), (256, 384), (128, 256, 512)))
    hosts = [host(number, draw.choice(sizes), link=link) for number in range(count)]
    vms = _fill(draw, hosts, fill)
    groups = groups_of(vms, draw, draw.choice((0.0, 0.1, 0.2)), (2, 3))
    for reserve, ceiling in ((1, 0.90), (0, 0.90), (0, 0.97)):
        made = snapshot(hosts, vms, groups, reserve_hosts=reserve, memory_ceiling=ceiling)
        if (found := _with_a_way(made)) is not None:
            return found
    return None


def _fill(draw: random.Random, hosts: Sequence[Host], fill: float) -> list[Vm]:
    free = {at.id: at.memory_bytes / 2**30 * 0.97 for at in hosts}
    goal = fill * sum(at.memory_bytes for at in hosts) / 2**30
    vms: list[Vm] = []
    placed = 0.0
    while placed < goal:
        memory = min(draw.choices(SIZES_GIB, WEIGHTS)[0], goal - placed + 2)
        at = max(draw.choices(hosts, k=2), key=lambda one: free[one.id])
        if free[at.id] < memory:
            at = max(hosts, key=lambda one: free[one.id])
            memory = min(memory, max(1.0, free[at.id]))
        free[at.id] -= memory
        placed += memory
        vms.append(vm(len(vms), at, memory))
    return vms


def _with_a_way(made: Snapshot) -> Shop | None:
    """Drain-and-return, told apart from our planner, where it gets every host out within the rules."""
    stages = return_home(made)
    if stages is None:
        return None
    verdict = walk(stages, made)
    return None if verdict.violations else Shop(made, stages, verdict)


def _instance(number: int, shop: Shop) -> dict[str, Any]:
    made = shop.made
    began, began_cpu = time.perf_counter(), time.process_time()
    plan = make_plan(made, Policy(), now=0.0)
    took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    ours = walk(stages_of(plan), made, Limits(2, Policy().moves_at_once))
    return {
        "number": number,
        "hosts": len(made.hosts),
        "vms": len(made.vms),
        "fill": round(
            sum(one.memory_bytes for one in made.vms) / sum(one.memory_bytes for one in made.hosts), 3
        ),
        "reserve_hosts": made.rules.reserve_hosts,
        "memory_ceiling": made.rules.memory_ceiling,
        "refused": len(plan.refusals),
        "violations": len(ours.violations),
        "makespan": plan.predicted_seconds,
        "makespan_bound": plan.bounds.seconds_at_least,
        "makespan_home": home_seconds(shop.home, made, Policy()),
        "moves": ours.moves,
        "moves_home": shop.judged.moves,
        "plan_seconds": round(took, 4),
        "plan_cpu_seconds": round(took_cpu, 4),
    }


def home_seconds(stages: Sequence[Any], made: Snapshot, policy: Policy) -> float:
    """How long drain-and-return takes: every stage's moves at full port speed, and each host's own work."""
    from bench.walking import stage_seconds

    return sum(stage_seconds(stage, made, policy) for stage in stages)
