"""The world records each kind of broken promise, also where the hosts' own guards are off."""

from __future__ import annotations

import pytest
from sim_driver import US, begin, evacuate, move, wait

from standfast.model.hostwork import WorkKind
from standfast.platforms.simulated import Deed, SimSpec, SimWorld


def found(world: SimWorld) -> list[str]:
    """Violations without their times."""
    return [text.split(" ", 1)[1] for text in world.violations]


def test_patching_with_a_vm_on_the_host() -> None:
    world = SimWorld()
    world.guard_off(world.host_id("host1"))
    begin(world, WorkKind.PATCH, "host1")
    assert found(world) == ["host1 is patched with vm01 on it"]


def test_rebooting_with_a_vm_on_the_host_interrupts_it() -> None:
    world = SimWorld()
    world.guard_off(world.host_id("host1"))
    begin(world, WorkKind.REBOOT, "host1")
    world.clock.sleep(120.0)
    assert found(world) == [
        "host1 is rebooted with vm01 on it",
        "vm01 was interrupted: host1 was rebooted",
    ]
    seen = world.platform.observe().vm(world.vm_id("vm01"))
    assert seen is not None
    assert seen.state == "shut_off"


def test_rebooting_with_a_vm_on_its_way_there() -> None:
    world = SimWorld()
    evacuate(world, "host1", "host2")
    world.guard_off(world.host_id("host1"))
    given = move(world, "vm03", "host1", "in")
    begin(world, WorkKind.REBOOT, "host1")
    world.clock.sleep(5.0)
    assert found(world) == ["host1 is rebooted with vm03 on it"]
    assert world.platform.move_outcome(given).kind == "failed"


def test_a_vm_that_comes_while_the_host_is_patched() -> None:
    world = SimWorld()
    evacuate(world, "host1", "host2")
    begin(world, WorkKind.PATCH, "host1")
    move(world, "vm03", "host1", "in")
    assert found(world) == ["vm03 came to host1 during its patch"]


def test_a_start_on_a_cordoned_host_past_its_hooks() -> None:
    world = SimWorld()
    vm, host = world.vm_id("vm02"), world.host_id("host1")
    world.by_hand(Deed.STOP, host, vm)
    world.clock.sleep(1.0)
    world.fence.cordon(host, US)
    world.by_hand(Deed.START, host, vm, forced=True)
    world.clock.sleep(1.0)
    assert found(world) == [f"vm02 came to host1, which is cordoned by {US.run}"]


def test_memory_above_what_the_host_has() -> None:
    world = SimWorld(SimSpec(host_memory_bytes=600 * 1024**2, large_vm_memory_bytes=512 * 1024**2))
    move(world, "vm01", "host2")
    assert len(found(world)) == 1
    assert found(world)[0].startswith("host2 holds ")


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ((("vm02", "host3"),), ["vm02 meets vm03 (apart-1) on host3"]),
        (
            (("vm02", "host1"), ("vm03", "host4")),
            ["vm03 and vm02 (apart-1) are in flight at once"],
        ),
        (
            (("vm02", "host1"), ("vm03", "host1")),
            ["vm03 and vm02 (apart-1) are in flight at once", "vm03 meets vm02 (apart-1) on host1"],
        ),
    ],
)
def test_anti_affinity_at_rest_and_in_flight(moves: tuple[tuple[str, str], ...], expected: list[str]) -> None:
    world = SimWorld(SimSpec(anti_affinity=((1, 2),)))
    for vm, target in moves:
        move(world, vm, target, vm)
    assert found(world) == expected


def test_a_pin_that_is_not_kept() -> None:
    world = SimWorld(SimSpec(pins=((0, (0, 1)),)))
    move(world, "vm01", "host4")
    assert found(world) == ["vm01 goes to host4 against its pin"]


def test_a_good_move_is_no_violation() -> None:
    world = SimWorld(SimSpec(anti_affinity=((1, 2),), pins=((0, (0, 1)),)))
    wait(world, move(world, "vm01", "host2"))
    wait(world, move(world, "vm02", "host4", "m2"))
    assert found(world) == []


def test_a_shutdown_that_nobody_agreed_to() -> None:
    world = SimWorld()
    vm = world.vm_id("vm01")
    world.platform.shutdown(vm, world.host_id("host1"))
    assert found(world) == ["vm01 was told to shut down, and nobody agreed to that"]


def test_a_power_cut_where_only_a_clean_shutdown_was_agreed_to() -> None:
    world = SimWorld()
    vm = world.vm_id("vm01")
    world.agree(vm)
    world.platform.shutdown(vm, world.host_id("host1"), force=True)
    assert found(world) == ["the power of vm01 was cut, and nobody agreed to that"]


def test_a_vm_that_was_shut_down_and_not_started_again() -> None:
    world = SimWorld()
    vm, host = world.vm_id("vm01"), world.host_id("host1")
    world.agree(vm)
    world.platform.shutdown(vm, host)
    world.clock.sleep(60.0)
    assert list(world.not_given_back) == ["vm01 was shut down and does not run"]
    world.platform.start(vm, host)
    assert list(world.not_given_back) == []
    assert found(world) == []
