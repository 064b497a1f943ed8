"""Observing a cluster for a verb: many hosts at once, rules resolved, names turned into ids."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from standfast.config import ClusterConfig
    from standfast.model.cluster import Rules, Snapshot
    from standfast.model.errors import ConfigError
    from standfast.model.ids import HostId
    from standfast.ports import Outside

MOST_AT_ONCE = 32


def look(
    outside: Outside, cluster: ClusterConfig, *, scan: bool, refresh: bool, strict: bool = True
) -> Snapshot:
    """The cluster now. Raises StandfastError; a host that does not answer is marked in the snapshot.

    Without `strict`, names in rules that nothing bears are left out; `warnings` tells them.
    """
    from standfast.config.rules import resolve
    from standfast.run.observe import observe

    def rules_for(snapshot: Snapshot) -> Rules:
        return resolve(cluster.rules, snapshot, strict=strict)

    with ThreadPoolExecutor(max(1, min(MOST_AT_ONCE, len(outside.names) or MOST_AT_ONCE))) as executor:
        return observe(outside, rules_for, scan=scan, refresh=refresh, executor=executor)


def warnings(cluster: ClusterConfig, snapshot: Snapshot) -> tuple[ConfigError, ...]:
    """What the cluster's rules name and the snapshot has not."""
    from standfast.config.rules import unknown

    return unknown(cluster.rules, snapshot)


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
