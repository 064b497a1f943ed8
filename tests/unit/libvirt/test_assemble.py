"""Readings of several hosts as one snapshot, at every moment of a migration."""

from __future__ import annotations

from dataclasses import replace

import pytest
from xml_samples import UUID, domain, file_disk

from standfast.model.cluster import Vm, VmState
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.model.moves import MoveOrder
from standfast.platforms.libvirt.assemble import (
    BLOCKED,
    CRASHED,
    PAUSED,
    PMSUSPENDED,
    RUNNING,
    SHUTDOWN,
    SHUTOFF,
    Assembled,
    HostSeen,
    assemble,
)
from standfast.platforms.libvirt.dirty import Measured
from standfast.platforms.libvirt.domain import parse_domain
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.jobs import OUT, JobReading
from standfast.platforms.libvirt.reading import DomainReading, HostReading

VM = VmId(UUID)
A, B = HostId("host-a"), HostId("host-b")
DEFINITION = parse_domain(domain(file_disk("/srv/vm/a.img")))
MIGRATING, BY_USER = 2, 1
NONE = JobReading()
OUTGOING = JobReading(OUT, {"type": 2, "memory_total": 100, "memory_remaining": 40})
INCOMING = JobReading(incoming=True)
SILENT = JobReading(answered=False)


def half(state: int, reason: int = 1, **changes: bool) -> DomainReading:
    flags = {"persistent": True, "autostart": False, "managed_save": False, "snapshots": False, **changes}
    return DomainReading(DEFINITION, state != SHUTOFF, state, reason, cpu=None, **flags)


def host(id: HostId, found: DomainReading | None, job: JobReading | None = NONE) -> HostSeen:
    reading = HostReading(
        id,
        8,
        None,
        11_003_000,
        10_000_000,
        "QEMU",
        frozenset(),
        frozenset(),
        {},
        {},
        (found,) if found else (),
    )
    return HostSeen(LibvirtHost(id, "test:///"), id, reading, jobs={VM: job} if job is not None else {})


def gone(id: HostId) -> HostSeen:
    return HostSeen(LibvirtHost(id, "test:///"), id, None, "no answer")


def put(*seen: HostSeen, last: HostId | None = None, order: MoveOrder | None = None) -> Assembled:
    return assemble(
        "c",
        0.0,
        seen,
        orders={VM: order} if order else {},
        last={VM: last} if last else {},
        shared_paths=["/srv/vm"],
    )


def only(found: Assembled) -> Vm:
    [vm] = found.snapshot.vms
    return vm


ORDER = MoveOrder(MoveId("m"), VM, A, B, 60.0)


def test_before_during_and_after_a_migration_the_vm_is_one_and_running() -> None:
    moments: list[tuple[HostSeen, HostSeen, HostId, HostId | None]] = [
        (host(A, half(RUNNING)), host(B, None), A, None),
        (host(A, half(RUNNING), OUTGOING), host(B, None), A, None),
        (host(A, half(RUNNING), OUTGOING), host(B, half(PAUSED, MIGRATING), INCOMING), A, B),
        (host(A, half(RUNNING), SILENT), host(B, half(PAUSED, MIGRATING), INCOMING), A, B),
        (host(A, half(PAUSED, MIGRATING), OUTGOING), host(B, half(PAUSED, MIGRATING), INCOMING), A, B),
        (host(A, half(PAUSED, MIGRATING), SILENT), host(B, half(PAUSED, MIGRATING), SILENT), A, B),
        (host(A, half(PAUSED, MIGRATING), OUTGOING), host(B, half(RUNNING)), B, None),
        (host(A, half(PAUSED, MIGRATING), NONE), host(B, half(RUNNING)), B, None),
        (host(A, None), host(B, half(RUNNING)), B, None),
    ]
    for source, target, where, goes in moments:
        for seen in ((source, target), (target, source)):
            vm = only(put(*seen, last=A))
            assert (vm.host, vm.state) == (where, VmState.RUNNING)
            assert (vm.flight.target if vm.flight else None) == goes
            assert vm.busy == ("" if vm.flight or source.jobs[VM] is not SILENT else vm.busy)


def test_an_order_of_ours_names_the_target_before_libvirt_shows_anything() -> None:
    vm = only(put(host(A, half(RUNNING)), host(B, None), order=ORDER))
    assert vm.flight is not None
    assert vm.flight.target == B
    arrived = only(put(host(A, None), host(B, half(RUNNING)), order=ORDER))
    assert arrived.flight is None


def test_a_waiting_half_alone_is_incoming() -> None:
    vm = only(put(gone(A), host(B, half(PAUSED, MIGRATING), INCOMING)))
    assert (vm.host, vm.state, vm.flight) == (B, VmState.INCOMING, None)


@pytest.mark.parametrize(
    ("state", "reason", "expected"),
    [
        (RUNNING, 1, VmState.RUNNING),
        (BLOCKED, 0, VmState.RUNNING),
        (PAUSED, BY_USER, VmState.PAUSED),
        (PAUSED, MIGRATING, VmState.PAUSED),  # left so by a migration that is over
        (PMSUSPENDED, 0, VmState.PAUSED),
        (CRASHED, 0, VmState.CRASHED),
        (SHUTDOWN, 0, VmState.UNKNOWN),
        (SHUTOFF, 1, VmState.SHUT_OFF),
        (99, 0, VmState.UNKNOWN),
    ],
)
def test_states(state: int, reason: int, expected: VmState) -> None:
    assert only(put(host(A, half(state, reason)))).state is expected


def test_a_stale_definition_is_a_leftover_and_no_second_vm() -> None:
    found = put(host(A, half(SHUTOFF, autostart=True)), host(B, half(RUNNING)))
    assert only(found).host == B
    [left] = found.leftovers
    assert (left.vm, left.host, left.autostart) == (VM, A, True)


def test_a_stale_definition_does_not_pass_for_a_vm_whose_host_is_silent() -> None:
    found = put(host(A, half(SHUTOFF)), gone(B), last=B)
    assert found.snapshot.vms == ()
    assert len(found.leftovers) == 1


def test_no_account_of_a_job_is_a_job() -> None:
    assert "no account" in only(put(host(A, half(RUNNING), SILENT))).busy
    assert "no account" in only(put(host(A, half(RUNNING), None))).busy
    assert only(put(host(A, half(SHUTOFF), None))).busy == ""


def test_snapshots_and_disks_are_told() -> None:
    vm = only(put(host(A, half(RUNNING, snapshots=True, managed_save=True))))
    assert "snapshots" in vm.unsupported[0]
    assert vm.managed_save
    assert [disk.shared for disk in vm.disks] == [True]


def test_what_was_measured_is_told_but_huge_pages_are_in_no_resident_set() -> None:
    use = MemoryUse((DirtyPoint(1.0, 8.0), DirtyPoint(2.0, 12.0)), zero_bytes=100, sampled_share=0.5)
    usual = half(RUNNING)
    huge = replace(usual, definition=replace(usual.definition, huge_pages=True))
    for found, zero in ((usual, 100), (huge, 0)):
        seen = assemble("c", 1.0, [host(A, found)], orders={}, measured={VM: Measured(8.0, use)})
        [vm] = seen.snapshot.vms
        assert vm.dirty_bytes_per_second == 8.0
        assert vm.memory_use == replace(use, zero_bytes=zero)


def test_a_silent_host_stays_in_the_snapshot_with_the_reason() -> None:
    found = put(gone(A)).snapshot.host(A)
    assert (found.reachable, found.unreachable_why) == (False, "no answer")
