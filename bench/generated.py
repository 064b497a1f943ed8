"""Clusters from a seed, in the shapes that the claims name. The same seed gives the same cluster
everywhere."""

from __future__ import annotations

import random
from collections.abc import Sequence

from standfast.model.cluster import AntiAffinity, Host, Rules, Snapshot, Vm, VmState
from standfast.model.hostwork import HostFacts, PendingUpdate, UpdateState
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB

KERNEL = PendingUpdate("linux-image-amd64", "6.1.140-1", "6.1.147-1", security=True)
SIZES_GIB = (2, 4, 8, 16, 32, 64)
WEIGHTS = (25, 30, 25, 12, 6, 2)
TEN_GIGABIT = 10_000_000_000


def host(number: int, memory_gib: int, *, link: int | None = TEN_GIGABIT, domain: str = "") -> Host:
    boot = f"boot-{number}"
    return Host(
        id=HostId(f"00000000-0000-4000-8000-{number:012d}"),
        name=f"node{number:05d}",
        memory_bytes=memory_gib * GIB,
        networks=frozenset({"lan"}),
        migration_bits_per_second=link,
        fault_domain=domain,
        facts=HostFacts(boot, 1.0),
        updates=UpdateState(0.0, boot, (KERNEL,)),
    )


def vm(number: int, at: Host, memory_gib: float) -> Vm:
    return Vm(
        id=VmId(f"00000000-0000-4000-9000-{number:012d}"),
        name=f"vm{number:06d}",
        host=at.id,
        state=VmState.RUNNING,
        memory_bytes=int(memory_gib * GIB),
        vcpus=max(1, int(memory_gib / 8)),
        networks=("lan",),
    )


def snapshot(
    hosts: Sequence[Host], vms: Sequence[Vm], groups: Sequence[AntiAffinity] = (), **rules: float
) -> Snapshot:
    return Snapshot("bench", "simulated", 0.0, tuple(hosts), tuple(vms), Rules(tuple(groups), **rules))  # type: ignore[arg-type]


def fleet(
    count: int,
    fill: float,
    seed: int,
    *,
    hot: bool = False,
    memory_gib: int = 256,
    sizes: Sequence[int] = SIZES_GIB,
    weights: Sequence[int] = WEIGHTS,
    group_share: float = 0.0,
    group_sizes: Sequence[int] = (2,),
) -> Snapshot:
    """`count` equal hosts filled to `fill` of all memory.

    A VM goes to a random host that keeps 3 % free (40 tries, then the emptiest if 2 % stays free). `hot`: the
    first fifth of the hosts is five times as likely. `group_share` of the VMs are in anti-affinity groups of
    the given sizes, whose members begin on different hosts.
    """
    draw = random.Random(seed)
    hosts = [host(number, memory_gib) for number in range(count)]
    likely = [3.0 if hot and number < count // 5 else 0.6 if hot else 1.0 for number in range(count)]
    free = [memory_gib * 1.0] * count
    vms: list[Vm] = []
    goal, placed = fill * memory_gib * count, 0.0
    while placed < goal:
        memory = draw.choices(sizes, weights)[0]
        for at in draw.choices(range(count), likely, k=40):
            if free[at] - memory >= 0.03 * memory_gib:
                break
        else:
            at = max(range(count), key=free.__getitem__)
            if free[at] - memory < 0.02 * memory_gib:
                placed += memory  # no place: as good as full
                continue
        free[at] -= memory
        placed += memory
        vms.append(vm(len(vms), hosts[at], memory))
    return snapshot(hosts, vms, groups_of(vms, draw, group_share, group_sizes))


def groups_of(
    vms: Sequence[Vm], draw: random.Random, share: float, sizes: Sequence[int]
) -> list[AntiAffinity]:
    """Groups over about `share` of the VMs, each with its members on different hosts."""
    left = draw.sample(range(len(vms)), int(share * len(vms)))
    groups: list[AntiAffinity] = []
    while left:
        members: dict[HostId, VmId] = {}
        wanted = draw.choice(sizes)
        skipped = []
        while left and len(members) < wanted:
            one = vms[left.pop()]
            if one.host in members:
                skipped.append(one)
            else:
                members[one.host] = one.id
        if len(members) > 1:
            groups.append(AntiAffinity(f"group{len(groups):05d}", frozenset(members.values())))
    return groups
