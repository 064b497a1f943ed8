"""Whether a host could ever run a VM: CPU, machine type, networks, pools. All of it stays as VMs move."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.cluster import Host, Vm
from standfast.model.reasons import Code, Reason


def objections(vm: Vm, host: Host) -> Iterator[Reason]:
    """What speaks for ever against `vm` on `host`; nothing where all fits or is unknown.

    An unknown CPU or an empty list of machine types is accepted: the platform checks again before it moves.
    A missing network is never accepted, because no platform tells a forgotten bridge from an absent one.
    """
    if not cpu_fits(vm, host):
        assert vm.cpu is not None
        assert host.cpu is not None
        yield Reason(
            Code.TARGET_CPU,
            f"{vm.name} needs a {vm.cpu.model or vm.cpu.arch} CPU, and {host.name} has "
            f"{host.cpu.model or host.cpu.arch}.",
            f"Give {vm.name} a CPU model that all hosts have.",
            host=host.id,
            vm=vm.id,
        )
    if vm.machine_type and host.machine_types and vm.machine_type not in host.machine_types:
        yield Reason(
            Code.TARGET_MACHINE_TYPE,
            f"{vm.name} has machine type {vm.machine_type}, which {host.name} does not offer.",
            f"Bring the hypervisor of {host.name} to the release of the others.",
            host=host.id,
            vm=vm.id,
        )
    absent = sorted(pools_of(vm) - {pool.name for pool in host.pools})
    if absent:
        yield Reason(
            Code.TARGET_STORAGE,
            f"{host.name} lacks storage {'pool' if len(absent) == 1 else 'pools'} {', '.join(absent)} of "
            f"{vm.name}.",
            f"Define and start {', '.join(absent)} on {host.name}.",
            host=host.id,
            vm=vm.id,
        )
    missing = sorted(set(vm.networks) - host.networks)
    if missing:
        yield Reason(
            Code.TARGET_NETWORK,
            f"{host.name} lacks {'network' if len(missing) == 1 else 'networks'} {', '.join(missing)} "
            f"of {vm.name}.",
            f"Define {', '.join(missing)} on {host.name}.",
            host=host.id,
            vm=vm.id,
        )


def pools_of(vm: Vm) -> frozenset[str]:
    """Storage pools that the VM's disks name: a target looks its volumes up in pools of the same names."""
    return frozenset(disk.pool for disk in vm.disks if disk.pool) if vm.disks else frozenset()


def cpu_fits(vm: Vm, host: Host) -> bool:
    """Same architecture and vendor, and the same model or all features that the VM names."""
    if vm.cpu is None or host.cpu is None:
        return True
    if vm.cpu.arch != host.cpu.arch:
        return False
    if vm.cpu.vendor and host.cpu.vendor and vm.cpu.vendor != host.cpu.vendor:
        return False
    if not vm.cpu.model or vm.cpu.model == host.cpu.model:
        return True
    return bool(vm.cpu.features) and vm.cpu.features <= host.cpu.features


def compatible(vm: Vm, host: Host) -> bool:
    """True where `objections` has none."""
    return next(objections(vm, host), None) is None
