"""A platform around another one: passes everything on, for those that add one thing to it."""

from __future__ import annotations

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome
from standfast.model.reasons import Reason
from standfast.ports import Platform


class Passing:
    """Every question and order of `Platform`, handed to the one inside."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def observe(self) -> Snapshot:
        return self._platform.observe()

    def check_move(self, vm: VmId, target: HostId) -> tuple[Reason, ...]:
        return self._platform.check_move(vm, target)

    def start_move(self, order: MoveOrder) -> None:
        self._platform.start_move(order)

    def move_outcome(self, order: MoveOrder) -> MoveOutcome:
        return self._platform.move_outcome(order)

    def cancel_move(self, order: MoveOrder) -> None:
        self._platform.cancel_move(order)

    def allow_blackout(self, order: MoveOrder, seconds: float) -> None:
        self._platform.allow_blackout(order, seconds)

    def shutdown(self, vm: VmId, host: HostId, *, force: bool = False) -> None:
        self._platform.shutdown(vm, host, force=force)

    def start(self, vm: VmId, host: HostId) -> None:
        self._platform.start(vm, host)

    def close(self) -> None:
        self._platform.close()
