"""Clusters to plan for, small enough to reason about by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from standfast.model.cluster import AntiAffinity, Host, Pin, Rules, Snapshot, Vm, VmState
from standfast.model.hostwork import HostFacts, PendingUpdate, UpdateState
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB, MIB

KERNEL = PendingUpdate("linux-image-amd64", "6.1.140-1", "6.1.147-1", security=True)
TOOL = PendingUpdate("less", "590-1", "590-2")


def host_id(number: int) -> HostId:
    return HostId(f"00000000-0000-0000-0000-{number:012}")


def vm_id(name: str) -> VmId:
    return VmId(f"uuid-of-{name}")


def host(number: int, *, pending: Sequence[PendingUpdate] = (KERNEL,), **changes: Any) -> Host:
    boot = f"boot-{number}-1"
    plain = Host(
        id=host_id(number),
        name=f"host{number}",
        memory_bytes=4 * GIB,
        networks=frozenset({"lan"}),
        facts=HostFacts(boot, 3600.0),
        updates=UpdateState(0.0, boot, tuple(pending)),
    )
    return replace(plain, **changes)


def vm(name: str, on: int, mebibytes: int = 160, **changes: Any) -> Vm:
    plain = Vm(
        id=vm_id(name),
        name=name,
        host=host_id(on),
        state=VmState.RUNNING,
        memory_bytes=mebibytes * MIB,
        networks=("lan",),
        dirty_bytes_per_second=2.0 * MIB,
    )
    return replace(plain, **changes)


def cluster(hosts: Sequence[Host], vms: Sequence[Vm], **rules: Any) -> Snapshot:
    return Snapshot("test", "simulated", 1000.0, tuple(hosts), tuple(vms), Rules(**rules))


def lab() -> Snapshot:
    """Four hosts of 4 GiB, one VM of 512 MiB alone on its host, nine of 160 MiB on the three others."""
    vms = [vm("big", 1, 512), *(vm(f"small{number}", 2 + number % 3) for number in range(9))]
    return cluster([host(number) for number in range(1, 5)], vms)


def changed_host(snapshot: Snapshot, number: int, **changes: Any) -> Snapshot:
    hosts = tuple(replace(one, **changes) if one.id == host_id(number) else one for one in snapshot.hosts)
    return replace(snapshot, hosts=hosts)


def changed_vm(snapshot: Snapshot, name: str, **changes: Any) -> Snapshot:
    return replace(
        snapshot, vms=tuple(replace(one, **changes) if one.name == name else one for one in snapshot.vms)
    )


def apart(name: str, *names: str) -> AntiAffinity:
    return AntiAffinity(name, frozenset(vm_id(one) for one in names))


def pin(name: str, *hosts: int) -> Pin:
    return Pin(vm_id(name), frozenset(host_id(one) for one in hosts))


def counts(snapshot: Snapshot, placement: Mapping[VmId, HostId]) -> dict[str, int]:
    return {one.name: sum(at == one.id for at in placement.values()) for one in snapshot.hosts}
