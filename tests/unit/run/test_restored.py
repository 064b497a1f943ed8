"""A store put back from an older copy: what the hosts still have of the run is found and given back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_build import RUN, host, ready, row, run, silent, snapshot, unit
from run_drive import Drive

from standfast.model.cluster import Host
from standfast.model.hostwork import WorkPhase
from standfast.model.run import RESTORED, JournalRow, Phase, Run, RunState, Verb
from standfast.model.unmovable import Handling, Said
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.run.actions import Action, Uncordon
from standfast.run.decide import decide
from standfast.run.monitoring import Monitoring
from standfast.run.seen import Failure, Seen
from standfast.store import GiveJournal, PutHost, Store, TakeJournal, keeping

NOW = 200.0


def entry(name: str, kind: str, **before: Any) -> JournalRow:
    return JournalRow(1, RUN, host(name).id, kind, name, before, 150.0)


def claimed(*rows: Any, **more: Any) -> Run:
    journal = tuple(entry(each.name, "cordon", cause=RESTORED) for each in rows if each.cordon_taken)
    return run(*rows, journal=journal, **more)


def calls(actions: tuple[Action, ...]) -> list[Any]:
    return [action.call for action in actions if action.call is not None]


def changes(actions: tuple[Action, ...]) -> list[Any]:
    return [change for action in actions for change in action.changes]


def test_a_marked_host_s_cordon_and_silences_are_taken_for_ours() -> None:
    marked = run(row("a", Phase.PLANNED), journal=(entry("a", RESTORED),))
    seen = Seen(snapshot((host("a"),)), monitoring=Monitoring({"alerts": 60.0}))
    found = changes(decide(marked, seen, NOW))
    assert GiveJournal(host("a").id, RESTORED, "a") in found
    assert {change.kind for change in found if isinstance(change, TakeJournal)} == {"silence", "cordon"}
    assert [change.row.cordon_taken for change in found if isinstance(change, PutHost)] == [True]


def test_no_cordon_is_claimed_of_a_host_that_is_done() -> None:
    marked = run(row("a", Phase.DONE), journal=(entry("a", RESTORED),))
    found = changes(decide(marked, Seen(snapshot((host("a"),))), NOW))
    assert found == [GiveJournal(host("a").id, RESTORED, "a")]


@pytest.mark.parametrize("phase", [Phase.PLANNED, Phase.SKIPPED, Phase.ROLLED_BACK])
def test_a_claimed_cordon_that_is_up_comes_down_where_the_host_stands_still(phase: Phase) -> None:
    seen = Seen(snapshot((host("a", cordoned=True, cordoned_by=RUN),)))
    assert calls(decide(claimed(ready("a", phase)), seen, NOW)) == [Uncordon(host("a").id)]


def test_a_claimed_cordon_that_is_not_up_is_written_off() -> None:
    found = changes(decide(claimed(ready("a", Phase.PLANNED)), Seen(snapshot((host("a"),))), NOW))
    assert GiveJournal(host("a").id, "cordon", "a") in found


def test_a_claimed_cordon_stays_while_a_unit_runs_behind_it() -> None:
    busy = host("a", cordoned=True, cordoned_by=RUN, works=(unit("patch", WorkPhase.RUNNING),))
    paused = claimed(ready("a", Phase.PLANNED), state=RunState.PAUSED)
    assert calls(decide(paused, Seen(snapshot((busy,))), NOW)) == []


@pytest.mark.parametrize("away", [silent("a"), host("a", works=(unit("reboot", WorkPhase.RUNNING),))])
def test_a_run_waits_for_a_claimed_host_that_may_be_in_its_reboot_but_not_for_ever(away: Host) -> None:
    cancelled = claimed(ready("a", Phase.SKIPPED), state=RunState.CANCELLING)
    assert decide(cancelled, Seen(snapshot((away,))), NOW) == ()
    (ended,) = decide(cancelled, Seen(snapshot((away,))), NOW + 100_000.0)
    assert "Still changed: perhaps cordon a" in ended.events[0].text


def test_a_claimed_cordon_that_can_t_be_taken_down_keeps_no_run_from_its_end() -> None:
    lost = ready("a", Phase.SKIPPED, call_failures=0)
    seen = Seen(snapshot((host("a", cordoned=True, cordoned_by=RUN),)))
    failing = replace(seen, failures=(Failure(Uncordon(lost.host).key, lost.host, "read-only"),))
    (noted,) = changes(decide(claimed(lost), failing, NOW))
    assert noted.row.call_failures == 1
    left = claimed(replace(lost, call_failures=run().plan.policy.call_attempts))
    (ended,) = decide(left, seen, NOW)
    assert "Still changed: perhaps cordon a" in ended.events[0].text


def put_back_and_cancel(drive: Drive, copy: Path, path: Path) -> None:
    """All of the run is given back, though the copy knows nothing of what it borrowed."""
    drive.store.close()
    keeping.restore(copy, path)
    drive.store = Store.open(path)
    try:
        drive.start_controller()
        drive.say(Verb.CANCEL)
        assert drive.to_the_end().state is RunState.CANCELLED
        drive.assert_kept()
    finally:
        drive.store.close()


def test_what_a_host_got_after_the_copy_is_given_back_after_it_was_put_back(tmp_path: Path) -> None:
    path, copy = tmp_path / "standfast.db", tmp_path / "copy.db"
    drive = Drive(SimWorld(SimSpec(hosts=3, vms=4)), Store.open(path))
    drive.begin()
    keeping.back_up(path, copy)
    drive.until(lambda now: any(each.phase == Phase.DRAINING for each in now.hosts))
    assert len(drive.world.not_given_back) == 2, "a cordon and a silence"
    put_back_and_cancel(drive, copy, path)


def test_a_copy_from_before_the_first_lease_lets_the_next_controller_act_all_the_same(tmp_path: Path) -> None:
    path, copy = tmp_path / "standfast.db", tmp_path / "copy.db"
    Store.open(path).close()
    keeping.back_up(path, copy)
    keeping.restore(copy, path)
    store = Store.open(path)
    taken = store.take_lease("one", 0.0)
    store.close()
    assert taken is not None
    assert taken.epoch > 1_000_000_000


@pytest.mark.parametrize("phase", [Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING])
def test_a_vm_that_was_shut_down_after_the_copy_is_started_again(tmp_path: Path, phase: Phase) -> None:
    path, copy = tmp_path / "standfast.db", tmp_path / "copy.db"
    drive = Drive(SimWorld(SimSpec(hosts=3, vms=5, local_disks=(1,))), Store.open(path))
    vm = drive.world.vm_id("vm2")
    drive.world.agree(vm)
    said = {vm: Said(vm, Handling.CONSENT, "alice", 0.0, "test")}
    drive.begin(make_plan(drive.snapshot(scan=True), drive.policy, now=drive.world.clock.now(), said=said))
    keeping.back_up(path, copy)
    [home] = [step.host for step in drive.run.plan.steps if step.stops]
    drive.until(lambda now: now.row_of[home].phase == phase)
    assert any("vm2 was shut down" in text for text in drive.world.not_given_back)
    put_back_and_cancel(drive, copy, path)
