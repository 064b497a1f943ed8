"""Moves that nobody here can end: waited for, and not for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest
from run_build import RUN, host, move, ready, run, silent, snapshot, vm

from standfast.model.ids import HostId
from standfast.model.moves import Flight
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.run import MoveRow, MoveState, Phase
from standfast.run.absent import UNREACHABLE_GRACE_SECONDS
from standfast.run.actions import Action
from standfast.run.decide import decide
from standfast.run.seen import Seen
from standfast.run.stalled import OTHERS_SECONDS
from standfast.store.changes import PutHost, PutMove

GONE = move("v", "a", "b")
LATE = GONE.deadline_at + Policy().reboot_timeout_seconds
THE_RUN = run(ready("a", Phase.DRAINING), moves=(GONE,))


def ended(actions: tuple[Action, ...]) -> list[MoveRow]:
    return [change.row for action in actions for change in action.changes if isinstance(change, PutMove)]


def held_after(seconds: float, seen: Seen) -> Reason:
    """Why a host that is being emptied is held when that has passed, and not before."""
    draining = run(ready("a", Phase.DRAINING))
    begun = draining.hosts[0].since
    assert decide(draining, seen, begun + seconds - 1.0) == ()
    held = decide(draining, seen, begun + seconds)
    (row,) = [change.row for action in held for change in action.changes if isinstance(change, PutHost)]
    assert row.phase == Phase.HELD
    assert row.reason is not None
    return row.reason


def test_a_target_that_died_as_the_vm_arrived_is_waited_for_as_long_as_a_boot_may_take() -> None:
    seen = Seen(snapshot((host("a"), silent("b"))))
    assert ended(decide(THE_RUN, seen, GONE.deadline_at + 1.0)) == []
    (given_up,) = ended(decide(THE_RUN, seen, LATE))
    assert given_up.state is MoveState.FAILED
    assert given_up.reason is not None
    assert (
        given_up.reason.sentence == "v is no longer on its source, and b does not answer: look for it there."
    )


def test_a_source_that_is_silent_may_have_the_vm_still_and_is_waited_for() -> None:
    assert ended(decide(THE_RUN, Seen(snapshot((silent("a"), host("b")))), LATE)) == []
    assert ended(decide(THE_RUN, Seen(snapshot((silent("a"), silent("b")))), LATE)) == []


@pytest.mark.parametrize(("source", "target", "way"), [("a", "b", "off a"), ("b", "a", "to a")])
def test_a_migration_of_somebody_else_is_waited_for_and_holds_its_host_in_the_end(
    source: str, target: str, way: str
) -> None:
    flying = vm("v", source, flight=Flight(HostId(target)))
    hosts = (host("a", active=1, cordoned=True, cordoned_by=RUN), host("b"))  # it counts what comes in
    seen = Seen(replace(snapshot(hosts, flying), hosts=hosts))
    reason = held_after(OTHERS_SECONDS, seen)
    assert reason.code is Code.VM_BUSY
    assert f"v is being moved {way}, not by this run" in reason.sentence


@pytest.mark.parametrize(
    ("counted", "longest", "says"),
    [(None, UNREACHABLE_GRACE_SECONDS, "does not answer"), (2, OTHERS_SECONDS, "counts 2 that run")],
)
def test_a_host_whose_hypervisor_never_says_that_it_runs_nothing_is_held(
    counted: int | None, longest: float, says: str
) -> None:
    first, second = snapshot((host("a", cordoned=True, cordoned_by=RUN), host("b"))).hosts
    assert first.facts is not None
    doubtful = replace(first, facts=replace(first.facts, active_vms=counted))
    seen = Seen(replace(snapshot(()), hosts=(doubtful, second)))
    reason = held_after(longest, seen)
    assert reason.code is Code.HOST_HYPERVISOR_DOWN
    assert says in reason.sentence
