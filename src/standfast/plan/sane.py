"""Snapshots and rules that contradict themselves: nothing is planned on them."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.cluster import Snapshot, Vm, VmState
from standfast.model.errors import RefusedError
from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Code, Reason
from standfast.model.units import size

ACTIVE = (VmState.RUNNING, VmState.PAUSED, VmState.CRASHED, VmState.UNKNOWN)


def contradictions(snapshot: Snapshot) -> tuple[Reason, ...]:
    """What can't be true, or can't be kept by any placement; empty where a plan may be tried.

    A VM on two hosts or on one that is unknown, a host twice, sizes that make no sense, more VMs than all
    memory, pins that name no host together, groups whose members can't all be apart.
    """
    return (*_hosts(snapshot), *_vms(snapshot), *_memory(snapshot), *_pins(snapshot), *_groups(snapshot))


def refuse_contradictions(snapshot: Snapshot) -> None:
    """Raises RefusedError with the first contradiction, and how many more there are."""
    wrong = contradictions(snapshot)
    if wrong:
        more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        raise RefusedError(
            f"snapshot_{wrong[0].code}",
            f"no plan can be made{more and ', for this'}{more}",
            where=f"cluster {snapshot.cluster}",
            why=wrong[0].sentence.rstrip("."),
            do=wrong[0].mend,
        )


def _hosts(snapshot: Snapshot) -> Iterator[Reason]:
    seen: set[HostId] = set()
    for host in snapshot.hosts:
        if host.id in seen:
            sentence = f"Host {host.name} ({host.id}) is in the cluster twice."
            yield Reason(Code.HOST_DUPLICATE, sentence, "Remove one of its entries.", host=host.id)
        seen.add(host.id)
        if host.memory_bytes < 0:
            yield Reason(
                Code.SNAPSHOT_WRONG,
                f"Host {host.name} has {host.memory_bytes} bytes of memory.",
                "Declare its memory_bytes.",
                host=host.id,
            )


def _vms(snapshot: Snapshot) -> Iterator[Reason]:
    hosts = {host.id: host.name for host in snapshot.hosts}
    runs: dict[VmId, Vm] = {}
    for vm in snapshot.vms:
        if vm.host not in hosts:
            yield Reason(
                Code.SNAPSHOT_WRONG,
                f"{vm.name} ({vm.id}) is on host {vm.host}, which the cluster does not have.",
                "Take the snapshot again, or add the host.",
                vm=vm.id,
            )
            continue
        if vm.memory_bytes < 0:
            sentence = f"{vm.name} ({vm.id}) has {vm.memory_bytes} bytes of memory."
            yield Reason(Code.SNAPSHOT_WRONG, sentence, "Take the snapshot again.", vm=vm.id)
        if vm.state not in ACTIVE:
            continue
        if vm.id in runs:
            first = runs[vm.id]
            yield Reason(
                Code.SNAPSHOT_WRONG,
                f"{vm.name} ({vm.id}) is active on {hosts[first.host]} and on {hosts[vm.host]} at once.",
                "Find out which one is real before anything is moved: two writers destroy its disk.",
                vm=vm.id,
            )
        runs[vm.id] = vm


def _memory(snapshot: Snapshot) -> Iterator[Reason]:
    there = {host.id for host in snapshot.hosts if host.reachable}
    have = sum(host.memory_bytes for host in snapshot.hosts if host.reachable)
    held = sum(vm.memory_bytes for vm in snapshot.vms if vm.state in ACTIVE and vm.host in there)
    if held > have:
        yield Reason(
            Code.SNAPSHOT_WRONG,
            f"The VMs hold {size(held)} of memory, and all hosts together have {size(have)}.",
            "Declare the hosts' memory_bytes as it is, or shut VMs down.",
        )


def _pins(snapshot: Snapshot) -> Iterator[Reason]:
    hosts = {host.id for host in snapshot.hosts}
    names = {vm.id: vm.name for vm in snapshot.vms}
    for vm, places in sorted(snapshot.rules.pins_of.items()):
        if vm in names and places.isdisjoint(hosts):
            what = "name no host of the cluster" if places else "leave it no host"
            yield Reason(
                Code.RULES_CONTRADICT,
                f"The pins of {names[vm]} {what}.",
                "Change one of them.",
                vm=vm,
            )


def _groups(snapshot: Snapshot) -> Iterator[Reason]:
    """A group whose members, pinned as they are, can't all be on hosts of their own."""
    every = frozenset(host.id for host in snapshot.hosts)
    pins: dict[VmId, frozenset[HostId]] = {}
    for pin in snapshot.rules.pins:
        pins[pin.vm] = pins.get(pin.vm, pin.hosts) & pin.hosts & every
    active = {vm.id: vm.name for vm in snapshot.vms if vm.state in ACTIVE}
    for rule in snapshot.rules.anti_affinity:
        members = sorted(rule.vms & active.keys())
        pinned = [vm for vm in members if vm in pins]
        if len(members) > len(every):
            sentence = f"Rule {rule.name} keeps {len(members)} VMs apart, and there are {len(every)} hosts."
            yield Reason(Code.RULES_CONTRADICT, sentence, "Make the group smaller.")
        elif not _apart(pinned, pins):
            names = ", ".join(active[vm] for vm in pinned)
            yield Reason(
                Code.RULES_CONTRADICT,
                f"Rule {rule.name} keeps {names} apart, and their pins leave too few hosts for that.",
                "Change the rule or a pin.",
            )


def _apart(vms: list[VmId], pins: dict[VmId, frozenset[HostId]]) -> bool:
    """Whether each can have a host of its own: by counting, else a matching by augmenting paths."""
    if all(len(pins[vm]) >= len(vms) for vm in vms):
        return True
    taken: dict[HostId, VmId] = {}

    def find(vm: VmId, seen: set[HostId]) -> bool:
        for host in sorted(pins[vm]):
            if host in seen:
                continue
            seen.add(host)
            if host not in taken or find(taken[host], seen):
                taken[host] = vm
                return True
        return False

    return all(find(vm, set()) for vm in vms)
