"""Whole plans with their schedules over thousands of hosts: seconds, memory, how near the bound; the growth
as a curve. Beside them drain-and-return, one host at a time, and a greedy spread of waves in host order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench._fleets import measured, paired, policy_for
from bench.claim import Claim, Settings
from bench.walking import own_seconds
from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.predict.precopy import predict_move

FILL, SEED = 0.69, 12
"""Twenty VMs for each host, as the generator draws their sizes."""

MOST_SECONDS, MOST_BYTES, MOST_OVER_BOUND = 10.0, 2**30, 1.10
FULL_SECONDS, FULL_BYTES = 180.0, 8 * 2**30
CURVE, CURVE_FULL = (125, 250, 500, 1_000), (2_000, 5_000, 10_000)
PUBLISHED = {"published for 1,032 x 14,208 (Fujitsu 2019)": 206.0}


def measure(settings: Settings) -> list[Claim]:
    """At 1,000 hosts, and with `full` at up to 10,000."""
    curve = [measured(hosts, FILL, SEED) for hosts in CURVE]
    ours = curve[-1]
    whole = not ours["refused"] and not ours["violations"]
    head = f"{ours['hosts']:,} hosts, {ours['vms']:,} VMs, {ours['pairs']} pairs"
    beside = baselines(paired(ours["hosts"], FILL, SEED), policy_for(ours["hosts"]))
    bound = ours["bound_seconds"]
    claims = [
        Claim(
            f"{head}: seconds for the whole plan (of CPU {ours['plan_cpu_seconds']:g})",
            ours["plan_seconds"],
            PUBLISHED,
            f"<= {MOST_SECONDS:g}, no violation",
            ours["plan_seconds"] <= MOST_SECONDS and whole,
            tuple(curve),
        ),
        Claim(
            f"{head}: peak memory in MiB",
            round(ours["peak_bytes"] / 2**20),
            {"published": 1086.0},
            f"<= {MOST_BYTES >> 20}",
            ours["peak_bytes"] <= MOST_BYTES,
        ),
        Claim(
            f"{head}: makespan over its bound ({ours['bound']})",
            ours["makespan_over_bound"],
            {name: round(seconds / bound, 3) for name, seconds in beside.items()},
            f"<= {MOST_OVER_BOUND}",
            ours["makespan_over_bound"] <= MOST_OVER_BOUND and whole,
        ),
    ]
    if settings.full:
        curve += [measured(hosts, FILL, SEED) for hosts in CURVE_FULL]
        claims += _large(curve)
    claims.append(_growth(curve))
    return claims


def _large(curve: list[dict[str, Any]]) -> list[Claim]:
    ours = curve[-1]
    whole = not ours["refused"] and not ours["violations"]
    head = f"{ours['hosts']:,} hosts, {ours['vms']:,} VMs"
    return [
        Claim(
            f"{head}: seconds for the whole plan (of CPU {ours['plan_cpu_seconds']:g})",
            ours["plan_seconds"],
            {},
            f"<= {FULL_SECONDS:g}, no violation",
            ours["plan_seconds"] <= FULL_SECONDS and whole,
            (ours,),
        ),
        Claim(
            f"{head}: peak memory in MiB",
            round(ours["peak_bytes"] / 2**20),
            {},
            f"<= {FULL_BYTES >> 20}",
            ours["peak_bytes"] <= FULL_BYTES,
        ),
    ]


def _growth(curve: list[dict[str, Any]]) -> Claim:
    """Seconds as a power of the number of hosts, by least squares over the curve."""
    hosts = np.log([row["hosts"] for row in curve])
    seconds = np.log([max(1e-3, row["plan_cpu_seconds"]) for row in curve])
    power = float(np.polyfit(hosts, seconds, 1)[0])
    points = ", ".join(f"{row['hosts']:,}: {row['plan_cpu_seconds']:g} s" for row in curve)
    return Claim(
        f"growth of a plan's time with the number of hosts, as a power ({points})",
        round(power, 2),
        {"every pair of hosts": 2.0},
        "< 2",
        power < 2,
        tuple(curve),
    )


def baselines(made: Snapshot, policy: Policy) -> Mapping[str, float]:
    """Seconds of others' ways, flattered: their ports never wait for one another.

    Drain-and-return: each host in turn sends its VMs, is patched, and gets them back. Greedy spread: waves
    of a tenth of the hosts in the order of their names, each VM (the largest first) to the least loaded host
    that is not out; a wave lasts until the busiest port is done.
    """
    own = own_seconds(policy)
    sent = _sent_seconds(made)
    one_by_one = sum(own + 2 * seconds for seconds in sent.values())
    return {
        "drain-and-return, one at a time": one_by_one,
        "greedy spread, rules ignored": _greedy(made, policy, own),
    }


def _greedy(made: Snapshot, policy: Policy, own: float) -> float:
    number = {host.id: index for index, host in enumerate(made.hosts)}
    at = {vm.id: number[vm.host] for vm in made.vms}
    memory = {vm.id: vm.memory_bytes for vm in made.vms}
    length = _lengths(made)
    held = np.zeros(len(number))
    inside: list[set[VmId]] = [set() for _ in number]
    for vm, host in at.items():
        held[host] += memory[vm]
        inside[host].add(vm)
    total = policy.canary_soak_seconds
    wide = policy.wave_hosts_max
    for begin in range(0, len(number), wide):
        wave = range(begin, min(len(number), begin + wide))
        load = held.copy()
        load[wave.start : wave.stop] = np.inf
        out, into = np.zeros(len(number)), np.zeros(len(number))
        for vm in sorted((vm for host in wave for vm in inside[host]), key=lambda vm: (-memory[vm], vm)):
            source, target = at[vm], int(load.argmin())
            out[source] += length[vm]
            into[target] += length[vm]
            load[target] += memory[vm]
            held[source] -= memory[vm]
            held[target] += memory[vm]
            inside[source].discard(vm)
            inside[target].add(vm)
            at[vm] = target
        total += own + float(max(out.max(), into.max()))
    return total


def _lengths(made: Snapshot) -> dict[VmId, float]:
    """Seconds of each VM's move from where it is to a host of the same speed."""
    hosts = {host.id: host for host in made.hosts}
    known: dict[tuple[int, int | None], float] = {}
    found = {}
    for vm in made.vms:
        host = hosts[vm.host]
        key = (vm.memory_bytes, host.migration_bits_per_second)
        if key not in known:
            told = predict_move(vm, host, host)
            known[key] = told.brownout_seconds + told.blackout_seconds
        found[vm.id] = known[key]
    return found


def _sent_seconds(made: Snapshot) -> dict[HostId, float]:
    """Seconds in which each host's port sends all its VMs."""
    length = _lengths(made)
    sent: dict[HostId, float] = {host.id: 0.0 for host in made.hosts}
    for vm in made.vms:
        sent[vm.host] += length[vm.id]
    return sent
