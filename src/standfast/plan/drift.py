"""What a plan rests on, and what of it has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from standfast.model.cluster import Host, Rules, Snapshot, VmState
from standfast.model.ids import HostId
from standfast.model.plan import Basis
from standfast.model.units import size


def basis(snapshot: Snapshot, *, touched: frozenset[HostId] | None = None) -> Basis:
    """Placement, sizes, rules, and the pending updates of the hosts in `touched` (None: all).

    Shut off VMs are left out: they hold no memory and are not moved, and one that is started shows as new.
    Load is left out, and so are signs that a reboot is needed: the run looks at those again anyway.
    """
    return Basis(
        placement=tuple(
            sorted((vm.id, vm.host, vm.memory_bytes) for vm in snapshot.vms if _counts(vm.state))
        ),
        hosts=tuple(
            sorted(
                (host.id, host.memory_bytes, _pending(host) if touched is None or host.id in touched else "")
                for host in snapshot.hosts
            )
        ),
        rules_digest=rules_digest(snapshot.rules),
        names=tuple(
            sorted(
                {
                    *((str(host.id), host.name) for host in snapshot.hosts),
                    *((str(vm.id), vm.name) for vm in snapshot.vms if _counts(vm.state)),
                }
            )
        ),
    )


def rules_digest(rules: Rules) -> str:
    """SHA-256, hex, over all rules as canonical JSON; the order in which they are written does not matter."""
    listed = {hosts: sorted(hosts) for hosts in {pin.hosts for pin in rules.pins}}
    told = {hosts: _canonical(each) for hosts, each in listed.items()}
    groups = sorted([group.name, sorted(group.vms)] for group in rules.anti_affinity)
    head = {"anti_affinity": groups, "memory_ceiling": rules.memory_ceiling}
    # Piece by piece: thousands of VMs may share a pin of thousands of hosts.
    found = hashlib.sha256(_canonical(head)[:-1] + b',"pins":[')
    for number, pin in enumerate(sorted(rules.pins, key=lambda pin: (pin.vm, listed[pin.hosts]))):
        found.update((b",[" if number else b"[") + _canonical(pin.vm) + b"," + told[pin.hosts] + b"]")
    found.update(b'],"reserve_hosts":' + _canonical(rules.reserve_hosts) + b"}")
    return found.hexdigest()


def compare(basis: Basis, snapshot: Snapshot) -> tuple[str, ...]:
    """One sentence for each thing in `snapshot` that is not as in `basis`; empty if nothing has changed.

    A host whose updates the basis knows and the snapshot does not is reported: a check that could not be made
    counts as failed.
    """
    return (*_placement(basis, snapshot), *_hosts(basis, snapshot), *_rules(basis, snapshot))


def _counts(state: VmState) -> bool:
    return state not in (VmState.SHUT_OFF, VmState.INCOMING)


def _placement(basis: Basis, snapshot: Snapshot) -> Iterator[str]:
    before = {vm: (host, memory) for vm, host, memory in basis.placement}
    after = {vm.id: vm for vm in snapshot.vms if _counts(vm.state)}
    names = _names(basis, snapshot)
    for vm, (host, memory) in sorted(before.items(), key=lambda item: names.get(item[0], item[0])):
        name, there = names.get(vm, str(vm)), names.get(host, str(host))
        if vm not in after:
            yield f"{name} ran on {there} and runs nowhere now."
            continue
        now = after[vm]
        if now.host != host:
            yield f"{name} ran on {there} and runs on {snapshot.host_name(now.host)} now."
        if now.memory_bytes != memory:
            yield f"{name} had {size(memory)} of memory and has {size(now.memory_bytes)} now."
    for vm_id, fresh in sorted(after.items(), key=lambda item: item[1].name):
        if vm_id not in before:
            yield f"{fresh.name} runs on {snapshot.host_name(fresh.host)} and did not run before."


def _hosts(basis: Basis, snapshot: Snapshot) -> Iterator[str]:
    before = {host: (memory, digest) for host, memory, digest in basis.hosts}
    after = {host.id: host for host in snapshot.hosts}
    names = _names(basis, snapshot)
    for host_id, (memory, digest) in sorted(before.items(), key=lambda item: names.get(item[0], item[0])):
        if host_id not in after:
            yield f"{names.get(host_id, f'Host {host_id}')} is no longer part of the cluster."
            continue
        host = after[host_id]
        if host.memory_bytes != memory:
            yield f"{host.name} had {size(memory)} for VMs and has {size(host.memory_bytes)} now."
        if digest and host.updates is None:
            why = f": {host.unscanned_why.rstrip('.')}" if host.unscanned_why else ""
            yield f"The pending updates of {host.name} could not be looked at again{why}."
        elif digest and _pending(host) != digest:
            yield f"The pending updates of {host.name} are not those of the plan."
    for host in sorted(after.values(), key=lambda host: host.name):
        if host.id not in before:
            yield f"{host.name} is new in the cluster."


def _names(basis: Basis, snapshot: Snapshot) -> dict[str, str]:
    """What everything is called now, and what it was called where it is gone."""
    now = [*((vm.id, vm.name) for vm in snapshot.vms), *((host.id, host.name) for host in snapshot.hosts)]
    return dict(basis.names) | {str(id): name for id, name in now}


def _rules(basis: Basis, snapshot: Snapshot) -> Iterator[str]:
    if rules_digest(snapshot.rules) != basis.rules_digest:
        yield "The rules of the cluster have changed."


def _pending(host: Host) -> str:
    """Digest of what is pending; empty where the host was not scanned."""
    if host.updates is None:
        return ""
    return _digest(sorted([update.package, update.arch, update.candidate] for update in host.updates.pending))


def _digest(value: object) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
