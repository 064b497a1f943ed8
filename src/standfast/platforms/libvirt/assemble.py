"""Readings of all hosts made into one snapshot. Pure.

One VM is one entry, on the host where it runs. During a migration two hosts have it: the running one wins,
and the other half shows as the flight's target. Only where the running half can't be seen (its host does not
answer) is the waiting one an entry of its own, INCOMING. A definition that is shut off on one host while the
VM runs on another is a leftover, not a second VM.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from standfast.model.cluster import Host, Leftover, Pool, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Flight, MoveOrder
from standfast.platforms.libvirt.dirty import Measured
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.jobs import JobReading, busy_words, flight_of
from standfast.platforms.libvirt.reading import DomainReading, HostReading, version_parts
from standfast.platforms.libvirt.storage import SHARED_POOLS, disk_of

RUNNING, BLOCKED, PAUSED, SHUTDOWN, SHUTOFF, CRASHED, PMSUSPENDED = 1, 2, 3, 4, 5, 6, 7
"""virDomainState."""
REASONS = {
    RUNNING: {1: "booted", 2: "migrated", 3: "restored", 4: "from_snapshot", 5: "unpaused"},
    SHUTOFF: {1: "shutdown", 2: "destroyed", 3: "crashed", 4: "migrated", 5: "saved", 6: "failed"},
}
"""virDomainRunningReason and virDomainShutoffReason, as far as they tell something. After a boot of the host
libvirt no longer knows why a VM was shut off."""
PAUSED_FOR_MIGRATION = frozenset({2, 11, 12})
"""virDomainPausedReason: MIGRATION, STARTING_UP, POSTCOPY."""


@dataclass(frozen=True, slots=True)
class HostSeen:
    """One host with what it answered; `reading` is None where it did not, for the reason `why`."""

    host: LibvirtHost
    id: HostId
    reading: HostReading | None
    why: str = ""
    code: str = ""
    jobs: Mapping[VmId, JobReading] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Assembled:
    snapshot: Snapshot

    @property
    def leftovers(self) -> tuple[Leftover, ...]:
        return self.snapshot.leftovers


@dataclass(frozen=True, slots=True)
class _Half:
    seen: HostSeen
    domain: DomainReading
    job: JobReading

    @property
    def paused_for_migration(self) -> bool:
        return self.domain.state == PAUSED and self.domain.reason in PAUSED_FOR_MIGRATION

    @property
    def rank(self) -> int:
        """Lower is more likely where the VM lives."""
        if not self.domain.active:
            return 4
        if self.job.incoming:
            return 3
        if not self.paused_for_migration:
            return 0
        return 1 if self.job.outgoing else 2


def assemble(
    cluster: str,
    taken_at: float,
    seen: Sequence[HostSeen],
    *,
    orders: Mapping[VmId, MoveOrder],
    last: Mapping[VmId, HostId] | None = None,
    shared_paths: Sequence[str] = (),
    measured: Mapping[VmId, Measured] | None = None,
) -> Assembled:
    """The snapshot (hosts without facts and updates) and the leftovers.

    `orders` are migrations that this process has under way. `last` says where each VM was last seen active:
    it decides between two halves that look alike, and a VM that was on a host which does not answer now is
    left out, so that a shut-off definition elsewhere does not pass for it.
    """
    last = last or {}
    silent = {host.id for host in seen if host.reading is None}
    halves: dict[VmId, list[_Half]] = {}
    for host in seen:
        for domain in host.reading.domains if host.reading is not None else ():
            vm = domain.definition.id
            job = host.jobs.get(vm, JobReading(answered=not domain.active))
            halves.setdefault(vm, []).append(_Half(host, domain, job))
    vms, leftovers = [], []
    for vm, found in halves.items():
        first, *others = sorted(
            found, key=lambda half: (half.rank, half.seen.id != last.get(vm), half.seen.host.name)
        )
        if first.domain.active or last.get(vm) not in silent:
            vms.append(_vm(first, others, orders.get(vm), shared_paths, (measured or {}).get(vm)))
        else:
            others = [first, *others]
        leftovers += [_leftover(half) for half in others if not half.domain.active]
    snapshot = Snapshot(
        cluster=cluster,
        platform="libvirt",
        taken_at=taken_at,
        hosts=tuple(map(_host, seen)),
        vms=tuple(sorted(vms, key=lambda vm: (vm.name, vm.id))),
        leftovers=tuple(sorted(leftovers, key=lambda left: (left.name, left.host))),
    )
    return Assembled(snapshot)


def _leftover(half: _Half) -> Leftover:
    definition = half.domain.definition
    return Leftover(definition.id, definition.name, half.seen.id, half.domain.autostart)


def _host(seen: HostSeen) -> Host:
    host, reading = seen.host, seen.reading
    return Host(
        id=seen.id,
        name=host.name,
        memory_bytes=host.memory_bytes or (reading.memory_bytes if reading is not None else 0),
        reachable=reading is not None,
        unreachable_why=seen.why,
        unreachable_code=seen.code,
        cpu=reading.cpu if reading is not None else None,
        hypervisor=reading.hypervisor if reading is not None else "",
        hypervisor_version=version_parts(reading.hypervisor_version) if reading is not None else (),
        manager_version=version_parts(reading.libvirt_version) if reading is not None else (),
        machine_types=reading.machine_types if reading is not None else frozenset(),
        networks=reading.networks if reading is not None else frozenset(),
        pools=_pools(reading) if reading is not None else (),
        migration_address=host.migration_address,
        migration_bits_per_second=host.migration_bits_per_second,
        limits=host.limits,
        fault_domain=host.fault_domain,
    )


def _pools(reading: HostReading) -> tuple[Pool, ...]:
    return tuple(
        Pool(name, pool.kind, pool.path, shared=pool.kind in SHARED_POOLS)
        for name, pool in sorted(reading.pools.items())
    )


def _vm(
    half: _Half,
    others: Sequence[_Half],
    order: MoveOrder | None,
    shared_paths: Sequence[str],
    measured: Measured | None,
) -> Vm:
    definition, reading = half.domain.definition, half.seen.reading
    assert reading is not None
    twin = next((other for other in others if other.domain.active), None)
    flight = _flight(half, twin, order)
    dirty, use = (measured.bytes_per_second, measured.use) if measured is not None else (None, None)
    if use is not None and definition.huge_pages:
        use = replace(use, zero_bytes=0)  # they count towards no resident set
    if flight is not None and flight.dirty_bytes_per_second:
        dirty = flight.dirty_bytes_per_second
    return Vm(
        id=definition.id,
        name=definition.name,
        host=half.seen.id,
        state=_state(half, flight),
        memory_bytes=definition.memory_bytes,
        state_reason=REASONS.get(half.domain.state, {}).get(half.domain.reason, ""),
        vcpus=definition.vcpus,
        cpu=half.domain.cpu,
        machine_type=definition.machine,
        disks=tuple(
            disk_of(disk, folders=shared_paths, pools=reading.pools, mounts=reading.mounts)
            for disk in definition.disks
        ),
        networks=definition.networks,
        passthrough=definition.passthrough,
        persistent=half.domain.persistent,
        autostart=half.domain.autostart,
        managed_save=half.domain.managed_save,
        busy=_busy(half, flight),
        unsupported=_unsupported(half.domain),
        flight=flight,
        dirty_bytes_per_second=dirty,
        memory_use=use,
    )


def _flight(half: _Half, twin: _Half | None, order: MoveOrder | None) -> Flight | None:
    """The migration that takes the VM away from where this half is, if there is one."""
    if not half.domain.active or half.job.incoming:
        return None
    target = twin.seen.id if twin is not None else None
    ours = order is not None and order.source == half.seen.id
    if target is None and ours and order is not None:
        target = order.target
    if half.job.outgoing and half.job.stats is not None:
        return flight_of(half.job.stats, target)
    # Right after its arrival the VM runs here while its old half lingers on the source, paused likewise: only
    # a half that is known to wait, or one that waits for a half that was stopped, shows a flight.
    dark = twin is not None and half.paused_for_migration and twin.paused_for_migration
    waiting = twin is not None and twin.job.incoming
    return Flight(target) if ours or dark or waiting else None


def _state(half: _Half, flight: Flight | None) -> VmState:
    state = half.domain.state
    if not half.domain.active:
        return VmState.CRASHED if state == CRASHED else VmState.SHUT_OFF
    if half.job.incoming:
        return VmState.INCOMING
    if state in (RUNNING, BLOCKED):
        return VmState.RUNNING
    if half.paused_for_migration and flight is not None:
        return VmState.RUNNING  # its switch-over: dark for a moment, and nobody's business to touch
    return {PAUSED: VmState.PAUSED, PMSUSPENDED: VmState.PAUSED, CRASHED: VmState.CRASHED}.get(
        state, VmState.UNKNOWN
    )


def _busy(half: _Half, flight: Flight | None) -> str:
    if not half.domain.active:
        return ""
    if flight is not None and not half.job.answered:
        return ""  # it is the migration that keeps libvirt from answering
    return busy_words(half.job) or half.domain.definition.busy


def _unsupported(domain: DomainReading) -> tuple[str, ...]:
    snapshots = ("snapshots of it, which libvirt refuses to migrate",) if domain.snapshots else ()
    return domain.definition.unsupported + snapshots
