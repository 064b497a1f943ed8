"""Which VM may not be moved at all, which not to one host, and what the sentences say."""

from __future__ import annotations

from typing import Any

import pytest
from small_clusters import apart, changed_host, cluster, host, host_id, pin, vm, vm_id

from standfast.model.cluster import Cpu, Disk, VmState
from standfast.model.moves import Flight
from standfast.model.reasons import Code
from standfast.model.units import GIB
from standfast.plan import blockers
from standfast.plan.board import Board


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"disks": (Disk("/var/lib/a.img", shared=False, target="vda"),)}, Code.VM_LOCAL_DISK),
        ({"disks": (Disk("/a.iso", shared=False, removable=True, target="sda"),)}, Code.VM_REMOVABLE_MEDIA),
        ({"passthrough": ("PCI 0000:01:00.0",)}, Code.VM_PASSTHROUGH),
        ({"managed_save": True}, Code.VM_MANAGED_SAVE),
        ({"state": VmState.PAUSED}, Code.VM_NOT_RUNNING),
        ({"state": VmState.CRASHED}, Code.VM_NOT_RUNNING),
        ({"state": VmState.UNKNOWN}, Code.VM_NOT_RUNNING),
        ({"state": VmState.SHUT_OFF}, Code.VM_NOT_RUNNING),
        ({"busy": "backup"}, Code.VM_BUSY),
        ({"flight": Flight(None)}, Code.VM_BUSY),
        ({"unsupported": ("it has a snapshot.",)}, Code.VM_UNSUPPORTED),
    ],
)
def test_what_keeps_a_vm_where_it_is(changes: dict[str, Any], code: Code) -> None:
    reasons = blockers.of_vm(vm("web", 1, **changes))
    assert [reason.code for reason in reasons] == [code]
    (reason,) = reasons
    assert "web" in reason.sentence
    assert reason.sentence.endswith(".")
    assert ".." not in reason.sentence
    assert reason.mend
    assert (reason.vm, reason.host) == (vm_id("web"), host_id(1))


def test_several_blockers_are_all_told() -> None:
    reasons = blockers.of_vm(vm("web", 1, busy="backup", passthrough=("vGPU", "USB 1-2")))
    assert [reason.code for reason in reasons] == [Code.VM_PASSTHROUGH, Code.VM_PASSTHROUGH, Code.VM_BUSY]


@pytest.mark.parametrize(
    "disk",
    [
        Disk("/srv/a.qcow2", shared=True),
        Disk("/srv/a.iso", shared=True, removable=True, read_only=True),
        Disk("", shared=False, removable=True, target="sda"),
    ],
    ids=["shared disk", "shared medium", "empty drive"],
)
def test_disks_that_every_host_sees_and_empty_drives_are_no_blockers(disk: Disk) -> None:
    assert blockers.of_vm(vm("web", 1, disks=(disk,))) == ()


def test_a_transient_vm_is_warned_of_and_moved() -> None:
    transient = vm("web", 1, persistent=False)
    assert blockers.of_vm(transient) == ()
    assert [reason.code for reason in blockers.warnings_of(transient)] == [Code.VM_TRANSIENT]


EPYC = Cpu("x86_64", "EPYC", "AMD", frozenset({"avx", "avx2"}))


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        (None, EPYC, True),
        (EPYC, None, True),
        (EPYC, EPYC, True),
        (Cpu("aarch64", "EPYC"), EPYC, False),
        (Cpu("x86_64", "EPYC", "Intel"), EPYC, False),
        (Cpu("x86_64", "Skylake", "", frozenset({"avx"})), EPYC, True),
        (Cpu("x86_64", "Skylake", "", frozenset({"avx512f"})), EPYC, False),
        (Cpu("x86_64", "Skylake"), EPYC, False),
        (Cpu("x86_64", ""), EPYC, True),
    ],
)
def test_a_cpu_fits_by_model_or_by_features_and_unknown_is_accepted(
    wanted: Cpu | None, given: Cpu | None, fits: bool
) -> None:
    there = cluster([host(1), host(2, cpu=given)], [vm("web", 1, cpu=wanted)])
    codes = [reason.code for reason in blockers.of_move(there, there.vms[0], host_id(2))]
    assert codes == ([] if fits else [Code.TARGET_CPU])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reachable": False, "unreachable_why": "no route"}, Code.TARGET_UNREACHABLE),
        ({"cordoned": True, "cordoned_by": "run 7"}, Code.TARGET_CORDONED),
        ({"networks": frozenset()}, Code.TARGET_NETWORK),
        ({"machine_types": frozenset({"pc-q35-6.0"})}, Code.TARGET_MACHINE_TYPE),
        ({"memory_bytes": 170 * 1024**2}, Code.TARGET_MEMORY),
    ],
)
def test_what_a_host_has_against_a_vm(changes: dict[str, Any], code: Code) -> None:
    there = cluster([host(1), host(2, **changes)], [vm("web", 1, machine_type="pc-q35-7.2")])
    (reason,) = blockers.of_move(there, there.vms[0], host_id(2))
    assert reason.code is code
    assert "host2" in reason.sentence
    assert (reason.vm, reason.host) == (vm_id("web"), host_id(2))


