"""Whose turn it is, by table: waves, soak, budget, reserve, the time to finish by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_build import host, plan, ready, row, run, silent, snapshot, vm

from standfast.model.cluster import AntiAffinity, Host, Rules
from standfast.model.ids import HostId, VmId
from standfast.model.plan import Plan, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import HostRow, Phase, Run, RunState
from standfast.model.units import MIB
from standfast.run.actions import Action, StartMove
from standfast.run.decide import decide
from standfast.run.seen import Seen
from standfast.store.changes import PutHost, PutMove, PutRun

NOW = 1000.0
BUDGET = Policy(failed_hosts_max=1, canary_hosts=0)


def phases(actions: tuple[Action, ...]) -> list[tuple[str, str]]:
    found = [change.row for action in actions for change in action.changes if isinstance(change, PutHost)]
    return [(changed.name, str(changed.phase)) for changed in found]


def states(actions: tuple[Action, ...]) -> list[RunState]:
    return [change.state for action in actions for change in action.changes if isinstance(change, PutRun)]


def waves(*names: tuple[str, ...], soak: float = 0.0, policy: Policy | None = None, **more: Any) -> Plan:
    """A plan whose first wave has that soak."""
    flat = plan(*(name for wave in names for name in wave), policy=policy)
    steps = {step.name: step for step in flat.steps}
    made = tuple(
        Wave(tuple(replace(steps[name], wave=number) for name in wave), 0.0 if number else soak)
        for number, wave in enumerate(names)
    )
    return replace(flat, waves=made, **more)


def of(made: Plan, *rows: HostRow, **more: Any) -> Run:
    return replace(run(*rows, **more), plan=made)


def planned(*names: str) -> tuple[HostRow, ...]:
    return tuple(row(name, Phase.PLANNED, position) for position, name in enumerate(names))


def done(name: str, position: int, at: float = 900.0) -> HostRow:
    return replace(ready(name, Phase.DONE, position, cordon_taken=False), since=at)


def hosts(*names: str) -> tuple[Host, ...]:
    return tuple(host(name) for name in names)


def test_hosts_of_a_wave_begin_together() -> None:
    rows = of(waves(("a", "b"), ("c",)), *planned("a", "b", "c"))
    found = decide(rows, Seen(snapshot(hosts("a", "b", "c"))), NOW)
    assert phases(found) == [("a", "silenced"), ("b", "silenced")]


def test_no_host_of_the_next_wave_begins_while_one_of_this_is_out() -> None:
    made = waves(("a", "b"), ("c",))
    rows = (done("a", 0), ready("b", Phase.VERIFYING, 1, boot_id_after="boot-1"), *planned("c"))
    found = decide(of(made, *rows), Seen(snapshot(hosts("a", "b", "c"))), NOW)
    assert ("c", "silenced") not in phases(found)


def test_the_next_wave_waits_for_the_soak_of_the_first() -> None:
    made = waves(("a",), ("b",), soak=600.0)
    rows = of(made, done("a", 0, at=900.0), replace(planned("b")[0], position=1))
    seen = Seen(snapshot(hosts("a", "b")))
    assert phases(decide(rows, seen, 1499.0)) == []
    assert phases(decide(rows, seen, 1501.0)) == [("b", "silenced")]


@pytest.mark.parametrize("first", [silent("a"), host("a", boot="boot-2")])
def test_a_first_host_that_is_unwell_after_its_soak_holds_the_others(first: Host) -> None:
    if first.facts is not None:
        first = replace(first, facts=replace(first.facts, hypervisor_up=False))
    made = waves(("a",), ("b",), soak=600.0)
    rows = of(made, done("a", 0, at=900.0), replace(planned("b")[0], position=1))
    seen = Seen(snapshot((first, host("b"))))
    assert phases(decide(rows, seen, 1501.0)) == []
    found = decide(rows, seen, 1600.0)
    assert phases(found) == [("b", "held")]
    assert "a went first and is not well after its soak" in str(found[0].events[0].text)


def test_a_wave_shrinks_to_what_the_reserve_allows_now() -> None:
    """Four hosts of 4 GiB with 1.5 GiB each: one out and one lost leave room, two out and one lost don't."""
    vms = [vm(f"{name}{half}", name, memory_bytes=768 * MIB) for name in "abcd" for half in (1, 2)]
    rows = of(waves(("a", "b"), ("c",)), *planned("a", "b", "c"))
    roomy = snapshot(hosts("a", "b", "c", "d"), *vms, rules=Rules(reserve_hosts=0))
    assert phases(decide(rows, Seen(roomy), NOW)) == [("a", "silenced"), ("b", "silenced")]
    tight = replace(roomy, rules=Rules(reserve_hosts=1))
    assert phases(decide(rows, Seen(tight), NOW)) == [("a", "silenced")]


