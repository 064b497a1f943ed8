"""How a simulated cluster begins: from a few numbers, or from any snapshot."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, replace

from standfast.model.cluster import (
    AntiAffinity,
    Cpu,
    Disk,
    Host,
    MoveLimits,
    Pin,
    Rules,
    Snapshot,
    Vm,
    VmState,
)
from standfast.model.hostwork import PendingUpdate
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB, MIB
from standfast.platforms.simulated.state import SimHost, SimVm, State

START_AT = 1_750_000_000.0
"""When a world begins unless told otherwise (2025-06-15)."""

LINK_BITS_PER_SECOND = 1_000_000_000

PACKAGES = (
    PendingUpdate("linux-image-amd64", "6.1.140-1", "6.1.147-1", origin="Debian-Security", security=True),
    PendingUpdate("openssl", "3.0.16-1", "3.0.17-1", origin="Debian-Security", security=True),
)


@dataclass(frozen=True, slots=True)
class SimSpec:
    """A cluster in a few numbers. The same spec makes the same world, UUIDs included.

    VM 0 is the large one, alone on host 0; the others go round the other hosts. Hosts and VMs are named by
    their index here: `anti_affinity` groups VMs, `pins` are (VM, hosts), `compliant` hosts have nothing
    pending, VMs of `local_disks` can't be moved.
    """

    hosts: int = 4
    vms: int = 10
    host_memory_bytes: int = 4 * GIB
    vm_memory_bytes: int = 160 * MIB
    large_vm_memory_bytes: int = 512 * MIB
    seed: int = 0
    cluster: str = "simulated"
    boot_seconds: float = 45.0
    stage_seconds: float = 5.0
    patch_seconds: float = 20.0
    link_bits_per_second: int = LINK_BITS_PER_SECOND
    dirty_bytes_per_second: tuple[float, float] = (0.5 * MIB, 8 * MIB)
    """Each VM's own rate is drawn between these."""
    outbound: int | None = None
    inbound: int | None = None
    """Limits of migrations, where somebody has set them; else the usual ones."""
    anti_affinity: tuple[tuple[int, ...], ...] = ()
    pins: tuple[tuple[int, tuple[int, ...]], ...] = ()
    memory_ceiling: float = 0.90
    reserve_hosts: int = 1
    compliant: tuple[int, ...] = ()
    local_disks: tuple[int, ...] = ()
    """VMs whose disk is on their host alone."""
    controller: int | None = None
    """The VM that the controller runs in."""
    packages: tuple[PendingUpdate, ...] = PACKAGES
    settings: tuple[tuple[str, str, str], ...] = ()
    """(name, value, value while worked on), on every host."""
    start_at: float = START_AT
    pace: float | None = None


def build(spec: SimSpec) -> State:
    """The world of a spec."""
    hosts = [_host(spec, index) for index in range(spec.hosts)]
    rng = random.Random(spec.seed)
    vms = [_vm(spec, index, hosts, rng) for index in range(spec.vms)]
    rules = Rules(
        anti_affinity=tuple(
            AntiAffinity(f"apart-{number}", frozenset(vms[index].id for index in group))
            for number, group in enumerate(spec.anti_affinity, start=1)
        ),
        pins=tuple(
            Pin(vms[vm].id, frozenset(hosts[host].id for host in allowed)) for vm, allowed in spec.pins
        ),
        memory_ceiling=spec.memory_ceiling,
        reserve_hosts=spec.reserve_hosts,
        controller=vms[spec.controller].id if spec.controller is not None else None,
    )
    snapshot = Snapshot(spec.cluster, "simulated", spec.start_at, tuple(hosts), tuple(vms), rules)
    state = from_snapshot(snapshot, seed=spec.seed, packages=spec.packages)
    state.link_bits_per_second, state.pace = spec.link_bits_per_second, spec.pace
    for index, host in enumerate(state.hosts.values()):
        host.boot_seconds, host.stage_seconds = spec.boot_seconds, spec.stage_seconds
        host.patch_seconds = spec.patch_seconds
        host.settings = {name: value for name, value, _ in spec.settings}
        host.settings_before = dict(host.settings)
        host.settings_during = {name: during for name, _, during in spec.settings}
        if index in spec.compliant:
            host.pending = ()
    return state


