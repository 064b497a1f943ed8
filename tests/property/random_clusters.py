"""Random clusters for the planner: sizes, fills, rules and blockers drawn by Hypothesis."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from standfast.model.cluster import AntiAffinity, Host, Pin, Rules, Snapshot, Vm, VmState
from standfast.model.hostwork import HostFacts, PendingUpdate, UpdateState
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB

KERNEL = PendingUpdate("linux-image-amd64", "6.1.140-1", "6.1.147-1", security=True)


@st.composite
def hosts(draw: st.DrawFn) -> list[Host]:
    count = draw(st.integers(2, 6))
    found = []
    for number in range(count):
        boot = f"boot-{number}"
        compliant = draw(st.integers(0, 5)) == 0
        found.append(
            Host(
                id=HostId(f"h{number}"),
                name=f"host{number}",
                memory_bytes=draw(st.sampled_from((8, 8, 8, 16))) * GIB,
                networks=frozenset({"lan", "dmz"} if draw(st.integers(0, 5)) else {"lan"}),
                facts=HostFacts(boot, 1.0),
                updates=UpdateState(0.0, boot, () if compliant else (KERNEL,)),
                cordoned=draw(st.integers(0, 15)) == 0,
            )
        )
    return found


@st.composite
def clusters(draw: st.DrawFn) -> Snapshot:
    """Placements that hold every rule to begin with, at any fill."""
    there = draw(hosts())
    ceiling = 0.9
    free = {host.id: int(ceiling * host.memory_bytes) for host in there}
    vms: list[Vm] = []
    for number in range(draw(st.integers(0, 16))):
        memory = draw(st.sampled_from((1, 1, 1, 2, 2, 3, 4))) * GIB
        at = draw(st.sampled_from(there))
        network = draw(st.sampled_from(("lan", "lan", "lan", "dmz")))
        if free[at.id] < memory or network not in at.networks:
            continue
        free[at.id] -= memory
        vms.append(
            Vm(VmId(f"v{number}"), f"vm{number:02}", at.id, VmState.RUNNING, memory, networks=(network,))
        )
    groups = []
    for number in range(draw(st.integers(0, 2))):
        drawn = draw(st.lists(st.sampled_from(vms), max_size=3, unique=True)) if vms else []
        members = {vm.host: vm.id for vm in drawn}  # one on each host
        if len(members) > 1:
            groups.append(AntiAffinity(f"apart-{number}", frozenset(members.values())))
    pins = []
    for vm in vms:
        if draw(st.integers(0, 9)) == 0:
            others = draw(st.lists(st.sampled_from(there), min_size=1, max_size=3))
            pins.append(Pin(vm.id, frozenset({vm.host, *(host.id for host in others)})))
    rules = Rules(tuple(groups), tuple(pins), ceiling, draw(st.sampled_from((0, 1, 1))))
    return Snapshot("random", "simulated", 0.0, tuple(there), tuple(vms), rules)


@st.composite
def broken_clusters(draw: st.DrawFn) -> Snapshot:
    """Rules that the placement may break: groups and pins drawn without looking at it."""
    plain = draw(clusters())
    there = [host.id for host in plain.hosts]
    groups, pins = list(plain.rules.anti_affinity), list(plain.rules.pins)
    if plain.vms:
        some = st.lists(st.sampled_from([vm.id for vm in plain.vms]), min_size=1, max_size=3, unique=True)
        groups += [AntiAffinity(f"drawn-{number}", frozenset(draw(some))) for number in range(2)]
        pinned = {pin.vm for pin in pins}
        where = st.lists(st.sampled_from(there), min_size=1, max_size=3)
        pins += [Pin(vm, frozenset(draw(where))) for vm in draw(some) if vm not in pinned]
    return replace(plain, rules=replace(plain.rules, anti_affinity=tuple(groups), pins=tuple(pins)))


@st.composite
def shuffled(draw: st.DrawFn, snapshot: Snapshot) -> Snapshot:
    """The same cluster, told in another order."""
    return replace(
        snapshot,
        hosts=tuple(draw(st.permutations(snapshot.hosts))),
        vms=tuple(draw(st.permutations(snapshot.vms))),
    )
