"""What is to be said of one VM: whether it can move, to how many hosts, how long it would be dark. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from standfast.doctor.disks import Sight
from standfast.model.cluster import Leftover, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Prediction
from standfast.model.reasons import Code, Reason
from standfast.plan import blockers
from standfast.plan.blackout import Darkness
from standfast.plan.board import Board
from standfast.plan.place import no_target
from standfast.plan.unmovable import Unmovable
from standfast.predict.precopy import predict_move

Objections = Mapping[tuple[VmId, HostId], Sequence[Reason]]
"""What the platform itself said of a pair; pairs that it was not asked about are not there."""


@dataclass(frozen=True, slots=True)
class Movable:
    """One VM: where it could go now, what it would cost at the first of these, and what there is to say."""

    vm: Vm
    targets: tuple[HostId, ...]
    predicted: Prediction | None
    reasons: tuple[Reason, ...]


def movable(
    board: Board,
    vm: Vm,
    *,
    darkness: Darkness,
    sight: Sight,
    closed: Collection[tuple[HostId, HostId]],
    objections: Objections,
) -> Movable:
    """`closed` are ways (from, to) that no VM can take."""
    fixed = Unmovable(board).against(vm)
    said: list[Reason] = [*fixed, *blockers.warnings_of(vm)]
    refused: dict[HostId, str] = {}
    targets = [] if fixed else list(_targets(board, vm, sight, closed, objections, refused))
    predicted = None
    if targets:
        source, target = board.hosts[vm.host], board.hosts[targets[0]]
        predicted = predict_move(vm, source, target, learnt=board.learnt)
        if too_dark := darkness.refusal(vm):
            said.append(too_dark)
        elif risk := darkness.warning(vm, predicted):
            said.append(replace(risk, code=Code.VM_BLACKOUT_RISK))
    elif not fixed:
        said.append(no_target(board, vm, list(refused.values())))
    return Movable(vm, tuple(targets), predicted, tuple(said))


def _targets(
    board: Board,
    vm: Vm,
    sight: Sight,
    closed: Collection[tuple[HostId, HostId]],
    objections: Objections,
    refused: dict[HostId, str],
) -> Iterator[HostId]:
    """Hosts that could take the VM now; why not goes into `refused`."""
    for host in sorted(board.hosts.values(), key=lambda host: (host.name, host.id)):
        if host.id == vm.host:
            continue
        against = next(blockers.objections(board, vm, host), None) or next(
            iter(objections.get((vm.id, host.id), ())), None
        )
        if against is not None:
            refused[host.id] = against.sentence
        elif (vm.host, host.id) in closed:
            refused[host.id] = f"{host.name} can't be reached from {board.name(vm.host)}."
        elif next(sight.unseen(vm, host.id), None) is not None:
            refused[host.id] = f"{host.name} does not see the disks of {vm.name}."
        else:
            yield host.id


def twice(vm: Vm, leftovers: Sequence[Leftover], board: Board) -> Iterator[Reason]:
    """Definitions of the VM that other hosts hold as well."""
    for left in leftovers:
        if left.vm != vm.id or vm.state is VmState.SHUT_OFF:
            continue
        where = board.name(left.host)
        if left.autostart:
            yield Reason(
                Code.VM_STARTS_TWICE,
                f"{where} holds a definition of {vm.name} with autostart: a second copy at its next boot.",
                f"`virsh undefine {vm.name}` on {where}.",
                host=left.host,
                vm=vm.id,
            )
        else:
            yield Reason(
                Code.VM_DEFINED_TWICE,
                f"{where} holds a definition of {vm.name} as well, which runs on {board.name(vm.host)}.",
                f"`virsh undefine {vm.name}` on {where}.",
                host=left.host,
                vm=vm.id,
            )