def from_snapshot(
    snapshot: Snapshot,
    *,
    seed: int = 0,
    packages: tuple[PendingUpdate, ...] = PACKAGES,
    boot_seconds: float = 45.0,
    stage_seconds: float = 5.0,
    patch_seconds: float = 20.0,
) -> State:
    """A world that looks like the snapshot at its time. Hosts that were not scanned get `packages`.

    A VM whose dirty rate is not known gets one drawn from `seed`. Migrations under way are left out.
    """
    rng = random.Random(seed)
    hosts: dict[HostId, SimHost] = {}
    for base in snapshot.hosts:
        boot = base.facts.boot_id if base.facts else boot_id(base.id, 1)
        host = SimHost(
            base=replace(base, facts=None, updates=None, cordoned=False, cordoned_by="", reachable=True),
            boot_id=boot,
            booted_at=snapshot.taken_at - (base.facts.uptime_seconds if base.facts else 86_400.0),
            boot_seconds=boot_seconds,
            stage_seconds=stage_seconds,
            patch_seconds=patch_seconds,
            up=base.reachable,
            cordoned_by=(base.cordoned_by or "somebody") if base.cordoned else "",
            pending=packages,
            links=["eth0", "br0"],
            mounts=["/", "/var/lib/images"],
        )
        if base.updates is not None:
            host.pending, host.reboot_signs = base.updates.pending, base.updates.reboot_signs
            host.interrupted, host.held_back = base.updates.interrupted, base.updates.held_back
            host.free_disk_bytes = base.updates.free_disk_bytes
            host.needed_disk_bytes = base.updates.needed_disk_bytes
        hosts[base.id] = host
    vms: dict[VmId, SimVm] = {}
    for vm in snapshot.vms:
        if vm.state is VmState.INCOMING:
            continue
        rate = rng.uniform(0.5 * MIB, 8 * MIB)
        if vm.dirty_bytes_per_second is not None:
            rate = vm.dirty_bytes_per_second
        vms[vm.id] = SimVm(base=replace(vm, flight=None), host=vm.host, state=vm.state, dirty=rate)
    state = State(
        revision=0,
        cluster=snapshot.cluster,
        platform=snapshot.platform,
        now=snapshot.taken_at,
        seed=seed,
        rules=snapshot.rules,
        link_bits_per_second=LINK_BITS_PER_SECOND,
        hosts=hosts,
        vms=vms,
    )
    for sim in vms.values():
        state.place(sim, sim.host, sim.state, sim.base.state_reason)
    return state


def boot_id(host: HostId, boots: int) -> str:
    """The boot id of a host's n-th boot."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"standfast-sim/boot/{host}/{boots}"))


def _uuid(spec: SimSpec, kind: str, index: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"standfast-sim/{spec.cluster}/{spec.seed}/{kind}/{index}"))


def _host(spec: SimSpec, index: int) -> Host:
    width = len(str(spec.hosts))
    return Host(
        id=HostId(_uuid(spec, "host", index)),
        name=f"host{index + 1:0{width}}",
        memory_bytes=spec.host_memory_bytes,
        cpu=Cpu("x86_64", "EPYC-v4", "AMD"),
        hypervisor="simulated 1.0",
        machine_types=frozenset({"pc-q35-7.2"}),
        networks=frozenset({"default"}),
        migration_address=f"10.0.{index // 250}.{index % 250 + 1}",
        migration_bits_per_second=spec.link_bits_per_second,
        limits=_limits(spec),
    )


def _limits(spec: SimSpec) -> MoveLimits:
    usual, wanted = MoveLimits(), (spec.outbound, spec.inbound) != (None, None)
    return MoveLimits(spec.outbound or usual.outbound, spec.inbound or usual.inbound, wanted)


def _vm(spec: SimSpec, index: int, hosts: list[Host], rng: random.Random) -> Vm:
    width = len(str(spec.vms))
    rate = round(rng.uniform(*spec.dirty_bytes_per_second))
    place = 0 if index == 0 or len(hosts) == 1 else 1 + (index - 1) % (len(hosts) - 1)
    return Vm(
        id=VmId(_uuid(spec, "vm", index)),
        name=f"vm{index + 1:0{width}}",
        host=hosts[place].id,
        state=VmState.RUNNING,
        memory_bytes=spec.large_vm_memory_bytes if index == 0 else spec.vm_memory_bytes,
        machine_type="pc-q35-7.2",
        disks=(_disk(spec, index, f"vm{index + 1:0{width}}.qcow2"),),
        networks=("default",),
        dirty_bytes_per_second=float(rate),
    )


def _disk(spec: SimSpec, index: int, file: str) -> Disk:
    if index in spec.local_disks:
        return Disk(f"/var/lib/images/{file}", shared=False, target="vda")
    return Disk(f"/srv/shared/{file}", shared=True, target="vda")
