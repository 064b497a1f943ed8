"""Small shops: whole plans beside an administrator's usual way, one host at a time and every VM back home."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from bench.claim import Claim, Settings
from bench.generated import SIZES_GIB, WEIGHTS, groups_of, host, snapshot, vm
from bench.walking import return_home
from standfast.model.cluster import Host, Snapshot, Vm
from standfast.model.policy import Policy
from standfast.plan.checker import stages_of, walk
from standfast.plan.checker_words import Limits
from standfast.plan.make import make_plan

CLUSTERS, SEED = 200, 2026
MOST_TIME, MOST_MOVES, MOST_SECONDS = 0.7, 0.6, 1.0
LINKS = (1_000_000_000, 10_000_000_000, 25_000_000_000)


def measure(settings: Settings) -> list[Claim]:
    """Time, moves and speed over the same clusters; a cluster that one of the two can't do counts as
    refused."""
    draw = random.Random(SEED)
    found = [_instance(number, shop(draw), settings) for number in range(CLUSTERS)]
    done = [each for each in found if not each["refused"]]
    violations = sum(each["violations"] for each in found)
    slowest = max(each["plan_seconds"] for each in found)
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
    name = f"slowest plan of {CLUSTERS} small shops, in seconds"
    claims.append(Claim(name, round(slowest, 3), {}, f"<= {MOST_SECONDS}", slowest <= MOST_SECONDS))
    return claims


def shop(draw: random.Random) -> Snapshot:
    """3 to 16 hosts of one to three sizes, 60 to 85 % full, the fullest that can still give one host up.

    The rules are the strictest that leave a way at all: N+1 while a host is out where there is room for it,
    else without. Nobody else's planner gets through the others either.
    """
    while True:
        made = _draw(draw)
        if made is not None:
            return made


def _draw(draw: random.Random) -> Snapshot | None:
    count = draw.randint(3, 16)
    fill = draw.uniform(0.60, 0.85)
    link = draw.choice(LINKS)
    sizes = draw.choice(((128,), (256,), (128, 256), (256, 384), (128, 256, 512)))
    hosts = [host(number, draw.choice(sizes), link=link) for number in range(count)]
    vms = _fill(draw, hosts, fill)
    groups = groups_of(vms, draw, draw.choice((0.0, 0.1, 0.2)), (2, 3))
    for reserve, ceiling in ((1, 0.90), (0, 0.90), (0, 0.97)):
        made = snapshot(hosts, vms, groups, reserve_hosts=reserve, memory_ceiling=ceiling)
        if _has_a_way(made):
            return made
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


def _has_a_way(made: Snapshot) -> bool:
    """Whether drain-and-return, told apart from our planner, gets every host out within the rules."""
    stages = return_home(made)
    return stages is not None and not walk(stages, made).violations


def _instance(number: int, made: Snapshot, settings: Settings) -> dict[str, Any]:
    home = return_home(made)
    assert home is not None
    theirs = walk(home, made)
    began = time.perf_counter()
    plan = make_plan(made, Policy(), now=0.0)
    took = time.perf_counter() - began
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
        "makespan_home": home_seconds(home, made, Policy()),
        "moves": ours.moves,
        "moves_home": theirs.moves,
        "plan_seconds": round(took, 4),
    }


def home_seconds(stages: Sequence[Any], made: Snapshot, policy: Policy) -> float:
    """How long drain-and-return takes: every stage's moves at full port speed, and each host's own work."""
    from bench.walking import stage_seconds

    return sum(stage_seconds(stage, made, policy) for stage in stages)
