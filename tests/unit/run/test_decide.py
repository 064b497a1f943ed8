"""decide() by table: a host's phase and what is seen of it, and what is done about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from run_build import (
    CLEAN,
    SCAN,
    host,
    move,
    ready,
    row,
    run,
    silent,
    snapshot,
    unit,
    vm,
    well,
)

from standfast.model.cluster import AntiAffinity, Rules, VmState
from standfast.model.hostwork import RebootSign, UpdateState, WorkKind, WorkPhase
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight, MoveOutcome, MoveRecord, OutcomeKind
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.run import CommandRow, JournalRow, MoveState, Phase, RunState, Verb
from standfast.run.actions import (
    Action,
    Ask,
    Begin,
    CancelMove,
    Cordon,
    GiveBack,
    Question,
    StartMove,
    Uncordon,
)
from standfast.run.decide import decide
from standfast.run.seen import Failure, Seen
from standfast.store.changes import GiveJournal, HandleCommand, PutHost, PutMove, PutRun, TakeJournal

NOW = 200.0


def phases(actions: tuple[Action, ...]) -> list[tuple[str, str]]:
    """Phase changes, as (host, new phase)."""
    return [
        (change.row.name, str(change.row.phase))
        for action in actions
        for change in action.changes
        if isinstance(change, PutHost)
    ]


def calls(actions: tuple[Action, ...]) -> list[Any]:
    return [action.call for action in actions if action.call is not None]


def began(actions: tuple[Action, ...]) -> list[WorkKind]:
    return [call.order.kind for call in calls(actions) if isinstance(call, Begin)]


def only_row(actions: tuple[Action, ...]) -> Any:
    (found,) = [change.row for action in actions for change in action.changes if isinstance(change, PutHost)]
    return found


CORDONED: dict[str, Any] = {"cordoned": True, "cordoned_by": "01RUN"}


def test_the_first_planned_host_begins_and_the_next_one_downloads_once_that_is_prepared() -> None:
    seen = Seen(snapshot((host("a"), host("b"))))
    begun = decide(run(row("a", Phase.PLANNED), row("b", Phase.PLANNED, 1)), seen, NOW)
    assert phases(begun) == [("a", "silenced")]
    assert not calls(begun), "the one that everybody waits for has the line to itself"
    preparing = decide(run(row("a", Phase.SILENCED), row("b", Phase.PLANNED, 1)), seen, NOW)
    assert {call.order.host for call in calls(preparing)} == {"a"}
    prepared = decide(run(ready("a", Phase.SILENCED), row("b", Phase.PLANNED, 1)), seen, NOW)
    assert ("b", WorkKind.STAGE) in [
        (call.order.host, call.order.kind) for call in calls(prepared) if isinstance(call, Begin)
    ]


def test_no_host_begins_while_the_reserve_would_be_lost() -> None:
    full = Rules(reserve_hosts=1, memory_ceiling=1.0)
    big = vm("v", "a", memory_bytes=3 * 1024**3)
    other = vm("w", "b", memory_bytes=3 * 1024**3)
    seen = Seen(snapshot((host("a"), host("b"), host("c")), big, other, rules=full))
    found = only_row(decide(run(row("a", Phase.PLANNED)), seen, NOW))
    assert found.phase == Phase.HELD
    assert found.reason.code is Code.NO_RESERVE


def test_a_host_that_is_compliant_is_left_alone() -> None:
    works = (unit("stage", WorkPhase.SUCCEEDED),)
    scanned = replace(CLEAN, boot_id="boot-1")
    rows = run(row("a", Phase.SILENCED, scan_before=scanned, health_before=well()))
    assert phases(decide(rows, Seen(snapshot((host("a", works=works),))), NOW)) == [("a", "done")]


def test_an_interrupted_package_operation_holds_the_host_before_anything_is_moved() -> None:
    works = (unit("stage", WorkPhase.SUCCEEDED),)
    broken = replace(SCAN, interrupted="dpkg was interrupted")
    rows = run(row("a", Phase.SILENCED, scan_before=broken, health_before=well()))
    found = only_row(decide(rows, Seen(snapshot((host("a", works=works),), vm("v", "a"))), NOW))
    assert (found.phase, found.reason.code) == (Phase.HELD, Code.HOST_PACKAGES_BROKEN)


def test_the_cordon_is_journaled_in_the_same_action_that_puts_it_up() -> None:
    works = (unit("stage", WorkPhase.SUCCEEDED),)
    rows = run(row("a", Phase.SILENCED, scan_before=SCAN, health_before=well()))
    action = decide(rows, Seen(snapshot((host("a", works=works),))), NOW)[0]
    assert action.call == Cordon(HostId("a"))
    assert TakeJournal(HostId("a"), "cordon", "a", {"cordoned": False}) in action.changes


def test_the_cordon_of_somebody_else_holds_the_host() -> None:
    works = (unit("stage", WorkPhase.SUCCEEDED),)
    rows = run(row("a", Phase.SILENCED, scan_before=SCAN, health_before=well()))
    seen = Seen(snapshot((host("a", works=works, cordoned=True, cordoned_by="other"),)))
    found = only_row(decide(rows, seen, NOW))
    assert (found.phase, found.reason.code) == (Phase.HELD, Code.HOST_CORDONED_BY_OTHER)


def test_draining_starts_as_many_moves_as_the_limits_allow_and_records_each_first() -> None:
    vms = [vm(f"v{n}", "a") for n in range(4)]
    seen = Seen(snapshot((host("a", **CORDONED), host("b"), host("c")), *vms))
    actions = decide(run(ready("a", Phase.DRAINING)), seen, NOW)
    assert len(calls(actions)) == 2, "the host's outbound limit is 2"
    assert all(isinstance(action.changes[0], PutMove) for action in actions)
    assert len({call.order.id for call in calls(actions)}) == 2


def test_a_move_on_record_counts_even_where_the_platform_does_not_show_it_yet() -> None:
    seen = Seen(
        snapshot((host("a", **CORDONED), host("b")), vm("v", "a")),
        under_way=frozenset({("move", "01RUN-0001")}),
    )
    rows = run(ready("a", Phase.DRAINING), moves=(move("v", "a", "b", started_at=NOW),))
    assert decide(rows, seen, NOW) == ()


def test_two_members_of_a_group_are_never_in_the_air_together() -> None:
    rules = Rules((AntiAffinity("dag", frozenset({VmId("v"), VmId("w")})),), reserve_hosts=0)
    seen = Seen(
        snapshot((host("a", **CORDONED), host("b"), host("c")), vm("v", "a"), vm("w", "a"), rules=rules)
    )
    actions = decide(run(ready("a", Phase.DRAINING)), seen, NOW)
    assert len(calls(actions)) == 1


def test_a_vm_that_cannot_move_holds_the_host_and_its_cordon_is_given_back() -> None:
    stuck = vm("v", "a", passthrough=("0000:01:00.0",))
    seen = Seen(snapshot((host("a", **CORDONED), host("b")), stuck))
    held = only_row(decide(run(ready("a", Phase.DRAINING)), seen, NOW))
    assert (held.phase, held.reason.code) == (Phase.HELD, Code.VM_PASSTHROUGH)
    after = decide(run(held, state=RunState.HELD), seen, NOW)
    assert calls(after) == [Uncordon(HostId("a"))]


def test_a_vm_is_tried_again_after_its_wait_and_not_before() -> None:
    failed = move("v", "a", "b", state=MoveState.FAILED, ended_at=190.0)
    seen = Seen(snapshot((host("a", **CORDONED), host("b"), host("c")), vm("v", "a")))
    rows = run(ready("a", Phase.DRAINING), moves=(failed,))
    assert decide(rows, seen, 200.0) == ()
    (again,) = calls(decide(rows, seen, 221.0))
    assert again.order.target == "c", "another target at the second attempt"


def test_a_vm_that_failed_as_often_as_it_may_holds_the_host() -> None:
    policy = Policy(move_attempts=2, move_backoff_seconds=(1.0,))
    failed = tuple(
        move("v", "a", "b", id=f"01RUN-000{n}", state=MoveState.FAILED, ended_at=150.0) for n in (1, 2)
    )
    seen = Seen(snapshot((host("a", **CORDONED), host("b")), vm("v", "a")))
    found = only_row(decide(run(ready("a", Phase.DRAINING), moves=failed, policy=policy), seen, NOW))
    assert (found.phase, found.reason.code) == (Phase.HELD, Code.MOVE_FAILED)


@pytest.mark.parametrize("active", [1, None])
def test_a_host_is_not_empty_while_its_own_hypervisor_does_not_say_so(active: int | None) -> None:
    seen = snapshot((host("a", **CORDONED), host("b")))
    facts = seen.hosts[0].facts
    assert facts is not None
    doubtful = replace(seen.hosts[0], facts=replace(facts, active_vms=active))
    seen = replace(seen, hosts=(doubtful, seen.hosts[1]))
    assert phases(decide(run(ready("a", Phase.DRAINING)), Seen(seen), NOW - 50.0)) == []
    assert phases(decide(run(ready("a", Phase.EMPTY)), Seen(seen), NOW)) == [("a", "draining")]


def test_the_patch_unit_is_asked_for_once_the_host_is_seen_empty() -> None:
    seen = Seen(snapshot((host("a", **CORDONED), host("b"))))
    assert phases(decide(run(ready("a", Phase.EMPTY)), seen, NOW)) == [("a", "patching")]
    assert began(decide(run(ready("a", Phase.PATCHING)), seen, NOW)) == [WorkKind.PATCH]


def test_a_vm_that_came_back_sends_the_host_back_to_draining_with_new_unit_names() -> None:
    works = (unit("patch", WorkPhase.REFUSED, detail="1 domain is active"),)
    seen = Seen(snapshot((host("a", works=works, **CORDONED), host("b")), vm("v", "a")))
    found = only_row(decide(run(ready("a", Phase.PATCHING)), seen, NOW))
    assert (found.phase, found.attempt) == (Phase.DRAINING, 2)


@pytest.mark.parametrize(
    ("phase", "attempt", "code"),
    [
        (WorkPhase.FAILED, 1, Code.PATCH_FAILED),
        (WorkPhase.LOST, 2, Code.PATCH_FAILED),
        (WorkPhase.REFUSED, 1, Code.REBOOT_REFUSED),
    ],
)
def test_a_patch_that_did_not_end_well_holds_the_host(phase: WorkPhase, attempt: int, code: Code) -> None:
    works = (unit("patch", phase, attempt, detail="E: broken"),)
    seen = Seen(snapshot((host("a", works=works),)))
    found = only_row(decide(run(ready("a", Phase.PATCHING, attempt=attempt)), seen, NOW))
    assert (found.phase, found.reason.code) == (Phase.HELD, code)


@pytest.mark.parametrize(("phase", "boot"), [(WorkPhase.LOST, "boot-1"), (WorkPhase.FAILED, "boot-2")])
def test_a_host_that_went_down_while_it_was_patched_is_looked_at_and_patched_once_more(
    phase: WorkPhase, boot: str
) -> None:
    seen = Seen(snapshot((host("a", boot=boot, works=(unit("patch", phase),)),)))
    found = only_row(decide(run(ready("a", Phase.PATCHING)), seen, NOW))
    assert (found.phase, found.attempt) == (Phase.EMPTY, 2)


def test_a_patch_that_takes_too_long_holds_the_host() -> None:
    works = (unit("patch", WorkPhase.RUNNING),)
    seen = Seen(snapshot((host("a", works=works),)))
    assert decide(run(ready("a", Phase.PATCHING)), seen, 3000.0) == ()
    assert only_row(decide(run(ready("a", Phase.PATCHING)), seen, 3701.0)).reason.code is Code.PATCH_TIMEOUT


def test_whether_a_reboot_is_needed_is_asked_after_the_patch() -> None:
    works = (unit("patch", WorkPhase.SUCCEEDED),)
    seen = Seen(snapshot((host("a", works=works),)))
    assert calls(decide(run(ready("a", Phase.PATCHING)), seen, NOW)) == [Ask(HostId("a"), Question.SCAN)]
    needed = UpdateState(150.0, "boot-1", (), (RebootSign.REQUIRED_FILE,))
    rows = run(ready("a", Phase.PATCHING, scan_after=needed))
    assert phases(decide(rows, seen, NOW)) == [("a", "rebooting")]
    rows = run(ready("a", Phase.PATCHING, scan_after=replace(needed, reboot_signs=())))
    assert phases(decide(rows, seen, NOW)) == [("a", "verifying")]


def test_a_scan_from_before_the_patch_does_not_answer_for_after() -> None:
    works = (unit("patch", WorkPhase.SUCCEEDED),)
    early = UpdateState(99.0, "boot-1")
    seen = Seen(snapshot((host("a", works=works),)), scans={HostId("a"): early})
    assert calls(decide(run(ready("a", Phase.PATCHING)), seen, NOW)) == [Ask(HostId("a"), Question.SCAN)]


def test_a_reboot_is_proven_by_another_boot_id_and_nothing_else() -> None:
    done = (unit("reboot", WorkPhase.SUCCEEDED),)
    rows = run(ready("a", Phase.REBOOTING))
    assert decide(rows, Seen(snapshot((host("a", works=done),))), NOW) == ()
    assert decide(rows, Seen(snapshot((silent("a"),))), NOW) == ()
    assert phases(decide(rows, Seen(snapshot((host("a", boot="boot-2"),))), NOW)) == [("a", "verifying")]


def test_a_host_that_does_not_come_back_is_held() -> None:
    seen = Seen(snapshot((silent("a"),)))
    late = ready("a", Phase.REBOOTING, kernel_before="6.1.0-37-amd64")
    (asked,) = decide(run(late), seen, 1100.0)
    assert asked.call == Ask(HostId("a"), Question.CONSOLE)
    slow = only_row((asked,))
    assert (slow.phase, slow.reason.code) == (Phase.REBOOTING, Code.REBOOT_TIMEOUT)
    told = only_row(decide(run(slow), replace(seen, told={HostId("a"): "Chassis power is off"}), 1110.0))
    assert told.reason.code is Code.HOST_SIGNS
    found = only_row(decide(run(told), seen, 2000.0))
    assert (found.phase, found.reason.code) == (Phase.HELD, Code.REBOOT_TIMEOUT)
    assert "Chassis power is off" in found.reason.sentence
    assert "6.1.0-37-amd64" in found.reason.mend


def test_a_host_that_is_back_after_all_is_no_longer_spoken_of() -> None:
    slow = ready("a", Phase.REBOOTING, reason=Reason(Code.REBOOT_TIMEOUT, "a is not back."))
    back = only_row(decide(run(slow), Seen(snapshot((host("a", boot="boot-2", **CORDONED),))), NOW))
    assert (back.phase, back.reason) == (Phase.VERIFYING, None)


def verifying(**more: Any) -> Any:
    return ready("a", Phase.VERIFYING, boot_id_after="boot-2", scan_after=CLEAN, **more)


def test_a_host_gets_vms_again_only_after_two_good_looks_a_while_apart() -> None:
    up = host("a", boot="boot-2", **CORDONED)
    good = {HostId("a"): well("boot-2")}
    policy = Policy(verify_stable_seconds=30.0)
    first = only_row(decide(run(verifying(), policy=policy), Seen(snapshot((up,)), healths=good), NOW))
    assert (first.phase, first.healthy_since) == (Phase.VERIFYING, NOW)
    assert decide(run(first, policy=policy), Seen(snapshot((up,))), NOW + 10) == ()
    asked = decide(run(first, policy=policy), Seen(snapshot((up,))), NOW + 30)
    assert calls(asked) == [Ask(HostId("a"), Question.HEALTH)]
    last = decide(run(first, policy=policy), Seen(snapshot((up,)), healths=good), NOW + 31)
    assert phases(last) == [("a", "refilling")]


def test_the_first_look_at_a_hosts_health_does_not_wait_for_its_scan_and_the_second_does() -> None:
    up, before = host("a", boot="boot-2", **CORDONED), replace(CLEAN, boot_id="boot-1")
    unscanned = replace(verifying(), scan_after=before)
    asked = calls(decide(run(unscanned), Seen(snapshot((up,))), NOW))
    assert asked == [Ask(HostId("a"), Question.SCAN), Ask(HostId("a"), Question.HEALTH)]
    scanning = frozenset({Ask(HostId("a"), Question.SCAN).key})
    good = Seen(snapshot((up,)), healths={HostId("a"): well("boot-2")}, under_way=scanning)
    first = only_row(decide(run(unscanned), good, NOW))
    assert (first.phase, first.healthy_since) == (Phase.VERIFYING, NOW)
    assert decide(run(first), replace(good, healths={}), NOW + 100) == ()


@pytest.mark.parametrize(
    "after",
    [
        well("boot-2", failed_units=frozenset({"multipathd.service"})),
        replace(well("boot-2"), links_up=frozenset()),
        replace(well("boot-2"), mounts=frozenset()),
        replace(well("boot-2"), networks=frozenset()),
        replace(well("boot-2"), hypervisor_up=False),
        well("boot-2", clock_skew_seconds=60.0),
    ],
)
def test_a_host_that_lost_something_over_its_boot_stays_cordoned_and_is_held_in_the_end(after: Any) -> None:
    up = host("a", boot="boot-2", **CORDONED)
    seen = Seen(snapshot((up,)), healths={HostId("a"): after})
    assert phases(decide(run(verifying()), seen, NOW)) == []
    found = only_row(decide(run(verifying()), seen, 1000.0))
    assert (found.phase, found.reason.code, found.cordon_taken) == (Phase.HELD, Code.UNHEALTHY, True)


def test_updates_that_follow_on_updates_get_another_round() -> None:
    up = host("a", boot="boot-2", **CORDONED)
    more = replace(SCAN, boot_id="boot-2", taken_at=150.0)
    rows = run(ready("a", Phase.VERIFYING, boot_id_after="boot-2", scan_after=more))
    found = only_row(decide(rows, Seen(snapshot((up,))), NOW))
    assert (found.phase, found.attempt) == (Phase.EMPTY, 2)


def test_the_cordon_is_taken_down_seen_down_and_then_written_off() -> None:
    rows = run(ready("a", Phase.REFILLING))
    up = Seen(snapshot((host("a", boot="boot-2", **CORDONED),)))
    assert calls(decide(rows, up, NOW)) == [Uncordon(HostId("a"))]
    down = Seen(snapshot((host("a", boot="boot-2"),)))
    (action,) = decide(rows, down, NOW)
    assert GiveJournal(HostId("a"), "cordon", "a") in action.changes
    assert phases(decide(run(only_row((action,))), down, NOW)) == [("a", "done")]


def test_a_held_host_holds_the_run() -> None:
    actions = decide(run(ready("a", Phase.HELD, held_phase="patching")), Seen(snapshot((host("a"),))), NOW)
    assert [
        change.state for action in actions for change in action.changes if isinstance(change, PutRun)
    ] == [RunState.HELD]


def test_nothing_new_starts_while_paused_and_what_is_under_way_is_seen_to_its_end() -> None:
    seen = Seen(snapshot((host("a", **CORDONED), host("b")), vm("v", "a")))
    paused = run(ready("a", Phase.DRAINING), row("b", Phase.PLANNED, 1), state=RunState.PAUSED)
    assert decide(paused, seen, NOW) == ()
    arrived = Seen(snapshot((host("a", **CORDONED), host("b")), vm("v", "b")))
    moving = replace(paused, moves=(move("v", "a", "b"),))
    (action,) = decide(moving, arrived, NOW)
    assert isinstance(action.changes[0], PutMove)
    assert action.changes[0].row.state is MoveState.DONE


# Moves, judged by where the VM runs.


def judged(vm_now: Any, outcome: MoveOutcome | None = None, now: float = NOW, **more: Any) -> Any:
    the_move = move("v", "a", "b", **more)
    outcomes = {the_move.id: outcome} if outcome is not None else {}
    vms = (vm_now,) if vm_now is not None else ()
    rows = run(ready("a", Phase.DRAINING), moves=(the_move,))
    return decide(rows, Seen(snapshot((host("a", **CORDONED), host("b")), *vms), outcomes=outcomes), now)


def test_a_vm_on_its_target_has_moved_whatever_the_call_said() -> None:
    record = MoveRecord(blackout_seconds=0.2, brownout_seconds=1.1, evidence="test")
    for kind in (OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.UNKNOWN):
        (action,) = judged(vm("v", "b"), MoveOutcome(kind, record))
        assert action.changes[0].row.state is MoveState.DONE
        assert action.changes[0].row.record == record


def test_a_black_out_over_its_budget_is_said_with_the_move() -> None:
    for seconds, budget, told in ((0.2, None, ""), (2.5, None, ": OVER ITS BUDGET of 2 s"), (2.5, 3.0, "")):
        outcome = MoveOutcome(OutcomeKind.SUCCEEDED, MoveRecord(blackout_seconds=seconds, evidence="test"))
        (action,) = judged(vm("v", "b", blackout_budget_seconds=budget), outcome)
        assert action.events[0].text == f"v: now on b (black-out {seconds} s){told}"


def test_a_vm_on_its_source_after_a_success_has_not_moved() -> None:
    (action,) = judged(vm("v", "a"), MoveOutcome(OutcomeKind.SUCCEEDED))
    assert action.changes[0].row.state is MoveState.FAILED


def test_a_move_ordered_by_a_controller_that_died_is_waited_for() -> None:
    flying = vm("v", "a", flight=Flight(None))
    assert judged(flying, MoveOutcome(OutcomeKind.UNKNOWN)) == ()


def test_a_move_that_never_began_is_a_failed_attempt_after_its_grace() -> None:
    assert judged(vm("v", "a"), MoveOutcome(OutcomeKind.UNKNOWN), now=105.0) == ()
    (action,) = judged(vm("v", "a"), MoveOutcome(OutcomeKind.UNKNOWN), now=111.0)
    assert action.changes[0].row.state is MoveState.FAILED


def test_a_vm_that_is_seen_nowhere_while_it_changes_hands_is_waited_for() -> None:
    assert judged(None, now=105.0) == ()


def test_a_move_past_its_deadline_is_said_to_be_ended_once_and_asked_to_end_while_it_flies() -> None:
    flying = vm("v", "a", flight=Flight(HostId("b")))
    (action,) = judged(flying, now=401.0)
    assert isinstance(action.call, CancelMove)
    assert len(action.events) == 1
    (again,) = judged(flying, now=402.0, cancel_asked=True)
    assert again == Action(call=action.call), "the call alone: nothing is written or told again"


def test_a_vm_that_somebody_else_moved_is_no_success_and_no_loss() -> None:
    the_move = move("v", "a", "b")
    hosts = (host("a", **CORDONED), host("b"), host("c"))
    seen = Seen(snapshot(hosts, vm("v", "c")))
    (action,) = decide(run(ready("a", Phase.DRAINING), moves=(the_move,)), seen, NOW)
    assert isinstance(action.changes[0], PutMove)
    assert action.changes[0].row.state is MoveState.FAILED
    assert "somebody else" in str(action.changes[0].row.reason)


def test_a_paused_guest_on_the_target_is_not_taken_for_moved() -> None:
    (action,) = judged(vm("v", "b", state=VmState.PAUSED), MoveOutcome(OutcomeKind.SUCCEEDED))
    assert action.changes[0].row.state is MoveState.FAILED


@pytest.mark.parametrize("place", ["a", "b"])
@pytest.mark.parametrize("kind", [OutcomeKind.RUNNING, OutcomeKind.UNKNOWN])
def test_a_guest_seen_in_its_switch_over_is_waited_for(place: str, kind: OutcomeKind) -> None:
    assert judged(vm("v", place, state=VmState.PAUSED), MoveOutcome(kind)) == ()
    assert judged(vm("v", place, state=VmState.UNKNOWN), MoveOutcome(kind)) == ()


def test_the_autostart_flag_follows_its_vm() -> None:
    owed = JournalRow(
        1, run(row("a", Phase.DONE)).id, HostId("a"), "autostart", "v", {"autostart": True}, 1.0
    )
    rows = run(row("a", Phase.DRAINING), journal=(owed,))
    seen = Seen(snapshot((host("a"), host("b")), vm("v", "b")))
    (call,) = calls(decide(rows, seen, NOW))
    assert isinstance(call, GiveBack)
    assert call.setting.host == "b"
    seen = Seen(snapshot((host("a"), host("b")), vm("v", "b", autostart=True)))
    (action,) = decide(rows, seen, NOW)
    assert action.changes == (GiveJournal(HostId("a"), "autostart", "v"),)


def test_a_vm_with_autostart_is_journaled_before_it_leaves() -> None:
    seen = Seen(snapshot((host("a", **CORDONED), host("b")), vm("v", "a", autostart=True)))
    (action,) = decide(run(ready("a", Phase.DRAINING)), seen, NOW)
    assert any(isinstance(change, TakeJournal) and change.kind == "autostart" for change in action.changes)
    assert isinstance(action.call, StartMove)


# Calls that fail, and rows that are not understood.


def test_a_call_that_fails_is_tried_again_later_and_in_the_end_holds_the_host() -> None:
    failure = Failure(("cordon", "a"), HostId("a"), "no route to host")
    seen = Seen(snapshot((host("a"),)), failures=(failure,))
    counted = only_row(decide(run(ready("a", Phase.SILENCED)), seen, NOW))
    assert (counted.call_failures, counted.phase) == (1, Phase.SILENCED)
    assert counted.next_call_at > NOW
    last = only_row(decide(run(ready("a", Phase.SILENCED, call_failures=4)), seen, NOW))
    assert (last.phase, last.reason.code) == (Phase.HELD, Code.ACTION_FAILED)


def test_a_phase_of_a_newer_release_is_left_as_it_is_and_the_run_is_held() -> None:
    actions = decide(run(row("a", "firmware")), Seen(snapshot((host("a"),))), NOW)
    (change,) = actions[0].changes
    assert isinstance(change, PutRun)
    assert (change.state, change.reason and change.reason.code) == (RunState.HELD, Code.UNKNOWN_PHASE)
    assert phases(actions) == []


# Operators.


def said(verb: Verb) -> CommandRow:
    return CommandRow(7, run(row("a", Phase.PLANNED)).id, verb, "ann", 1.0)


@pytest.mark.parametrize(
    ("verb", "state", "becomes"),
    [
        (Verb.PAUSE, RunState.RUNNING, RunState.PAUSED),
        (Verb.PAUSE, RunState.HELD, None),
        (Verb.PAUSE, RunState.PAUSED, None),
        (Verb.PAUSE, RunState.CANCELLING, None),
        (Verb.RESUME, RunState.RUNNING, None),
        (Verb.RESUME, RunState.PAUSED, RunState.RUNNING),
        (Verb.RESUME, RunState.HELD, RunState.RUNNING),
        (Verb.RESUME, RunState.CANCELLING, None),
        (Verb.CANCEL, RunState.RUNNING, RunState.CANCELLING),
        (Verb.CANCEL, RunState.PAUSED, RunState.CANCELLING),
        (Verb.CANCEL, RunState.HELD, RunState.CANCELLING),
        (Verb.CANCEL, RunState.CANCELLING, None),
        (Verb.ABANDON, RunState.RUNNING, RunState.ABANDONED),
        (Verb.ABANDON, RunState.PAUSED, RunState.ABANDONED),
        (Verb.ABANDON, RunState.HELD, RunState.ABANDONED),
        (Verb.ABANDON, RunState.CANCELLING, RunState.ABANDONED),
    ],
)
def test_every_verb_in_every_state_either_acts_or_says_that_it_changes_nothing(
    verb: Verb, state: RunState, becomes: RunState | None
) -> None:
    rows = run(row("a", Phase.PLANNED), state=state, commands=(said(verb),))
    (action,) = decide(rows, Seen(snapshot((host("a"),))), NOW)
    assert any(isinstance(change, HandleCommand) for change in action.changes)
    states = [change.state for change in action.changes if isinstance(change, PutRun)]
    assert states == ([becomes] if becomes else [])
    assert (becomes is not None) != ("changes nothing" in action.events[0].text)


@pytest.mark.parametrize(
    ("held_phase", "goes_on"),
    [
        ("silenced", "planned"),
        ("draining", "planned"),
        ("patching", "draining"),
        ("rebooting", "rebooting"),
        ("verifying", "verifying"),
    ],
)
def test_a_resumed_host_goes_on_with_new_unit_names(held_phase: str, goes_on: str) -> None:
    rows = run(
        ready("a", Phase.HELD, held_phase=held_phase), state=RunState.HELD, commands=(said(Verb.RESUME),)
    )
    found = only_row(decide(rows, Seen(snapshot((host("a"),))), NOW))
    assert (str(found.phase), found.attempt) == (goes_on, 2)


@pytest.mark.parametrize(
    ("phase", "becomes"),
    [
        (Phase.PLANNED, "skipped"),
        (Phase.SILENCED, "rolled_back"),
        (Phase.DRAINING, "rolled_back"),
        (Phase.EMPTY, "rolled_back"),
    ],
)
def test_a_cancelled_run_hands_back_hosts_that_were_not_patched_yet(phase: Phase, becomes: str) -> None:
    rows = run(ready("a", phase, cordon_taken=False), state=RunState.CANCELLING)
    assert phases(decide(rows, Seen(snapshot((host("a"), host("b")))), NOW)) == [("a", becomes)]


def test_a_cancelled_run_takes_a_host_that_is_being_patched_to_its_end() -> None:
    works = (unit("patch", WorkPhase.SUCCEEDED),)
    needed = UpdateState(150.0, "boot-1", (), (RebootSign.REQUIRED_FILE,))
    rows = run(ready("a", Phase.PATCHING, scan_after=needed), state=RunState.CANCELLING)
    assert phases(decide(rows, Seen(snapshot((host("a", works=works),))), NOW)) == [("a", "rebooting")]


def test_an_abandoned_run_lists_what_is_still_changed_and_does_nothing_more() -> None:
    owed = JournalRow(1, said(Verb.ABANDON).run, HostId("a"), "cordon", "a", {}, 1.0)
    rows = run(ready("a", Phase.DRAINING), journal=(owed,), commands=(said(Verb.ABANDON),))
    (action,) = decide(rows, Seen(snapshot((host("a", **CORDONED),), vm("v", "a"))), NOW)
    assert action.events[0].text.endswith("Still changed: cordon a.")
    assert action.call is None


def test_the_run_ends_completed_when_all_hosts_are_done_and_degraded_when_not() -> None:
    seen = Seen(snapshot((host("a"), host("b"))))
    for last, state in ((Phase.DONE, RunState.COMPLETED), (Phase.FAILED, RunState.DEGRADED)):
        (action,) = decide(run(row("a", Phase.DONE), row("b", last, 1)), seen, NOW)
        (change,) = action.changes
        assert isinstance(change, PutRun)
        assert change.state is state


def test_the_last_host_gets_its_share_before_the_run_ends() -> None:
    vms = [vm(f"v{n}", "a") for n in range(4)]
    seen = Seen(snapshot((host("a"), host("b")), *vms))
    actions = decide(run(row("a", Phase.DONE), row("b", Phase.DONE, 1)), seen, NOW)
    assert calls(actions)
    assert all(call.order.target == "b" for call in calls(actions))


def test_an_ended_run_is_left_alone() -> None:
    seen = Seen(snapshot((host("a"),), vm("v", "a")))
    assert decide(run(row("a", Phase.DRAINING), state=RunState.ABANDONED), seen, NOW) == ()


def test_a_vm_that_another_job_holds_is_waited_for_and_not_forever() -> None:
    seen = Seen(snapshot((host("a", **CORDONED), host("b")), vm("v", "a", busy="backup")))
    assert decide(run(ready("a", Phase.DRAINING)), seen, NOW) == ()
    found = only_row(decide(run(ready("a", Phase.DRAINING)), seen, NOW + 1800))
    assert (found.phase, found.reason.code) == (Phase.HELD, Code.VM_BUSY)


def test_a_move_that_the_platform_can_not_be_asked_about_is_not_judged_until_its_time_is_over() -> None:
    the_run = run(ready("a", Phase.DRAINING), moves=(move("v", "a", "b"),))
    for place in ("a", "b"):
        seen = Seen(
            snapshot((host("a", **CORDONED), host("b")), vm("v", place)),
            unanswered=frozenset({the_run.moves[0].id}),
        )
        early = [change for action in decide(the_run, seen, NOW) for change in action.changes]
        assert not any(isinstance(change, PutMove) for change in early)
        (late,) = [
            change.row
            for action in decide(the_run, seen, the_run.moves[0].deadline_at)
            for change in action.changes
            if isinstance(change, PutMove) and change.row.id == the_run.moves[0].id
        ]
        assert late.state is (MoveState.DONE if place == "b" else MoveState.FAILED)


def test_a_call_that_goes_on_failing_for_a_held_host_does_not_lose_where_it_was_held() -> None:
    held = ready("a", Phase.HELD, held_phase=Phase.PATCHING, call_failures=9)
    failure = Failure(Uncordon(held.host).key, held.host, "refused")
    changed = only_row(decide(run(held), Seen(snapshot((host("a"),)), failures=(failure,)), NOW))
    assert (changed.phase, changed.held_phase) == (Phase.HELD, Phase.PATCHING)
    assert changed.next_call_at > NOW
