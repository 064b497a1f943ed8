"""What would shorten a run: said only where it is so."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_clusters import cluster, host, lab, vm

from standfast.model.cluster import Snapshot
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.plan.levers import LEAST_GAIN, MOST_HOSTS, Lever, levers
from standfast.plan.make import make_plan
from standfast.report.plan_words import gap_fraction, moves_sentence, time_sentence


def planned(snapshot: Snapshot, policy: Policy) -> Plan:
    return make_plan(snapshot, policy, now=0.0)


def found(snapshot: Snapshot, policy: Policy) -> dict[str, Lever]:
    there = levers(snapshot, planned(snapshot, policy), planned)
    assert list(there) == sorted(there, key=lambda lever: lever.seconds)
    return {lever.name: lever for lever in there}


def test_a_long_soak_is_what_would_shorten_a_short_run_most() -> None:
    policy = Policy(canary_soak_seconds=7200.0)
    best = next(iter(found(lab(), policy).values()))
    assert best.name == "soak"
    assert best.seconds == pytest.approx(planned(lab(), policy).predicted_seconds - 7200.0)
    assert "2 h 00 min in which the first wave has to stay well" in best.sentence


def test_slow_links_are_named_where_moves_take_the_time_and_not_where_they_don_t() -> None:
    slow = cluster(
        [host(number, migration_bits_per_second=20_000_000) for number in range(1, 5)],
        [vm(f"v{number}", 1 + number % 4, 600) for number in range(8)],
    )
    quick = replace(
        slow, hosts=tuple(replace(one, migration_bits_per_second=25_000_000_000) for one in slow.hosts)
    )
    policy = Policy(canary_soak_seconds=0.0)
    assert next(iter(found(slow, policy))) == "network"
    assert "With 10 Gbit/s between hosts" in found(slow, policy)["network"].sentence
    assert "network" not in found(quick, policy)


def test_each_lever_is_what_planning_with_it_gives() -> None:
    policy = Policy(wave_hosts_max=1, canary_hosts=0)
    snapshot = lab()
    lever = found(snapshot, policy)["width"]
    wider = planned(snapshot, replace(policy, wave_hosts_max=2, wave_hosts_fraction=0.5))
    assert (lever.seconds, lever.waves) == (wider.predicted_seconds, len(wider.waves))
    assert lever.seconds <= (1 - LEAST_GAIN) * planned(snapshot, policy).predicted_seconds
    assert f"{len(wider.waves)} waves instead of 4" in lever.sentence


def test_one_more_host_is_named_where_memory_keeps_waves_narrow() -> None:
    hosts = [host(number) for number in range(1, 5)]
    full = cluster(hosts, [vm(f"v{number}", 1 + number % 4, 1000) for number in range(8)])
    policy = Policy(canary_hosts=0, wave_hosts_max=2)
    assert [len(wave.hosts) for wave in planned(full, policy).waves] == [1, 1, 1, 1]
    assert "With one more host of 4.0 GiB" in found(full, policy)["host"].sentence


def test_nothing_is_said_of_refused_plans_and_of_large_clusters() -> None:
    there = lab()
    refused = replace(there, hosts=(replace(there.hosts[0], updates=None), *there.hosts[1:]))
    assert levers(refused, planned(refused, Policy()), planned) == ()
    many = cluster([host(number) for number in range(1, MOST_HOSTS + 2)], [])
    assert levers(many, planned(many, Policy()), planned) == ()


def test_the_bounds_are_told_with_the_gap() -> None:
    plan = planned(lab(), Policy())
    assert plan.bounds.seconds_at_least <= plan.bounds.seconds
    assert f"no plan for these hosts needs fewer than {plan.bounds.moves_at_least}." in moves_sentence(plan)
    assert time_sentence(plan).startswith(
        "At the times predicted, no plan has these hosts done sooner than in "
    )
    worse = replace(plan, bounds=replace(plan.bounds, seconds=1.5 * plan.bounds.seconds_at_least))
    assert abs(gap_fraction(worse) - 0.5) < 1e-9
    assert time_sentence(worse).endswith("at most 50% longer than need be.")
    best = replace(plan, bounds=replace(plan.bounds, seconds=plan.bounds.seconds_at_least))
    assert time_sentence(best).endswith("and this one takes no longer.")