def test_a_pin_names_the_hosts_that_it_allows() -> None:
    there = cluster([host(1), host(2), host(3)], [vm("web", 1)], pins=(pin("web", 1, 3),))
    (reason,) = blockers.of_move(there, there.vms[0], host_id(2))
    assert (reason.code, reason.sentence) == (
        Code.VM_PINNED,
        "A pin keeps web on host1, host3, which host2 is not.",
    )
    assert blockers.of_move(there, there.vms[0], host_id(3)) == ()


def test_the_memory_of_a_vm_on_its_way_counts_on_both_ends() -> None:
    on_its_way = vm("other", 1, 3000, flight=Flight(host_id(2)))
    there = cluster([host(1), host(2), host(3)], [on_its_way, vm("web", 3, 800)])
    for target in (1, 2):
        (reason,) = blockers.of_move(there, there.vms[1], host_id(target))
        assert reason.code is Code.TARGET_MEMORY
    settled = cluster([host(1), host(2), host(3)], [vm("other", 1, 3000), vm("web", 3, 800)])
    assert blockers.of_move(settled, settled.vms[1], host_id(2)) == ()


def test_the_targets_half_of_a_migration_is_not_counted_twice() -> None:
    halves = [
        vm("web", 1, 1000, flight=Flight(host_id(2))),
        vm("web", 2, 1000, state=VmState.INCOMING),
    ]
    board = Board.of(cluster([host(1), host(2)], halves))
    assert board.held == {host_id(1): 1000 * 1024**2, host_id(2): 1000 * 1024**2}


def test_the_targets_half_says_where_to_if_the_source_does_not() -> None:
    halves = [vm("web", 2, 1000, state=VmState.INCOMING), vm("web", 1, 1000, flight=Flight(None))]
    assert Board.of(cluster([host(1), host(2)], halves)).flights == {vm_id("web"): host_id(2)}


@pytest.mark.parametrize(
    "other",
    [
        vm("other", 2),
        vm("other", 3, flight=Flight(host_id(2))),
        vm("other", 3, flight=Flight(host_id(4))),
        vm("other", 3, flight=Flight(None)),
    ],
    ids=["resident", "incoming", "in flight elsewhere", "in flight, nobody knows where"],
)
def test_members_of_a_group_neither_meet_nor_fly_at_the_same_time(other: Any) -> None:
    there = cluster(
        [host(number) for number in range(1, 5)],
        [vm("web", 1), other],
        anti_affinity=(apart("dag", "web", "other"),),
    )
    codes = [reason.code for reason in blockers.of_move(there, there.vms[0], host_id(2))]
    assert codes == [Code.TARGET_ANTI_AFFINITY]


def test_a_name_is_taken_also_by_a_vm_that_is_shut_off() -> None:
    namesake = vm("web", 2, id=vm_id("namesake"), state=VmState.SHUT_OFF)
    there = cluster([host(1), host(2)], [vm("web", 1), namesake])
    (reason,) = blockers.of_move(there, there.vms[0], host_id(2))
    assert reason.code is Code.TARGET_NAME_TAKEN


def test_a_leftover_definition_of_the_vm_itself_takes_no_name() -> None:
    there = cluster([host(1), host(2)], [vm("web", 1), vm("web", 2, state=VmState.SHUT_OFF)])
    assert blockers.of_move(there, there.vms[0], host_id(2)) == ()


def test_the_ceiling_is_a_share_of_what_the_host_has() -> None:
    there = cluster([host(1), host(2, memory_bytes=GIB)], [vm("web", 1, 921)], memory_ceiling=0.9)
    assert blockers.of_move(there, there.vms[0], host_id(2)) == ()
    tight = changed_host(there, 2, memory_bytes=GIB - 2 * 1024**2)
    assert [reason.code for reason in blockers.of_move(tight, there.vms[0], host_id(2))] == [
        Code.TARGET_MEMORY
    ]
