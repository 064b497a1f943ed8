"""One plan over a large generated cluster, measured in a process of its own: seconds, memory, verdict."""

from __future__ import annotations

import multiprocessing
import resource
import time
from typing import Any

from bench.generated import fleet
from standfast.model.cluster import Snapshot
from standfast.model.policy import Policy
from standfast.plan.checker import stages_of, walk
from standfast.plan.checker_words import Kind, Limits
from standfast.plan.make import make_plan

PAIRED_SHARE = 0.10
"""Share of the VMs that are one of a tagged pair."""

MOVES_PER_HOST_OUT = Policy().moves_at_once // Policy().wave_hosts_max


def policy_for(hosts: int) -> Policy:
    """The defaults, but for the two limits that are numbers of hosts: a tenth of all may be out together, and
    as many moves go on for each of them as by default."""
    out = max(2, hosts // 10)
    return Policy(wave_hosts_max=out, moves_at_once=max(Policy().moves_at_once, MOVES_PER_HOST_OUT * out))


def paired(hosts: int, fill: float, seed: int) -> Snapshot:
    """Hosts of 256 GiB, filled evenly, with tagged pairs."""
    return fleet(hosts, fill, seed, group_share=PAIRED_SHARE)


def measured(hosts: int, fill: float, seed: int, *, check: bool = True) -> dict[str, Any]:
    """Figures of our plan. In a new process, so that its peak of memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (hosts, fill, seed, check))


def _measured(hosts: int, fill: float, seed: int, check: bool) -> dict[str, Any]:
    made = paired(hosts, fill, seed)
    policy = policy_for(hosts)
    began, began_cpu = time.perf_counter(), time.process_time()
    plan = make_plan(made, policy, now=0.0)
    took, took_cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    moves = plan.bounds.moves - len(plan.rebalance)
    found: dict[str, Any] = {
        "hosts": hosts,
        "vms": len(made.vms),
        "fill": fill,
        "pairs": len(made.rules.anti_affinity),
        "plan_seconds": round(took, 3),
        "plan_cpu_seconds": round(took_cpu, 3),
        "peak_bytes": peak,
        "refused": len(plan.refusals),
        "waves": len(plan.waves),
        "widest": max((len(wave.hosts) for wave in plan.waves), default=0),
        "moves_per_vm": round(moves / len(made.vms), 4),
        "moves_at_least_per_vm": round(plan.bounds.moves_at_least / len(made.vms), 4),
        "spreading_moves": len(plan.rebalance),
        "makespan_seconds": round(plan.bounds.seconds, 1),
        "bound_seconds": round(plan.bounds.seconds_at_least, 1),
        "bound": plan.bounds.times[0].name if plan.bounds.times else "",
        "makespan_over_bound": round(plan.bounds.seconds / max(1e-9, plan.bounds.seconds_at_least), 4),
        "spreading_seconds": round(plan.predicted_seconds - plan.bounds.seconds, 1),
    }
    if check:
        verdict = walk(stages_of(plan), made, Limits(max(2, hosts // 10), policy.moves_at_once))
        found |= {
            "violations": len(verdict.violations),
            "peak_memory_of_targets": round(verdict.peak_memory_fraction, 4),
        }
    return found


def tally(verdict_violations: Any) -> dict[str, int]:
    """How many violations of each kind."""
    found: dict[str, int] = {}
    for each in verdict_violations:
        kind = each.kind.value if isinstance(each.kind, Kind) else str(each.kind)
        found[kind] = found.get(kind, 0) + 1
    return found