def test_two_hosts_of_a_wave_begin_their_moves_in_one_round_without_meeting() -> None:
    """Numbers, limits and groups hold over both: neither knows less than the other."""
    rules = Rules((AntiAffinity("apart", frozenset({VmId("x"), VmId("y")})),), reserve_hosts=0)
    cordoned: dict[str, Any] = {"cordoned": True, "cordoned_by": "01RUN"}
    there = (host("a", **cordoned), host("b", **cordoned), host("c"), host("d"))
    vms = (vm("x", "a"), vm("x2", "a"), vm("y", "b"), vm("y2", "b"))
    rows = of(waves(("a", "b")), ready("a", Phase.DRAINING), ready("b", Phase.DRAINING, 1))
    found = decide(rows, Seen(snapshot(there, *vms, rules=rules)), NOW)
    moves = [change.row for action in found for change in action.changes if isinstance(change, PutMove)]
    assert sorted(move.vm for move in moves) == ["x", "x2", "y2"]
    assert len({move.id for move in moves}) == 3
    assert {move.target for move in moves} <= {"c", "d"}
    assert sum(isinstance(action.call, StartMove) for action in found) == 3


def test_moves_at_once_are_counted_over_the_whole_wave() -> None:
    cordoned: dict[str, Any] = {"cordoned": True, "cordoned_by": "01RUN"}
    there = (host("a", **cordoned), host("b", **cordoned), host("c"), host("d"))
    vms = [vm(f"{name}{number}", name) for name in "ab" for number in range(2)]
    made = waves(("a", "b"), policy=Policy(moves_at_once=3))
    rows = of(made, ready("a", Phase.DRAINING), ready("b", Phase.DRAINING, 1))
    found = decide(rows, Seen(snapshot(there, *vms)), NOW)
    assert sum(isinstance(action.call, StartMove) for action in found) == 3


def test_one_held_host_holds_the_run_unless_the_policy_lets_one_be() -> None:
    held = replace(ready("a", Phase.HELD, held_phase=Phase.PATCHING), reason=None)
    rows = (held, replace(planned("b")[0], position=1))
    seen = Seen(snapshot(hosts("a", "b", "c")))
    strict = decide(of(waves(("a",), ("b",)), *rows), seen, NOW)
    assert (states(strict), phases(strict)) == ([RunState.HELD], [])
    lax = decide(of(waves(("a",), ("b",), policy=BUDGET), *rows), seen, NOW)
    assert (states(lax), phases(lax)) == ([], [("b", "silenced")])


def test_in_the_first_wave_one_held_host_is_one_too_many() -> None:
    held = ready("a", Phase.HELD, held_phase=Phase.PATCHING)
    lax = Policy(failed_hosts_max=5)
    rows = of(waves(("a",), ("b",), policy=lax), held, replace(planned("b")[0], position=1))
    assert states(decide(rows, Seen(snapshot(hosts("a", "b"))), NOW)) == [RunState.HELD]


def test_a_run_with_nothing_left_but_a_held_host_waits_for_its_operator() -> None:
    held = ready("a", Phase.HELD, held_phase=Phase.PATCHING)
    rows = of(waves(("a",), ("b",), policy=BUDGET), held, done("b", 1))
    assert states(decide(rows, Seen(snapshot(hosts("a", "b"))), NOW)) == [RunState.HELD]


def test_the_capacity_of_a_held_host_is_not_counted_on() -> None:
    """With a held and b out, c alone would hold all: losing it leaves no place."""
    held = ready("a", Phase.HELD, held_phase=Phase.REBOOTING)
    rows = of(waves(("a",), ("b",), policy=BUDGET), held, replace(planned("b")[0], position=1))
    rules = Rules(reserve_hosts=1)
    seen = Seen(snapshot((silent("a"), host("b"), host("c")), vm("v", "c"), rules=rules))
    found = decide(rows, seen, NOW)
    assert phases(found) == [("b", "held")]
    changed = next(change.row for change in found[0].changes if isinstance(change, PutHost))
    assert changed.reason is not None
    assert changed.reason.code is Code.NO_RESERVE


