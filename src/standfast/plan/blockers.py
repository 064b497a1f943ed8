"""Typed reasons why a VM can't be moved at all, or not to one host at this moment."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason
from standfast.model.units import size
from standfast.plan.board import Board, Cluster
from standfast.plan.compat import objections as incompatibilities


def of_vm(vm: Vm) -> tuple[Reason, ...]:
    """Why the VM can't be moved anywhere; empty if it can.

    Being transient is no blocker, since a live migration needs no persistent definition (see `warnings_of`).
    A VM already on its way is busy: it can't be moved a second time before it has arrived.
    """
    return () if _is_free(vm) else tuple(_of_vm(vm))


def _is_free(vm: Vm) -> bool:
    """Whether `_of_vm` has nothing to say, as of nearly every VM: a large cluster is asked often."""
    return (
        vm.state is VmState.RUNNING
        and not (vm.passthrough or vm.managed_save or vm.busy or vm.unsupported)
        and vm.flight is None
        and all(disk.shared for disk in vm.disks)
    )


def _of_vm(vm: Vm) -> Iterator[Reason]:
    def reason(code: Code, sentence: str, mend: str) -> Reason:
        return Reason(code, sentence, mend, host=vm.host, vm=vm.id)

    if vm.state is not VmState.RUNNING:
        state = vm.state.replace("_", " ")
        yield reason(
            Code.VM_NOT_RUNNING,
            f"{vm.name} is {state}, and only a running VM is moved.",
            f"Resume, start or shut down {vm.name}, then plan again.",
        )
    for disk in vm.disks:
        if disk.shared:
            continue
        what = disk.target or disk.source or "a disk"
        if not disk.removable:
            yield reason(
                Code.VM_LOCAL_DISK,
                f"{vm.name} has its disk {what} ({disk.source or 'no source'}) on its host alone.",
                "Put the disk on storage that all hosts share.",
            )
        elif disk.source:
            yield reason(
                Code.VM_REMOVABLE_MEDIA,
                f"{vm.name} has medium {disk.source} inserted in {what}, which other hosts do not have.",
                f"Eject the medium of {vm.name}.",
            )
    for device in vm.passthrough:
        yield reason(
            Code.VM_PASSTHROUGH,
            f"{vm.name} uses {device} of its host directly.",
            f"Take the device from {vm.name}, or give it an emulated one.",
        )
    if vm.managed_save:
        yield reason(
            Code.VM_MANAGED_SAVE,
            f"{vm.name} has a managed save image, and saved state is never used.",
            f"Remove the image (virsh managedsave-remove {vm.name}).",
        )
    if vm.busy:
        yield reason(
            Code.VM_BUSY,
            f"{vm.name} is held by another job ({vm.busy}).",
            "Let the job end or cancel it.",
        )
    elif vm.flight is not None:
        yield reason(Code.VM_BUSY, f"{vm.name} is being moved already.", "Wait until it has arrived.")
    for words in vm.unsupported:
        yield reason(
            Code.VM_UNSUPPORTED,
            f"The platform can't move {vm.name}: {words.rstrip('.')}.",
            f"Change that on {vm.name}, or shut it down.",
        )


def warnings_of(vm: Vm) -> tuple[Reason, ...]:
    """What an operator should know before this VM is moved, without it being a blocker."""
    found = [reason for reason in of_vm(vm) if reason.code is Code.VM_BUSY]
    if not vm.persistent:
        found.append(
            Reason(
                Code.VM_TRANSIENT,
                f"{vm.name} is transient: it moves like any other, but once it stops, nothing is left.",
                f"Define {vm.name} persistently.",
                host=vm.host,
                vm=vm.id,
            )
        )
    return tuple(found)


def of_move(cluster: Snapshot | Board, vm: Vm, target: HostId) -> tuple[Reason, ...]:
    """Why `vm` may not be moved to `target` now; empty if it may. `of_vm` is asked besides.

    Memory and anti-affinity count residents and VMs on their way in, so a move that is under way is part of
    the picture. KeyError if the cluster has no such host.
    """
    board = Board.of(cluster)
    return tuple(objections(board, vm, board.hosts[target]))


def allowed(cluster: Cluster, vm: Vm, target: HostId) -> bool:
    """True where `of_move` has no reason."""
    board = Board.of(cluster)
    return next(objections(board, vm, board.hosts[target]), None) is None


def objections(board: Board, vm: Vm, host: Host) -> Iterator[Reason]:
    """The reasons of `of_move`, one by one, each made only if asked for."""

    def reason(code: Code, sentence: str, mend: str) -> Reason:
        return Reason(code, sentence, mend, host=host.id, vm=vm.id)

    if board.where.get(vm.id, vm.host) == host.id:
        yield reason(Code.NO_TARGET, f"{vm.name} runs on {host.name} already.", "")
    if not host.reachable:
        why = f" ({host.unreachable_why})" if host.unreachable_why else ""
        yield reason(
            Code.TARGET_UNREACHABLE,
            f"{host.name} can't be reached{why}.",
            f"Bring {host.name} back.",
        )
    if host.cordoned:
        by = f" by {host.cordoned_by}" if host.cordoned_by else ""
        yield reason(
            Code.TARGET_CORDONED,
            f"{host.name} is cordoned{by} and takes no VMs.",
            f"Uncordon {host.name}, if nobody works on it.",
        )
    if host.id not in board.able(vm):
        yield from incompatibilities(vm, host)
        yield from _pinned(board, vm, host)
    yield from _affinity(board, vm, host)
    yield from _memory(board, vm, host)
    taken = board.names[host.id].get(vm.name)
    if taken is not None and taken != vm.id:
        yield reason(
            Code.TARGET_NAME_TAKEN,
            f"Another VM is named {vm.name} on {host.name}.",
            f"Rename or remove {vm.name} on {host.name}.",
        )


def _pinned(board: Board, vm: Vm, host: Host) -> Iterator[Reason]:
    pin = board.pins.get(vm.id)
    if pin is not None and host.id not in pin:
        names = ", ".join(sorted(board.name(other) for other in pin)) or "no host"
        yield Reason(
            Code.VM_PINNED,
            f"A pin keeps {vm.name} on {names}, which {host.name} is not.",
            f"Add {host.name} to the pin of {vm.name}.",
            host=host.id,
            vm=vm.id,
        )


def _affinity(board: Board, vm: Vm, host: Host) -> Iterator[Reason]:
    for group in board.groups.get(vm.id, ()):
        for other in sorted(group.vms - {vm.id}):
            if other not in board.vms:
                continue
            name = board.vms[other].name
            if other in board.residents[host.id]:
                sentence = f"{vm.name} may not share {host.name} with {name} (rule {group.name})."
            elif other in board.incoming[host.id]:
                sentence = (
                    f"{vm.name} may not share {host.name} with {name}, on its way in (rule {group.name})."
                )
            elif other in board.flights:
                sentence = f"{vm.name} may not be moved while {name} is being moved (rule {group.name})."
            else:
                continue
            yield Reason(
                Code.TARGET_ANTI_AFFINITY,
                sentence,
                f"Keep {name} elsewhere, or change rule {group.name}.",
                host=host.id,
                vm=vm.id,
            )


def _memory(board: Board, vm: Vm, host: Host) -> Iterator[Reason]:
    already = board.flights.get(vm.id) == host.id  # then its own share is counted there
    held = board.held[host.id] + (0 if already else vm.memory_bytes)
    ceiling = board.rules.memory_ceiling
    if held > ceiling * host.memory_bytes:
        yield Reason(
            Code.TARGET_MEMORY,
            f"{host.name} would hold {size(held)} of {size(host.memory_bytes)} with {vm.name}, "
            f"above {ceiling:.0%}.",
            f"Free memory on {host.name}, or raise memory_ceiling.",
            host=host.id,
            vm=vm.id,
        )
