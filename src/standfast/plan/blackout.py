"""Whether a VM can be moved within its black-out budget at all: refused beforehand, not found out later."""

from __future__ import annotations

import math
from dataclasses import replace

from standfast.model.cluster import Host, Vm, VmState
from standfast.model.ids import HostId
from standfast.model.moves import Prediction
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.units import span
from standfast.plan.board import Board
from standfast.plan.lengths import kind_of
from standfast.predict.precopy import (
    DOWNTIME_LIMIT_SECONDS,
    goodput_bytes_per_second,
    least_blackout_seconds,
    predict_move,
)

LEAST_LIMIT_SECONDS = 0.001
"""The shortest time that QEMU can be given to send the rest of a stopped VM."""


def budget_seconds(vm: Vm, policy: Policy) -> float:
    """The VM's own budget, else the cluster's."""
    return (
        policy.blackout_budget_seconds if vm.blackout_budget_seconds is None else vm.blackout_budget_seconds
    )


class Darkness:
    """Predictions for the VMs of one board, each over the fastest link that the VM could take."""

    def __init__(self, board: Board, policy: Policy) -> None:
        self._board = board
        self._policy = policy
        self._known: dict[object, Prediction] = {}
        self._fastest: dict[tuple[frozenset[HostId], int | None], tuple[Host, ...]] = {}

    def refusal(self, vm: Vm) -> Reason | None:
        """Why no move of the VM keeps to its budget; None where one does, or where there is no target."""
        if vm.state is not VmState.RUNNING:
            return None
        source = self._board.hosts[vm.host]
        target = self._target(vm, source)
        if target is None:
            return None
        budget = budget_seconds(vm, self._policy)
        predicted = self._predicted(vm, budget, source, target)
        least = least_blackout_seconds(predicted, self._board.learnt) + LEAST_LIMIT_SECONDS
        if budget < least - 1e-9:
            return _too_short(vm, budget, least)
        if self._policy.auto_converge:
            return None
        if predicted.converges and predicted.blackout_seconds <= budget:
            return None
        words = f"{vm.name} writes memory too fast to be moved within its black-out budget of {span(budget)}."
        # Above its usual limit QEMU aims no higher, so more of a budget would change nothing.
        larger = "Raise blackout_budget_seconds, set" if budget < DOWNTIME_LIMIT_SECONDS else "Set"
        mend = f"{larger} auto_converge, or plan when it is quieter."
        return Reason(Code.VM_BLACKOUT, words, mend, host=vm.host, vm=vm.id)

    def _predicted(self, vm: Vm, budget: float, source: Host, target: Host) -> Prediction:
        """Asked once for VMs that are alike and go the same way, where nothing was learnt of either."""
        if self._board.learnt is not None:
            asked = replace(vm, blackout_budget_seconds=budget)
            return predict_move(asked, source, target, learnt=self._board.learnt)
        key = (kind_of(vm), budget, source.migration_bits_per_second, target.migration_bits_per_second)
        found = self._known.get(key)
        if found is None:
            found = predict_move(replace(vm, blackout_budget_seconds=budget), source, target)
            self._known[key] = found
        return found

    def warning(self, vm: Vm, predicted: Prediction) -> Reason | None:
        """What is to be said of a move that is planned: it may not keep to its budget, or slows the VM."""
        budget = budget_seconds(vm, self._policy)
        if predicted.converges and predicted.blackout_p95_seconds <= budget:
            if not predicted.slowed:
                return None
            words = f"{vm.name} will be slowed down by up to {predicted.slowed:.0%} to be moved."
            return Reason(Code.VM_BLACKOUT, words, "Plan when it is quieter.", host=vm.host, vm=vm.id)
        words = f"{vm.name} may be dark for longer than its black-out budget of {span(budget)}."
        return Reason(Code.VM_BLACKOUT, words, "Plan when it is quieter.", host=vm.host, vm=vm.id)

    def _target(self, vm: Vm, source: Host) -> Host | None:
        """Of the hosts that could ever run the VM, the one that can be reached the fastest."""
        able = self._board.able(vm)
        key = (able, source.migration_bits_per_second)
        if key not in self._fastest:
            hosts = [self._board.hosts[host] for host in sorted(able)]
            usable = [host for host in hosts if host.reachable]
            usable.sort(key=lambda host: -goodput_bytes_per_second(source, host))
            self._fastest[key] = tuple(usable[:2])
        return next((host for host in self._fastest[key] if host.id != source.id), None)


def _too_short(vm: Vm, budget: float, least: float) -> Reason:
    """Not even a VM that writes nothing keeps to it."""
    shortest = math.ceil(least * 1000 - 1e-6) / 1000
    words = (
        f"{vm.name} can't be moved within its black-out budget of {span(budget)}: stopping it here and "
        f"starting it there takes about {span(shortest)}, however little it writes."
    )
    mend = f"Set blackout_budget_seconds to {shortest:g} or more, the smallest that is possible."
    return Reason(Code.VM_BLACKOUT, words, mend, host=vm.host, vm=vm.id)