def test_a_host_that_is_silent_for_a_moment_keeps_the_next_one_waiting_and_not_held() -> None:
    """With b out and a silent, losing c leaves no place; a is most often back before anybody could look."""
    seen = Seen(snapshot((silent("a"), host("b"), host("c")), vm("v", "c"), rules=Rules(reserve_hosts=1)))
    made, waiting = waves(("a",), ("b",)), replace(planned("b")[0], position=1)
    (noted,) = _rows(decide(of(made, done("a", 0), waiting), seen, NOW))
    assert (noted.name, noted.phase, noted.unreachable_since) == ("a", Phase.DONE, NOW)
    assert phases(decide(of(made, noted, waiting), seen, NOW + 59.0)) == []
    assert phases(decide(of(made, noted, waiting), seen, NOW + 61.0)) == [("b", "held")]
    back = replace(seen, snapshot=snapshot((host("a"), host("b"), host("c")), vm("v", "c")))
    (noted,) = [row for row in _rows(decide(of(made, noted, waiting), back, NOW + 30.0)) if row.name == "a"]
    assert noted.unreachable_since is None
    assert phases(decide(of(made, noted, waiting), back, NOW + 30.0)) == [("b", "silenced")]


def _rows(actions: tuple[Action, ...]) -> list[HostRow]:
    return [change.row for action in actions for change in action.changes if isinstance(change, PutHost)]


def test_other_hosts_of_the_wave_that_are_past_their_safe_point_are_finished_in_a_held_run() -> None:
    held = ready("a", Phase.HELD, held_phase=Phase.REBOOTING)
    other = ready("b", Phase.VERIFYING, 1, boot_id_after="boot-1", healthy_since=10.0)
    early = ready("c", Phase.EMPTY, 2)
    rows = of(waves(("a", "b", "c")), held, other, early, state=RunState.HELD)
    found = decide(rows, Seen(snapshot(hosts("a", "b", "c"))), NOW)
    assert [action.call.host for action in found if action.call is not None] == ["b"]
    assert phases(found) == []


def test_no_host_begins_that_would_end_too_late() -> None:
    made = waves(("a",), ("b",), finish_by=NOW + 100.0)  # each takes 65 s, at p95 97.5 s
    first = of(made, *planned("a", "b"))
    seen = Seen(snapshot(hosts("a", "b")))
    assert phases(decide(first, seen, NOW)) == [("a", "silenced")]
    second = of(made, done("a", 0), replace(planned("b")[0], position=1))
    found = decide(second, seen, NOW + 60.0)
    assert phases(found) == [("b", "skipped")]
    assert "past its time to finish" in found[0].events[0].text


def test_a_soak_that_ends_too_late_for_the_next_host_is_not_waited_for() -> None:
    made = waves(("a",), ("b",), soak=600.0, finish_by=NOW + 300.0)
    rows = of(made, done("a", 0, at=NOW), replace(planned("b")[0], position=1))
    assert phases(decide(rows, Seen(snapshot(hosts("a", "b"))), NOW + 1.0)) == [("b", "skipped")]


def test_a_host_that_does_not_answer_when_its_turn_comes_is_held_after_a_while() -> None:
    seen = Seen(snapshot((silent("a"), host("b"))))
    (noticed,) = decide(of(waves(("a",), ("b",)), *planned("a", "b")), seen, NOW)[:1]
    first = next(change.row for change in noticed.changes if isinstance(change, PutHost))
    assert first.unreachable_since == NOW
    waiting = of(waves(("a",), ("b",)), first, replace(planned("b")[0], position=1))
    assert ("a", "held") in phases(decide(waiting, seen, NOW + 70.0))


def test_a_short_silence_is_forgotten() -> None:
    blinked = ready("a", Phase.PATCHING, unreachable_since=NOW - 50.0)
    found = decide(of(waves(("a",)), blinked), Seen(snapshot(hosts("a"))), NOW)
    changed = next(change.row for change in found[0].changes if isinstance(change, PutHost))
    assert (changed.host, changed.unreachable_since) == (HostId("a"), None)
