"""Hosts compared: pools, networks, CPUs and releases that should be the same at both ends of a move. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from standfast.model.cluster import Host, Pool, Snapshot, Vm
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason

NAMED = 8
"""How many features, disks and the like are named before the rest is counted."""


def listed(names: Iterable[str]) -> str:
    """`a, b, c and 4 more`."""
    whole = sorted(names)
    shown = ", ".join(whole[:NAMED])
    return f"{shown} and {len(whole) - NAMED} more" if len(whole) > NAMED else shown


def unequal(snapshot: Snapshot) -> Iterator[Reason]:
    """What hosts that answer do not have in common."""
    hosts = [host for host in snapshot.hosts if host.reachable]
    if len(hosts) < 2:
        return
    yield from _pools(hosts)
    yield from _networks(hosts, snapshot.vms)
    yield from _cpus(hosts)
    yield from _releases(hosts)


def _having(hosts: Sequence[Host], has: Mapping[HostId, frozenset[str]], what: str) -> str:
    return ", ".join(host.name for host in hosts if what in has[host.id])


def _pools(hosts: Sequence[Host]) -> Iterator[Reason]:
    has = {host.id: frozenset(pool.name for pool in host.pools) for host in hosts}
    everywhere = frozenset().union(*has.values())
    for host in hosts:
        lacking = everywhere - has[host.id]
        if lacking:
            where = _having(hosts, has, min(lacking))
            yield Reason(
                Code.UNEQUAL_POOLS,
                f"{host.name} lacks storage pool {listed(lacking)}, which {where} {_has(where)}.",
                "Define and start it there, and set its autostart.",
                host=host.id,
            )
    first: dict[str, tuple[Host, Pool]] = {}
    for host in hosts:
        for pool in host.pools:
            other, same = first.setdefault(pool.name, (host, pool))
            if (pool.kind, pool.path) != (same.kind, same.path):
                yield Reason(
                    Code.UNEQUAL_POOLS,
                    f"Storage pool {pool.name} is {pool.kind} at {pool.path or '-'} on {host.name}, and "
                    f"{same.kind} at {same.path or '-'} on {other.name}.",
                    "Give it one kind and one path, or two names.",
                    host=host.id,
                )


def _has(names: str) -> str:
    return "have" if "," in names else "has"


def _networks(hosts: Sequence[Host], vms: Sequence[Vm]) -> Iterator[Reason]:
    """libvirt's networks, and of bridges and devices those that VMs use: others differ for good reasons."""
    used = {network for vm in vms for network in vm.networks}
    has = {
        host.id: frozenset(name for name in host.networks if ":" not in name or name in used)
        for host in hosts
    }
    everywhere = frozenset().union(*has.values()) | used
    for host in hosts:
        lacking = everywhere - has[host.id]
        if lacking:
            where = _having(hosts, has, min(lacking))
            which = f", which {where} {_has(where)}" if where else ""
            yield Reason(
                Code.UNEQUAL_NETWORKS,
                f"{host.name} lacks network {listed(lacking)}{which}.",
                "Create it there, or start it and set its autostart.",
                host=host.id,
            )


def _cpus(hosts: Sequence[Host]) -> Iterator[Reason]:
    """Features that only some have: a VM that took them up can't follow. Said of the host that lacks them."""
    known = [host for host in hosts if host.cpu is not None]
    features = {host.id: host.cpu.features for host in known if host.cpu is not None}
    everywhere = frozenset().union(*features.values())
    for host in known:
        assert host.cpu is not None
        lacking = everywhere - features[host.id]
        kinds = {(other.cpu.arch, other.cpu.vendor) for other in known if other.cpu is not None}
        if lacking:
            richer = ", ".join(other.name for other in known if features[other.id] & lacking)
            yield Reason(
                Code.UNEQUAL_CPUS,
                f"The CPU of {host.name} ({host.cpu.model or host.cpu.arch}) lacks {listed(lacking)} of "
                f"{richer}: VMs that have seen them can't come.",
                "Give VMs a named CPU model that all hosts have.",
                host=host.id,
            )
        elif len(kinds) > 1:
            yield Reason(
                Code.UNEQUAL_CPUS,
                f"The CPU of {host.name} is {host.cpu.arch} {host.cpu.vendor}, and not all are.".replace(
                    "  ", " "
                ),
                "VMs move only between hosts of one vendor.",
                host=host.id,
            )


def _releases(hosts: Sequence[Host]) -> Iterator[Reason]:
    """Feature releases; micro releases and packages' revisions do not matter to a migration."""
    programs = (("QEMU", "hypervisor_version"), ("libvirt", "manager_version"))
    older: dict[HostId, list[str]] = {host.id: [] for host in hosts}
    newer: dict[HostId, set[str]] = {host.id: set() for host in hosts}
    for program, attribute in programs:
        releases = {host.id: tuple(getattr(host, attribute))[:2] for host in hosts}
        best = max(releases.values())
        for host in hosts:
            if releases[host.id] and releases[host.id] < best:
                older[host.id].append(f"{program} {_dotted(releases[host.id])} (elsewhere {_dotted(best)})")
                newer[host.id] |= {other.name for other in hosts if releases[other.id] > releases[host.id]}
    for host in hosts:
        if older[host.id]:
            yield Reason(
                Code.UNEQUAL_VERSIONS,
                f"{host.name} has {' and '.join(older[host.id])}: VMs that were on {listed(newer[host.id])} "
                "can't come back to it.",
                f"Begin with {host.name}: `plan` puts VMs on hosts that are as new.",
                host=host.id,
            )
    if not any(older.values()):
        yield from _machine_types(hosts)


def _dotted(release: Sequence[int]) -> str:
    return ".".join(map(str, release))


def _machine_types(hosts: Sequence[Host]) -> Iterator[Reason]:
    known = [host for host in hosts if host.machine_types]
    everywhere = frozenset().union(*(host.machine_types for host in known)) if known else frozenset()
    for host in known:
        lacking = everywhere - host.machine_types
        if lacking:
            yield Reason(
                Code.UNEQUAL_MACHINE_TYPES,
                f"QEMU on {host.name} does not offer {listed(lacking)}, as others do.",
                "Install the same build of QEMU on all hosts.",
                host=host.id,
            )
