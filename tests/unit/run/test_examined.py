"""The last exam before a host is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_build import SCAN, host, plan, row, run, snapshot, unit, vm, well

from standfast.model.exam import Exam, Hand, OtherHand, Way
from standfast.model.hostwork import WorkPhase
from standfast.model.ids import HostId
from standfast.model.moves import Purpose
from standfast.model.plan import PlannedMove, Wave
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.model.run import Phase, Run
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.run.actions import Ask, Cordon, Question
from standfast.run.calls import Caller
from standfast.run.decide import decide
from standfast.run.seen import Seen
from standfast.store.changes import PutHost

NOW = 200.0
A, B = HostId("a"), HostId("b")
PACEMAKER = (OtherHand(Hand.CLUSTER_MANAGER, "pacemaker.service", active=True),)
CLOSED = Way("b", answered=B, closed_ports=((49152, "no answer"),))


def prepared(policy: Policy | None = None) -> Run:
    fields: dict[str, Any] = {"scan_before": SCAN, "health_before": well(), "cordon_taken": True}
    return run(row("a", Phase.SILENCED, **fields), policy=policy)


def seen(exam: Exam | None, **more: Any) -> Seen:
    works = (unit("stage", WorkPhase.SUCCEEDED), unit("stage", WorkPhase.SUCCEEDED, 2))
    there = snapshot((host("a", works=works, cordoned=True, cordoned_by="01RUN"), host("b")), vm("v", "a"))
    return Seen(there, exams={A: exam} if exam is not None else {}, **more)


def exam(**more: Any) -> Exam:
    return Exam(A, "a", **{"taken_at": 190.0, "user": "root", "clock_skew_seconds": 0.0, **more})


def outcome(made: Run, what: Seen) -> tuple[str, Code | None]:
    (found,) = [
        change.row
        for action in decide(made, what, NOW)
        for change in action.changes
        if isinstance(change, PutHost)
    ]
    return str(found.phase), found.reason.code if found.reason is not None else None


def test_an_exam_is_begun_beside_what_else_prepares_the_host() -> None:
    made = prepared()
    fresh = replace(made, hosts=(replace(made.hosts[0], cordon_taken=False),))
    what = seen(None)
    open_host = replace(what.snapshot.hosts[0], cordoned=False, cordoned_by="")
    there = replace(what.snapshot, hosts=(open_host, what.snapshot.hosts[1]))
    calls = [action.call for action in decide(fresh, replace(what, snapshot=there), NOW)]
    assert calls == [Cordon(A), Ask(A, Question.EXAM)]


def test_an_old_exam_is_made_again() -> None:
    (action,) = decide(prepared(), seen(exam(taken_at=139.0)), NOW)
    assert action.call == Ask(A, Question.EXAM)


def turn_begun_at_195(attempt: int) -> Run:
    made = prepared()
    return replace(made, hosts=(replace(made.hosts[0], since=195.0, attempt=attempt),))


def test_an_exam_made_ahead_of_the_turn_that_found_nothing_is_good_enough() -> None:
    assert outcome(turn_begun_at_195(1), seen(exam(taken_at=190.0))) == (Phase.DRAINING, None)


@pytest.mark.parametrize(
    ("attempt", "found"),
    [(1, {"other_hands": PACEMAKER}), (2, {})],
    ids=["it found something", "a second try"],
)
def test_an_exam_made_ahead_is_made_again(attempt: int, found: dict[str, Any]) -> None:
    (action,) = decide(turn_begun_at_195(attempt), seen(exam(taken_at=190.0, **found)), NOW)
    assert action.call == Ask(A, Question.EXAM)


def test_a_host_is_examined_before_anything_is_moved_off_it() -> None:
    (action,) = decide(prepared(), seen(None), NOW)
    assert action.call == Ask(A, Question.EXAM)


def test_one_exam_at_a_time() -> None:
    asked = Ask(A, Question.EXAM).key
    assert decide(prepared(), seen(None, under_way=frozenset({asked})), NOW) == ()


def test_a_host_with_nothing_against_it_is_evacuated() -> None:
    assert outcome(prepared(), seen(exam())) == ("draining", None)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (exam(other_hands=PACEMAKER), Code.HOST_CLUSTER_MANAGER),
        (exam(shutdown_scheduled="USEC=1"), Code.HOST_SHUTDOWN_SCHEDULED),
        (exam(unwritable=("/var/lib/standfast",)), Code.HOST_NO_GUARD),
        (replace(exam(), clock_skew_seconds=None), Code.UNCHECKED),
    ],
)
def test_an_error_holds_the_host_under_its_own_code(found: Exam, code: Code) -> None:
    assert outcome(prepared(), seen(found)) == ("held", code)


def test_a_warning_holds_nobody() -> None:
    assert outcome(prepared(), seen(exam(guests_at_shutdown="suspend"))) == ("draining", None)


def test_what_the_policy_accepts_holds_nobody() -> None:
    accepting = Policy(accepted_findings=("host_cluster_manager",))
    assert outcome(prepared(accepting), seen(exam(other_hands=PACEMAKER))) == ("draining", None)


def test_a_closed_way_holds_the_host_only_where_a_planned_move_needs_it() -> None:
    made = prepared()
    assert outcome(made, seen(exam(ways=(CLOSED,)))) == ("draining", None)
    step = plan("a").steps[0]
    there = vm("v", "a")
    move = PlannedMove(there.id, "v", A, B, Purpose.EVACUATE, None)  # type: ignore[arg-type]
    waves = (Wave((replace(step, moves=(move,)),)),)
    needing = replace(made, plan=replace(made.plan, waves=waves))
    assert outcome(needing, seen(exam(ways=(CLOSED,)))) == ("held", Code.WAY_DATA)


def test_a_host_that_can_t_be_examined_counts_as_a_failed_call() -> None:
    world = SimWorld(SimSpec(hosts=2, vms=1))
    first, _ = world.names
    world.unreachable(first, 60.0)
    caller = Caller(world.outside, lambda: None, None, lambda: None)  # type: ignore[arg-type,return-value]
    caller.make(Ask(first, Question.EXAM))
    (failure,) = caller.take_answers().failures
    assert failure.key == ("exam", first)
    assert "no answer" in failure.text
