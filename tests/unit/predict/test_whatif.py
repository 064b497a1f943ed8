"""What another migration network would change, and what it would not."""

from __future__ import annotations

import pytest

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.predict.precopy import predict_move
from standfast.predict.whatif import Link, VmChange, WhatIf, what_if

GIB, MIB = 1024**3, 1024**2
GIGABIT = 10**9


def vm(
    name: str, memory: int, dirty: float, *, state: VmState = VmState.RUNNING, passthrough: str = ""
) -> Vm:
    devices = (passthrough,) if passthrough else ()
    return Vm(VmId(name), name, HostId("a"), state, memory, passthrough=devices, dirty_bytes_per_second=dirty)


def compared(
    *vms: Vm, link: Link, budget: float = 2.0, speed: int | None = GIGABIT, at_once: int = 4
) -> WhatIf:
    hosts = tuple(
        Host(HostId(name), name, 64 * GIB, migration_bits_per_second=speed) for name in ("a", "b", "c")
    )
    snapshot = Snapshot("c", "libvirt", 0.0, hosts, vms)
    return what_if(snapshot, link, {each.id: budget for each in vms}, at_once=at_once)


def only(found: WhatIf) -> VmChange:
    [change] = found.vms
    return change


def test_ten_times_the_speed_copies_in_a_tenth_and_leaves_what_is_fixed() -> None:
    found = compared(vm("v", 16 * GIB, 0.0), link=Link(10 * GIGABIT))
    change = only(found)
    assert change.then.once_seconds == pytest.approx(change.now.once_seconds / 10, rel=0.03)
    assert change.now.brownout_seconds - change.now.once_seconds == pytest.approx(0.8, abs=0.05)
    assert change.then.brownout_seconds - change.then.once_seconds == pytest.approx(0.8, abs=0.05)


def test_the_move_now_is_what_a_plan_predicts() -> None:
    busy = vm("v", 8 * GIB, 30.0 * MIB)
    change = only(compared(busy, link=Link(25 * GIGABIT), budget=0.2))
    ends = Host(HostId("a"), "a", 64 * GIB, migration_bits_per_second=GIGABIT)
    told = Vm(
        busy.id,
        "v",
        busy.host,
        busy.state,
        busy.memory_bytes,
        dirty_bytes_per_second=busy.dirty_bytes_per_second,
        blackout_budget_seconds=0.2,
    )
    assert change.now == predict_move(told, ends, ends)


def test_a_vm_that_writes_faster_than_the_link_ends_only_on_a_faster_one() -> None:
    found = compared(vm("v", 16 * GIB, 400.0 * MIB), link=Link(25 * GIGABIT))
    change = only(found)
    assert (change.now.converges, change.then.converges, change.blackout_helped) == (False, True, True)
    [host] = [each for each in found.hosts if each.vms]
    assert host.now_seconds is None
    assert host.then_seconds is not None


def test_a_vm_is_stopped_at_its_limit_on_any_link() -> None:
    change = only(compared(vm("v", 64 * GIB, 60.0 * MIB), link=Link(2 * GIGABIT)))
    assert not change.blackout_helped
    assert change.fixed_blackout_seconds < change.now.switch_seconds


def test_half_of_a_shared_link_counts_and_jumbo_frames_carry_a_twentieth_more() -> None:
    assert Link(10 * GIGABIT).counted_bits_per_second == 10 * GIGABIT
    assert Link(10 * GIGABIT, shared=True).counted_bits_per_second == 5 * GIGABIT
    jumbo = Link(10 * GIGABIT, jumbo_frames=True).counted_bits_per_second
    assert jumbo == pytest.approx(10.53 * GIGABIT, rel=1e-3)
    assert [Link(g * GIGABIT).beyond_one_stream for g in (25, 40, 100)] == [False, False, True]


def test_drains_share_the_link() -> None:
    one = compared(vm("v", 8 * GIB, 0.0), link=Link(10 * GIGABIT)).hosts[0]
    four = compared(*(vm(f"v{n}", 8 * GIB, 0.0) for n in range(4)), link=Link(10 * GIGABIT)).hosts[0]
    assert one.now_seconds is not None
    assert four.now_seconds is not None
    # One fills the link, so they go one after the other.
    assert four.now_seconds == pytest.approx(4 * one.now_seconds)


def test_what_can_not_be_moved_alive_is_left_out() -> None:
    off, pinned = vm("off", GIB, 0.0, state=VmState.SHUT_OFF), vm("gpu", GIB, 0.0, passthrough="a GPU")
    found = compared(off, pinned, link=Link(10 * GIGABIT))
    assert found.vms == ()
    assert [(each.vms, each.now_seconds) for each in found.hosts] == [(0, 0.0)] * 3


def test_a_host_alone_has_nowhere_to_drain_to() -> None:
    alone = Snapshot("c", "libvirt", 0.0, (Host(HostId("a"), "a", GIB),), (vm("v", GIB, 0.0),))
    assert what_if(alone, Link(GIGABIT), {}, at_once=4).hosts == ()
