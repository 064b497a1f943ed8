"""Observing a cluster for a verb: many hosts at once, rules resolved, names turned into ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from standfast.config import ClusterConfig
    from standfast.model.cluster import Rules, Snapshot
    from standfast.model.errors import ConfigError
    from standfast.model.ids import HostId
    from standfast.ports import Outside

MOST_AT_ONCE = 32

measure_option = click.option(
    "--measure",
    "measure_seconds",
    type=click.IntRange(1, 300),
    metavar="SECONDS",
    help="First measure for that long how VMs write to memory. 15 is usual.",
)


def look(
    outside: Outside, cluster: ClusterConfig, *, scan: bool, refresh: bool, strict: bool = True
) -> Snapshot:
    """The cluster now. Raises StandfastError; a host that does not answer is marked in the snapshot.

    Without `strict`, names in rules that nothing bears are left out; `warnings` tells them.
    """
    from standfast.config.machine import machine_uuids
    from standfast.config.rules import resolve
    from standfast.run.observe import observe

    machine = machine_uuids()

    def rules_for(snapshot: Snapshot) -> Rules:
        return resolve(cluster.rules, snapshot, strict=strict, machine=machine)

    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(outside.names) or MOST_AT_ONCE))) as executor:
        return observe(outside, rules_for, scan=scan, refresh=refresh, executor=executor)


def measure(outside: Outside, cluster: ClusterConfig, seconds: int | None) -> None:
    """Have the platform measure its VMs, if `seconds` are given. Raises UsageError where it can't."""
    if seconds is None:
        return
    if outside.measuring is None:
        raise UsageError(
            "measure_unknown",
            "VMs of this platform can't be measured",
            where=cluster.name,
            do="Leave --measure out.",
        )
    say(f"Measuring for {seconds} s how VMs write to memory …")
    say(f"Measured {plural(outside.measuring.measure_memory(seconds), 'VM')}.")


def with_untouched(outside: Outside, snapshot: Snapshot) -> Snapshot:
    """With what VMs never touched of their memory, where nothing better is known: it need not be copied."""
    from dataclasses import replace

    if outside.measuring is None:
        return snapshot
    found = outside.measuring.untouched()
    vms = (
        replace(vm, memory_use=found[vm.id]) if vm.memory_use is None and vm.id in found else vm
        for vm in snapshot.vms
    )
    return replace(snapshot, vms=tuple(vms))


def warnings(cluster: ClusterConfig, snapshot: Snapshot) -> tuple[ConfigError, ...]:
    """What the config names and the snapshot has not, and budgets longer than a VM's own cluster waits."""
    from standfast.config.rules import unknown

    return (*unknown(cluster.rules, snapshot), *_about_vms(cluster, snapshot))


def _about_vms(cluster: ClusterConfig, snapshot: Snapshot) -> Iterator[ConfigError]:
    from standfast.model.errors import ConfigError
    from standfast.model.units import span
    from standfast.plan.blackout import budget_seconds

    vms = {vm.name: vm for vm in snapshot.vms}
    for key, named in (("probes", cluster.probes), ("guest_timeouts", cluster.guest_timeouts)):
        for name in named:
            if name not in vms:
                words = f"{key} of cluster {cluster.name!r} name a VM {name!r}, which is not there"
                yield ConfigError("vm_unknown", words, where=cluster.origin)
    for name, seconds in cluster.guest_timeouts.items():
        budget = budget_seconds(vms[name], cluster.policy) if name in vms else 0.0
        if budget >= seconds:
            yield ConfigError(
                "budget_too_long",
                f"{name} may be dark for {span(budget)}, and its own cluster or clients give it up after "
                f"{span(seconds)}",
                where=cluster.origin,
                do="Lower its blackout_budget_seconds below that.",
            )


def host_ids(snapshot: Snapshot, names: Iterable[str]) -> frozenset[HostId]:
    """Ids of hosts by name. Raises ConfigError for one that the cluster has not."""
    from standfast.config.types import nearest
    from standfast.model.errors import ConfigError

    known = {host.name: host.id for host in snapshot.hosts}
    for name in names:
        if name not in known:
            raise ConfigError(
                "host_unknown",
                f"cluster {snapshot.cluster!r} has no host {name!r}",
                do=nearest(name, known, "Its hosts are"),
            )
    return frozenset(known[name] for name in names)


def split(text: str | None) -> tuple[str, ...]:
    """`a,b` as given to an option."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def snapshot_from(path: Path) -> Snapshot:
    """The snapshot of a file. Raises FileFormatError, and RefusedError for one with figures that can't be."""
    from standfast.codec import read_file
    from standfast.model.cluster import Snapshot
    from standfast.model.errors import RefusedError
    from standfast.model.numbers import impossible

    taken = read_file(path, "snapshot", Snapshot)
    wrong = list(impossible(taken))
    if not wrong:
        return taken
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    line = next((n for n, text in enumerate(lines, 1) if wrong[0].whose and wrong[0].whose in text), 0)
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    raise RefusedError(
        "snapshot_impossible",
        f"this snapshot holds a figure that can't be{more}",
        where=f"{path}:{line}" if line else str(path),
        why=wrong[0].sentence.rstrip("."),
        do="Take the snapshot again.",
    )
