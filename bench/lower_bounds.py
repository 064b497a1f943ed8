"""Lower bounds are bounds: beside brute force over tiny clusters. And how near to the best our plans are."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean
from typing import Any

from bench.brute_force import Guest, Place, Terms, fewest_moves, shortest
from bench.claim import Claim, Settings
from bench.generated import host, snapshot, vm
from bench.walking import own_seconds
from standfast.model.cluster import AntiAffinity, Host, Snapshot, Vm
from standfast.model.hostwork import PendingUpdate, UpdateState
from standfast.model.policy import Policy
from standfast.plan.checker import violations
from standfast.plan.make import make_plan
from standfast.predict import spans
from standfast.predict.precopy import predict_move

CLUSTERS, SEED = 600, 6
MOST = 1.05
GIGABIT = 1_000_000_000
GRAIN_SECONDS = 1e-3


def measure(settings: Settings) -> list[Claim]:
    """Two claims over the same clusters: no bound above the optimum, and plans near it."""
    draw = random.Random(SEED)
    found = [_instance(number, tiny(draw)) for number in range(CLUSTERS * (3 if settings.full else 1))]
    solvable = [each for each in found if each["optimum_seconds"] is not None]
    above = [each for each in solvable if each["above"]]
    missed = [each for each in solvable if each["refused"]]
    wrong = sum(each["violations"] for each in found)
    done = [each for each in solvable if not each["refused"]]
    ratio = fmean(each["seconds"] / each["optimum_seconds"] for each in done if each["optimum_seconds"] > 0)
    moves = sum(each["moves"] for each in done) / max(1, sum(each["optimum_moves"] for each in done))
    enough = len(solvable) >= 500
    return [
        Claim(
            f"bounds above the optimum in {len(solvable)} clusters of at most 6 hosts and 8 VMs",
            len(above),
            {"brute force": 0.0},
            "0",
            not above and enough,
            tuple(found),
        ),
        Claim(
            f"mean makespan over the shortest possible in {len(done)} clusters "
            f"({len(missed)} refused that have a way; moves {moves:.3f} x the fewest)",
            round(ratio, 4),
            {"brute force": 1.0},
            f"<= {MOST}, no violation",
            ratio <= MOST and not missed and wrong == 0 and enough,
        ),
    ]


def tiny(draw: random.Random) -> Snapshot:
    """2 to 6 hosts, up to 8 VMs, links slow enough for moves to count as much as reboots."""
    hosts = [
        _host(number, draw.choice((64, 64, 96, 128)), draw.choice((0, 1, 1, 1, 12, 40)))
        for number in range(draw.randint(2, 6))
    ]
    free = {one.id: 0.9 * one.memory_bytes / 2**30 for one in hosts}
    vms: list[Vm] = []
    for _ in range(draw.randint(0, 8)):
        memory, at = draw.choice((4, 8, 16, 16, 24, 32)), draw.choice(hosts)
        if free[at.id] >= memory:
            free[at.id] -= memory
            vms.append(vm(len(vms), at, memory))
    members = {one.host: one.id for one in draw.sample(vms, min(len(vms), draw.choice((0, 2, 3))))}
    groups = [AntiAffinity("apart", frozenset(members.values()))] if len(members) > 1 else []
    return snapshot(hosts, vms, groups, reserve_hosts=draw.choice((0, 0, 1)))


def _host(number: int, memory_gib: int, packages: int) -> Host:
    updates = tuple(PendingUpdate(f"linux-image-{n}", "1", "2", security=True) for n in range(packages))
    plain = host(number, memory_gib, link=GIGABIT)
    assert plain.updates is not None
    return replace(plain, updates=UpdateState(0.0, plain.updates.boot_id, updates))


def _instance(number: int, made: Snapshot) -> dict[str, Any]:
    policy = Policy()
    plan = make_plan(made, policy, now=0.0)
    places = _places(made, policy)
    most = max(1, min(policy.wave_hosts_max, max(2, int(policy.wave_hosts_fraction * len(made.hosts)))))
    terms = Terms(
        (min(policy.canary_hosts, most), min(2 * policy.canary_hosts, most), most),
        made.rules.memory_ceiling,
        made.rules.reserve_hosts,
        policy.canary_soak_seconds,
    )
    optimum, fewest = shortest(places, terms), fewest_moves(places, terms)
    bounds = plan.bounds
    above = [
        bound.name
        for bound in bounds.times
        if optimum is not None and bound.seconds > optimum + GRAIN_SECONDS
    ]
    if fewest is not None and not plan.refusals and bounds.moves_at_least > fewest:
        above.append("moves")
    return {
        "number": number,
        "hosts": len(made.hosts),
        "vms": len(made.vms),
        "refused": len(plan.refusals),
        "seconds": bounds.seconds,
        "bound_seconds": bounds.seconds_at_least,
        "optimum_seconds": optimum,
        "moves": bounds.moves - len(plan.rebalance),
        "moves_at_least": bounds.moves_at_least,
        "optimum_moves": fewest,
        "above": above,
        "violations": len(violations(plan, made)),
    }


def _places(made: Snapshot, policy: Policy) -> tuple[Place, ...]:
    group = {member: number for number, rule in enumerate(made.rules.anti_affinity) for member in rule.vms}
    hosts = {one.id: one for one in made.hosts}
    found = []
    for one in made.hosts:
        guests: list[Guest] = []
        for guest in made.vms:
            if guest.host == one.id:
                predicted = predict_move(guest, one, hosts[one.id])
                seconds = predicted.brownout_seconds + predicted.blackout_seconds
                guests.append((guest.memory_bytes, round(seconds, 6), group.get(guest.id, -1)))
        assert one.updates is not None
        packages = len(one.updates.pending)
        own = spans.patch_seconds(packages) + spans.reboot_seconds(packages > 0)
        own += spans.verify_seconds(policy.verify_stable_seconds)
        found.append((packages == 0, one.memory_bytes, own if packages else 0.0, tuple(sorted(guests))))
    assert own_seconds(policy) > 0
    return tuple(found)
