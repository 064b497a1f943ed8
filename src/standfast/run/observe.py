"""One look at the whole cluster: the platform's snapshot, every host's own word, and the rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from types import MappingProxyType

from standfast.model.cluster import Host, Rules, Snapshot
from standfast.model.errors import RefusedError, StandfastError
from standfast.model.hostwork import HostFacts
from standfast.model.ids import HostId
from standfast.ports import HostWork, Outside

RulesFor = Callable[[Snapshot], Rules]
"""Rules may name VMs and hosts; which those are is known once the cluster has been seen."""

Known = dict[HostId, tuple[Host, HostFacts, Host]]
"""What the platform and the host itself said, and both together."""


def observe(
    outside: Outside,
    rules: RulesFor,
    *,
    scan: bool = False,
    refresh: bool = False,
    executor: Executor | None = None,
    kept: Mapping[HostId, HostFacts] = MappingProxyType({}),
    known: Known | None = None,
) -> Snapshot:
    """The cluster now. `scan` asks each host for its pending updates too, which takes seconds. Of hosts in
    `kept` these facts are taken in place of asking; `known` is what to put together only once.

    A host that does not answer, or can't be scanned, is marked so and stays in the snapshot; StandfastError
    only if the platform as a whole can't be asked, or if two names turn out to be one host.
    """
    snapshot = outside.platform.observe()

    def look(host: Host) -> Host:
        facts = kept.get(host.id)
        if known is None or facts is None or scan:
            return _looked_at(outside.work, host, facts, scan=scan, refresh=refresh)
        last = known.get(host.id)
        if last is None or last[0] is not host or last[1] is not facts:
            last = host, facts, _looked_at(outside.work, host, facts, scan=False, refresh=False)
            known[host.id] = last
        return last[2]

    refuse_same_host(snapshot.hosts)
    run = executor.map if executor is not None else map
    snapshot = replace(snapshot, hosts=tuple(run(look, snapshot.hosts)))
    return replace(snapshot, rules=rules(snapshot))


def refuse_same_host(hosts: Iterable[Host]) -> None:
    """Raises RefusedError where two names lead to one host: it would be patched while it is the target."""
    first: dict[HostId, str] = {}
    for host in hosts:
        if host.id in first:
            raise RefusedError(
                "host_duplicate",
                f"{first[host.id]} and {host.name} are one host",
                why=f"both have the host UUID {host.id}",
                do="Give each host once. Two machines need a `host_uuid` of their own in libvirtd.conf.",
            )
        first[host.id] = host.name


def _looked_at(work: HostWork, host: Host, kept: HostFacts | None, *, scan: bool, refresh: bool) -> Host:
    if not host.reachable:
        return host
    try:
        facts = kept or work.look(host.id)
    except StandfastError as error:
        return replace(host, unreachable_why=str(error), unreachable_code=error.code)
    cordoned_by = facts.cordoned_by if facts.cordoned_by is not None else host.cordoned_by
    seen = replace(
        host,
        facts=facts,
        cordoned=host.cordoned or facts.cordoned_by is not None,
        cordoned_by=cordoned_by,
    )
    return _scanned(work, seen, refresh=refresh) if scan else seen


def _scanned(work: HostWork, host: Host, *, refresh: bool) -> Host:
    """One host's broken package source is no reason to know nothing of the others."""
    try:
        return replace(host, updates=work.scan(host.id, refresh=refresh))
    except StandfastError as error:
        return replace(host, updates=None, unscanned_why=str(error), unreachable_code=error.code)
