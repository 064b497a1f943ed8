"""What is true before a controller acts: its lease holds, the journal knows, no group mate is flying."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_build import host, ready, run, snapshot, vm
from run_drive import RUN, Drive, DriveMaker, open_drives

from standfast.model.cluster import AntiAffinity, Rules
from standfast.model.errors import LeaseLostError
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight
from standfast.model.run import Phase
from standfast.platforms.simulated import SimSpec
from standfast.run import links
from standfast.run.clock import WallClock
from standfast.run.seen import Seen, View
from standfast.run.serve import LEASE_SECONDS, RENEW_SECONDS, Keeper
from standfast.store.repository import Store


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


class Set(WallClock):
    """Real time that a test sets on."""

    ahead = 0.0
    suspended = 0.0

    def now(self) -> float:
        return super().now() + self.ahead + self.suspended

    def elapsed(self) -> float:
        return super().elapsed() + self.suspended


def test_a_lease_that_ran_out_before_it_was_renewed_is_no_leave_to_act(tmp_path: Path) -> None:
    """As for a process that was suspended in the middle of an action and wakes up."""
    store, clock = Store.open(tmp_path / "standfast.db"), Set()
    try:
        keeper = Keeper(store, "here:1", clock)
        assert keeper.take()
        assert keeper.current().holder == "here:1"
        clock.suspended = LEASE_SECONDS + 1.0
        with pytest.raises(LeaseLostError, match="ran out before it was renewed"):
            keeper.current()
    finally:
        store.close()


@pytest.mark.parametrize("by", [7_200.0, -7_200.0])
def test_a_lease_lasts_as_long_as_time_passes_whatever_the_clock_is_set_to(tmp_path: Path, by: float) -> None:
    store, clock = Store.open(tmp_path / "standfast.db"), Set()
    try:
        keeper = Keeper(store, "here:1", clock)
        assert keeper.take()
        clock.ahead = by
        assert keeper.current().epoch == 1
        clock.suspended = RENEW_SECONDS + 1.0
        keeper.renew()
        assert keeper.current().expires_at > clock.now(), "others see the renewed one"
        clock.suspended += LEASE_SECONDS
        with pytest.raises(LeaseLostError, match="ran out before it was renewed"):
            keeper.current()
    finally:
        store.close()


def cordoned(the_drive: Drive) -> set[HostId]:
    """Hosts that are cordoned by the run, as they say themselves."""
    hosts = the_drive.snapshot().hosts
    return {host.id for host in hosts if host.cordoned and host.cordoned_by == RUN}


def test_no_cordon_is_up_at_any_commit_that_the_journal_does_not_know(drives: DriveMaker) -> None:
    the_drive = drives(SimSpec(hosts=3, vms=4))
    seen: set[HostId] = set()

    def look(_where: str) -> None:
        journal = the_drive.run.journal
        known = {each.host for each in journal if each.kind == "cordon" and each.given_back_at is None}
        assert cordoned(the_drive) <= known
        seen.update(cordoned(the_drive))

    the_drive.hook = look
    the_drive.begin()
    the_drive.to_the_end()
    assert len(seen) == 3
    the_drive.assert_kept()


def test_a_vm_waits_for_its_group_mate_in_the_air_whoever_chose_its_target() -> None:
    flying = vm("v", "a", flight=Flight(HostId("c")))
    there = snapshot((host("a"), host("b"), host("c"), host("d")), flying, vm("w", "b"))
    apart = Rules((AntiAffinity("dag", frozenset({VmId("v"), VmId("w")})),), reserve_hosts=0)
    free, bound = (
        View.of(run(ready("b", Phase.DRAINING)), Seen(replace(there, rules=rules)), 100.0)
        for rules in (there.rules, apart)
    )
    waiting = there.vm(VmId("w"))
    assert waiting is not None
    assert links.may_fly(free, waiting, HostId("d"), 0)
    assert not links.may_fly(bound, waiting, HostId("d"), 0)
