"""A simulated cluster behaves as the ports promise, and records what breaks the promise."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from sim_driver import (
    RUN,
    US,
    begin,
    carry_out,
    evacuate,
    finish,
    move,
    order,
    state_of,
    wait,
    whole,
)

from standfast.codec import dumps
from standfast.model.cluster import VmState
from standfast.model.errors import OutsideError, StandfastError, UnreachableError, WorkRefusedError
from standfast.model.hostwork import RebootSign, WorkKind, WorkOrder, WorkPhase
from standfast.model.ids import MoveId, RunId
from standfast.model.moves import OutcomeKind
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.plan.make import make_plan
from standfast.platforms.simulated import Deed, SimSpec, SimWorld
from standfast.ports import Clock, Fence, Fencing, HostWork, Outside, Platform


@pytest.fixture
def world() -> SimWorld:
    return SimWorld(SimSpec(settings=(("balancer", "on", "off"),)))


def test_the_facets_are_those_of_the_ports(world: SimWorld) -> None:
    platform: Platform = world.platform
    fence: Fence = world.fence
    work: HostWork = world.work
    clock: Clock = world.clock
    outside: Outside = world.outside
    assert (outside.platform, outside.fence, outside.work, outside.clock) == (platform, fence, work, clock)
    assert sorted(outside.names.values()) == ["host1", "host2", "host3", "host4"]


def test_the_default_is_the_lab_and_needs_twelve_moves(world: SimWorld) -> None:
    plan = make_plan(whole(world), Policy(wave_hosts_max=1), now=world.clock.now())
    assert carry_out(world, plan) == plan.bounds.moves == 12
    assert world.violations == ()
    assert world.not_given_back == ()
    after = whole(world)
    assert all(host.updates is not None and host.updates.compliant for host in after.hosts)
    assert all(vm.state is VmState.RUNNING for vm in after.vms)


def test_the_same_spec_makes_the_same_world() -> None:
    spec = SimSpec(hosts=6, vms=40, seed=7)
    assert dumps(whole(SimWorld(spec))) == dumps(whole(SimWorld(spec)))
    assert dumps(whole(SimWorld(spec))) != dumps(whole(SimWorld(SimSpec(hosts=6, vms=40, seed=8))))


def test_a_world_made_from_a_snapshot_looks_like_it() -> None:
    first = SimWorld(SimSpec(anti_affinity=((1, 2),), pins=((3, (0, 1)),), compliant=(2,)))
    seen = whole(first)
    again = whole(SimWorld.from_snapshot(seen))
    assert dumps(again) == dumps(seen)


def test_a_move_takes_time_and_is_told_while_it_lasts(world: SimWorld) -> None:
    given = move(world, "vm01", "host4")
    world.clock.sleep(1.0)
    seen = world.platform.observe().vm(given.vm)
    assert seen is not None
    assert seen.flight is not None
    assert (seen.host, seen.flight.target) == (given.source, given.target)
    assert 0 < seen.flight.remaining_bytes < seen.memory_bytes
    assert world.work.look(given.target).active_vms == 4
    outcome = wait(world, given)
    assert outcome.kind is OutcomeKind.SUCCEEDED
    record = outcome.record
    assert record is not None
    assert record.total_seconds == pytest.approx(
        (record.setup_seconds or 0) + (record.brownout_seconds or 0) + (record.blackout_seconds or 0)
    )
    assert (record.wire_bytes or 0) >= seen.memory_bytes
    moved = world.platform.observe().vm(given.vm)
    assert moved is not None
    assert (moved.host, moved.flight) == (given.target, None)


def test_two_moves_over_one_link_take_twice_as_long() -> None:
    def seconds(targets: tuple[tuple[str, str], ...]) -> float:
        world = SimWorld(SimSpec(dirty_bytes_per_second=(0.0, 0.0)))
        orders = [move(world, vm, target, f"m{vm}") for vm, target in targets]
        start = world.clock.now()
        while any(world.platform.move_outcome(given).kind is OutcomeKind.RUNNING for given in orders):
            world.clock.sleep(0.05)
        return world.clock.now() - start

    alone = seconds((("vm02", "host1"),))
    apart = seconds((("vm02", "host1"), ("vm03", "host4")))
    shared = seconds((("vm02", "host1"), ("vm05", "host1")))
    assert apart == pytest.approx(alone, abs=0.06)
    assert shared == pytest.approx(2 * alone, rel=0.2)


def test_a_cancelled_move_leaves_the_vm_where_it_was(world: SimWorld) -> None:
    given = move(world, "vm01", "host4")
    world.clock.sleep(1.0)
    world.platform.cancel_move(given)
    world.platform.cancel_move(given)
    assert world.platform.move_outcome(given).kind is OutcomeKind.FAILED
    seen = world.platform.observe().vm(given.vm)
    assert seen is not None
    assert (seen.host, seen.flight) == (given.source, None)


def test_what_starts_a_move_in_vain_raises(world: SimWorld) -> None:
    given = move(world, "vm01", "host4")
    with pytest.raises(OutsideError):
        world.platform.start_move(given)
    wrong = order(world.vm_id("vm02"), world.host_id("host4"), world.host_id("host1"))
    with pytest.raises(OutsideError):
        world.platform.start_move(wrong)


def test_a_cordoned_target_fails_the_move_and_says_so_beforehand(world: SimWorld) -> None:
    world.fence.cordon(world.host_id("host4"), US)
    reasons = world.platform.check_move(world.vm_id("vm01"), world.host_id("host4"))
    assert [reason.code for reason in reasons] == [Code.TARGET_CORDONED]
    given = move(world, "vm01", "host4")
    assert world.platform.move_outcome(given).kind is OutcomeKind.FAILED
    assert world.violations == ()


def test_an_order_that_nobody_knows_is_unknown(world: SimWorld) -> None:
    given = move(world, "vm01", "host4")
    world.forget_orders()
    assert world.platform.move_outcome(given).kind is OutcomeKind.UNKNOWN


def test_patching_installs_and_asks_for_a_reboot_and_the_reboot_changes_the_boot(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    host = world.host_id("host1")
    before = world.work.scan(host, refresh=True)
    assert [update.package for update in before.pending] == ["linux-image-amd64", "openssl"]
    done = finish(world, begin(world, WorkKind.PATCH, "host1"))
    assert done.phase is WorkPhase.SUCCEEDED
    assert ("openssl", "3.0.16-1") in done.versions_before
    assert ("openssl", "3.0.17-1") in done.versions_after
    patched = world.work.scan(host, refresh=True)
    assert (patched.pending, patched.reboot_signs) == ((), (RebootSign.NEWER_KERNEL,))
    given = begin(world, WorkKind.REBOOT, "host1")
    world.clock.sleep(2.0)
    assert not world.platform.observe().host(host).reachable
    with pytest.raises(UnreachableError):
        world.work.look(host)
    world.clock.sleep(60.0)
    facts = world.work.look(host)
    assert facts.boot_id != before.boot_id
    assert facts.uptime_seconds < 60
    assert state_of(world, given).phase is WorkPhase.LOST
    assert world.work.scan(host, refresh=False).compliant
    assert world.violations == ()


@pytest.mark.parametrize("kind", [WorkKind.PATCH, WorkKind.REBOOT])
def test_the_guard_refuses_while_a_vm_is_there_or_on_its_way(world: SimWorld, kind: WorkKind) -> None:
    there = begin(world, kind, "host1")
    assert state_of(world, there).phase is WorkPhase.REFUSED
    assert "vm01" in state_of(world, there).detail
    evacuate(world, "host1", "host2")
    move(world, "vm03", "host1", "back")
    coming = begin(world, kind, "host1", attempt=2)
    assert "vm03" in state_of(world, coming).detail
    world.clock.sleep(120.0)
    assert world.work.look(world.host_id("host1")).boot_id == state_of(world, there).boot_id
    assert world.violations == ()


def test_the_guard_refuses_a_stale_epoch(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    world.fence.cordon(world.host_id("host1"), Fencing(RUN, 5))
    for number, kind in enumerate(WorkKind):
        assert (
            state_of(world, begin(world, kind, "host1", attempt=number, epoch=4)).phase is WorkPhase.REFUSED
        )
    with pytest.raises(WorkRefusedError):
        world.fence.uncordon(world.host_id("host1"), Fencing(RUN, 4))
    assert world.platform.observe().host(world.host_id("host1")).cordoned


def test_a_units_name_acts_once(world: SimWorld) -> None:
    given = begin(world, WorkKind.STAGE, "host1")
    with pytest.raises(WorkRefusedError):
        world.work.begin(given)
    finish(world, given)
    with pytest.raises(WorkRefusedError):
        world.work.begin(given)


def test_two_units_do_not_change_a_host_at_once(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    begin(world, WorkKind.PATCH, "host1")
    assert state_of(world, begin(world, WorkKind.REBOOT, "host1")).phase is WorkPhase.REFUSED


def test_a_cordon_is_its_runs_own_and_outlives_a_reboot(world: SimWorld) -> None:
    host = world.host_id("host1")
    world.fence.cordon(host, US)
    world.fence.cordon(host, US)
    other = Fencing(RunId("other"), 1)
    for call in (world.fence.cordon, world.fence.uncordon):
        with pytest.raises(WorkRefusedError):
            call(host, other)
    evacuate(world, "host1", "host2")
    finish(world, begin(world, WorkKind.REBOOT, "host1"))
    seen = world.platform.observe().host(host)
    assert (seen.cordoned, seen.cordoned_by) == (True, RUN)
    assert list(world.not_given_back) == [f"host1 is still cordoned by {RUN}"]
    world.fence.uncordon(host, US)
    world.fence.uncordon(host, US)
    assert not world.platform.observe().host(host).cordoned


def test_settings_are_borrowed_and_given_back(world: SimWorld) -> None:
    host = world.host_id("host1")
    (setting,) = world.fence.settings(host)
    assert (setting.name, setting.before, setting.during) == ("balancer", "on", "off")
    world.fence.apply_setting(setting, US)
    world.fence.apply_setting(setting, US)
    assert world.fence.settings(host) == ()
    assert list(world.not_given_back) == ["balancer on host1 is still off"]
    world.fence.give_back(setting, US)
    assert list(world.not_given_back) == []


def test_what_an_unreachable_host_runs_is_left_out_and_goes_on(world: SimWorld) -> None:
    given = move(world, "vm02", "host1")
    world.unreachable(world.host_id("host2"), 30.0)
    seen = world.platform.observe()
    assert not seen.host(world.host_id("host2")).reachable
    half = seen.vm(given.vm)
    assert half is not None
    assert (half.host, half.state) == (given.target, VmState.INCOMING)
    assert seen.vms_on(world.host_id("host2")) == ()
    world.clock.sleep(31.0)
    again = world.platform.observe()
    assert again.vm(given.vm) is not None
    assert len(again.vms_on(world.host_id("host2"))) == 2
    assert len(again.vms) == 10


def failing(world: SimWorld) -> OutcomeKind:
    return wait(world, move(world, "vm01", "host4", str(world.clock.now())), limit=100.0).kind


@pytest.mark.parametrize(
    "fault",
    [
        lambda world: world.fail_moves(2, vm=world.vm_id("vm01")),
        lambda world: world.fail_moves(2, source=world.host_id("host1")),
        lambda world: world.fail_moves(2, target=world.host_id("host4")),
    ],
    ids=["vm", "source", "target"],
)
def test_moves_fail_as_often_as_told(world: SimWorld, fault: Callable[[SimWorld], None]) -> None:
    fault(world)
    kinds = [failing(world), failing(world), failing(world)]
    assert kinds == [OutcomeKind.FAILED, OutcomeKind.FAILED, OutcomeKind.SUCCEEDED]
    assert world.violations == ()


def test_a_stalled_move_never_ends_by_itself(world: SimWorld) -> None:
    world.stall_moves(world.vm_id("vm01"))
    given = move(world, "vm01", "host4")
    assert wait(world, given).kind is OutcomeKind.RUNNING
    world.platform.cancel_move(given)
    assert wait(world, move(world, "vm01", "host4", "second")).kind is OutcomeKind.SUCCEEDED


def test_a_vm_that_writes_too_fast_goes_round_and_round(world: SimWorld) -> None:
    world.never_converge(world.vm_id("vm01"))
    given = move(world, "vm01", "host4")
    assert wait(world, given).kind is OutcomeKind.RUNNING
    seen = world.platform.observe().vm(given.vm)
    assert seen is not None
    assert seen.flight is not None
    assert seen.flight.iteration > 10


def test_auto_converge_slows_a_vm_until_it_can_be_moved() -> None:
    spec = SimSpec(dirty_bytes_per_second=(150e6, 150e6))
    world = SimWorld(spec)
    stuck = move(world, "vm01", "host4")
    assert wait(world, stuck).kind is OutcomeKind.RUNNING
    world.platform.cancel_move(stuck)
    slowed = replace(order(stuck.vm, stuck.source, stuck.target, "slow"), auto_converge=True)
    world.platform.start_move(slowed)
    assert wait(world, slowed).kind is OutcomeKind.SUCCEEDED


@pytest.mark.parametrize("kind", [WorkKind.STAGE, WorkKind.PATCH, WorkKind.REBOOT])
def test_host_work_fails_as_often_as_told(world: SimWorld, kind: WorkKind) -> None:
    evacuate(world, "host1", "host2")
    world.fail_work(world.host_id("host1"), kind)
    boot = world.work.look(world.host_id("host1")).boot_id
    failed = finish(world, begin(world, kind, "host1"))
    assert (failed.phase, failed.exit_code) == (WorkPhase.FAILED, 100)
    assert world.work.look(world.host_id("host1")).boot_id == boot
    assert len(world.work.scan(world.host_id("host1"), refresh=False).pending) == 2
    again = finish(world, begin(world, kind, "host1", attempt=2))
    assert again.phase in (WorkPhase.SUCCEEDED, WorkPhase.LOST)


def rebooted(world: SimWorld, seconds: float = 600.0) -> bool:
    """Reboot host1 and say whether it answers with another boot id then."""
    host = world.host_id("host1")
    boot = world.work.look(host).boot_id
    begin(world, WorkKind.REBOOT, "host1")
    world.clock.sleep(seconds)
    return world.work.look(host).boot_id != boot


def test_a_host_may_never_return_until_somebody_helps(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    world.never_return(world.host_id("host1"))
    with pytest.raises(UnreachableError):
        rebooted(world, 86_400.0)
    world.power_on(world.host_id("host1"))
    world.clock.sleep(60.0)
    assert world.work.look(world.host_id("host1")).uptime_seconds < 60.0


def test_a_host_may_return_with_its_old_boot(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    world.keep_boot(world.host_id("host1"))
    assert not rebooted(world)


def test_a_boot_takes_as_long_as_told(world: SimWorld) -> None:
    evacuate(world, "host1", "host2")
    world.boot_takes(world.host_id("host1"), 1000.0)
    with pytest.raises(UnreachableError):
        rebooted(world, 999.0)
    world.clock.sleep(3.0)
    assert world.work.look(world.host_id("host1")).uptime_seconds < 3.0


def test_a_host_may_come_back_unhealthy(world: SimWorld) -> None:
    host = world.host_id("host1")
    evacuate(world, "host1", "host2")
    before = world.work.health(host)
    world.unhealthy_after_boot(host, link="br0", mount="/var/lib/images", unit="a.service", hypervisor=True)
    assert rebooted(world)
    after = world.work.health(host)
    assert before.links_up - after.links_up == {"br0"}
    assert before.mounts - after.mounts == {"/var/lib/images"}
    assert after.failed_units == {"a.service"}
    assert not after.hypervisor_up
    assert world.work.look(host).active_vms is None
    world.heal(host)
    healed = world.work.health(host)
    assert (healed.links_up, healed.mounts, healed.failed_units) == (
        before.links_up,
        before.mounts,
        frozenset(),
    )


def test_a_call_fails_before_it_acts_or_after(world: SimWorld) -> None:
    host = world.host_id("host1")
    world.fail_call("cordon", 1, when="before")
    with pytest.raises(UnreachableError):
        world.fence.cordon(host, US)
    assert not world.platform.observe().host(host).cordoned
    world.fail_call("cordon", 1, when="after")
    with pytest.raises(UnreachableError):
        world.fence.cordon(host, US)
    assert world.platform.observe().host(host).cordoned
    world.fence.cordon(host, US)


def test_a_call_fault_may_be_for_one_host_only(world: SimWorld) -> None:
    world.fail_call("look", 2, host=world.host_id("host2"))
    world.work.look(world.host_id("host1"))
    for _ in range(2):
        with pytest.raises(UnreachableError):
            world.work.look(world.host_id("host2"))
    world.work.look(world.host_id("host2"))


def test_a_move_may_begin_although_its_order_failed(world: SimWorld) -> None:
    world.fail_call("start_move", when="after")
    with pytest.raises(UnreachableError):
        move(world, "vm01", "host4")
    seen = world.platform.observe().vm(world.vm_id("vm01"))
    assert seen is not None
    assert seen.flight is not None


def test_deeds_by_hand_happen_at_their_time_and_are_nobodys_violation(world: SimWorld) -> None:
    vm, target = world.vm_id("vm02"), world.host_id("host1")
    world.by_hand(Deed.MOVE, target, vm, after=10.0)
    world.by_hand(Deed.STOP, target, vm, after=60.0)
    world.by_hand(Deed.START, world.host_id("host3"), vm, after=70.0)
    world.by_hand(Deed.CORDON, world.host_id("host4"), after=80.0)
    places: list[tuple[str, VmState]] = []
    for _ in range(10):
        seen = world.platform.observe().vm(vm)
        assert seen is not None
        if not places or places[-1] != (world.names[seen.host], seen.state):
            places.append((world.names[seen.host], seen.state))
        world.clock.sleep(10.0)
    assert places == [
        ("host2", VmState.RUNNING),
        ("host1", VmState.RUNNING),
        ("host1", VmState.SHUT_OFF),
        ("host3", VmState.RUNNING),
    ]
    assert world.platform.observe().host(world.host_id("host4")).cordoned_by == "somebody"
    assert world.violations == ()


def test_a_cordon_refuses_deeds_by_hand(world: SimWorld) -> None:
    world.fence.cordon(world.host_id("host1"), US)
    world.by_hand(Deed.MOVE, world.host_id("host1"), world.vm_id("vm02"))
    world.clock.sleep(60.0)
    assert len(world.platform.observe().vms_on(world.host_id("host1"))) == 1
    assert world.violations == ()


def test_unknown_hosts_are_an_error(world: SimWorld) -> None:
    with pytest.raises(StandfastError):
        world.work.begin(WorkOrder(WorkKind.STAGE, "nowhere", RUN, 1))  # type: ignore[arg-type]


def test_a_large_world_is_quick() -> None:
    world = SimWorld(SimSpec(hosts=200, vms=3000))
    start = time.perf_counter()
    for _ in range(20):
        assert len(world.platform.observe().vms) == 3000
        for host in world.names:
            world.work.look(host)
    assert time.perf_counter() - start < 5.0


def test_a_cordon_can_be_removed_by_hand(world: SimWorld) -> None:
    host = world.host_id("host1")
    world.fence.cordon(host, US)
    world.remove_cordon(host)
    assert not world.platform.observe().host(host).cordoned


def test_a_cancelled_migration_is_the_vm_s_whoever_began_it(world: SimWorld) -> None:
    given = move(world, "vm01", "host4")
    world.platform.cancel_move(replace(given, id=MoveId("another attempt")))
    assert world.platform.move_outcome(given).kind is OutcomeKind.FAILED


def test_a_vm_of_a_dead_host_that_somebody_starts_elsewhere_is_seen_there(world: SimWorld) -> None:
    vm = world.vm_id("vm01")
    seen = world.platform.observe().vm(vm)
    assert seen is not None
    other = next(host for host in world.names if host != seen.host)
    world.lose_power(seen.host)
    assert world.platform.observe().vm(vm) is None
    world.by_hand(Deed.START, other, vm)
    world.clock.sleep(1.0)
    found = world.platform.observe().vm(vm)
    assert found is not None
    assert found.host == other
