"""The checker finds each kind of violation in a plan that was spoilt on purpose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from small_clusters import apart, changed_host, cluster, host, host_id, lab, pin, vm, vm_id

from standfast.model.cluster import Snapshot
from standfast.model.plan import Plan, PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.plan.checker import violations
from standfast.plan.make import make_plan


def spoil(
    plan: Plan, step: int, change: Callable[[tuple[PlannedMove, ...]], tuple[PlannedMove, ...]]
) -> Plan:
    waves = list(plan.waves)
    first, *others = waves[step].hosts
    waves[step] = Wave((replace(first, moves=change(first.moves)), *others))
    return replace(plan, waves=tuple(waves))


def towards(target: int) -> Callable[[tuple[PlannedMove, ...]], tuple[PlannedMove, ...]]:
    return lambda moves: tuple(replace(move, target=host_id(target)) for move in moves)


def test_a_good_plan_has_no_violation() -> None:
    assert violations(make_plan(lab(), Policy(), now=0.0), lab()) == ()


def test_a_vm_left_behind_is_found() -> None:
    plan = spoil(make_plan(lab(), Policy(), now=0.0), 1, lambda moves: moves[1:])
    assert any("host2 is patched with small" in found for found in violations(plan, lab()))


def test_a_move_from_elsewhere_is_found() -> None:
    plan = spoil(
        make_plan(lab(), Policy(), now=0.0), 1, lambda moves: (*moves, replace(moves[0], start_seconds=1e4))
    )
    assert any("where it is not" in found for found in violations(plan, lab()))


def test_a_move_to_another_host_of_the_wave_is_found() -> None:
    plan = make_plan(lab(), Policy(), now=0.0)
    assert [step.name for step in plan.waves[1].hosts] == ["host2", "host3"]
    found = violations(spoil(plan, 1, towards(3)), lab())
    assert any("goes to host3 during its turn" in text for text in found)


def test_a_wave_that_leaves_no_reserve_is_found() -> None:
    snapshot = cluster([host(1), host(2), host(3)], [vm("a", 1), vm("b", 2), vm("c", 3)])
    plan = make_plan(snapshot, Policy(), now=0.0)
    assert [len(wave.hosts) for wave in plan.waves] == [1, 1, 1]
    together = Wave(
        tuple(
            replace(step, moves=tuple(replace(move, target=host_id(3)) for move in step.moves))
            for step in plan.steps[:2]
        )
    )
    found = violations(replace(plan, waves=(together,)), snapshot)
    assert "while host1, host2 are out, losing host3 leaves VMs without a place" in found


def test_a_move_into_the_host_that_is_out_is_found() -> None:
    plan = make_plan(lab(), Policy(), now=0.0)
    extra = replace(plan.steps[0].moves[0], vm=vm_id("small0"), source=host_id(2), target=host_id(1))
    found = violations(spoil(plan, 0, lambda moves: (extra, *moves)), lab())
    assert any("goes to host1 during its turn" in text for text in found)


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (changed_host(lab(), 3, cordoned=True), "takes no VMs"),
        (changed_host(lab(), 3, memory_bytes=512 * 1024**2), "holds"),
        (replace(lab(), rules=replace(lab().rules, pins=(pin("big", 1, 4),))), "against its pin"),
        (
            replace(lab(), rules=replace(lab().rules, anti_affinity=(apart("dag", "big", "small1"),))),
            "big meets small1 on host3 against dag",
        ),
    ],
)
def test_a_target_against_a_rule_is_found(later: Snapshot, words: str) -> None:
    plan = spoil(make_plan(lab(), Policy(), now=0.0), 0, towards(3))
    assert any(words in found for found in violations(plan, later)), violations(plan, later)


def test_a_lost_reserve_is_found() -> None:
    vms = [vm(f"v{number}", 1 + number % 3, 800) for number in range(6)]
    snapshot = cluster([host(1), host(2), host(3)], vms, reserve_hosts=0)
    plan = make_plan(snapshot, Policy(), now=0.0)
    assert plan.refusals == ()
    strict = replace(snapshot, rules=replace(snapshot.rules, reserve_hosts=1))
    assert any("leaves VMs without a place" in found for found in violations(plan, strict))
