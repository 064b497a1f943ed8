"""How long each move and each host's own work is predicted to take, asked once and kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from standfast.model.cluster import Host, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.learnt import Learnt
from standfast.model.moves import Prediction
from standfast.model.plan import HostStep
from standfast.model.policy import Policy
from standfast.plan.board import Board
from standfast.plan.reboots import pending, why_reboot
from standfast.predict import spans
from standfast.predict.precopy import SETUP_SECONDS, predict_move


def move_seconds(predicted: Prediction) -> float:
    """How long the move holds its links, p50."""
    return predicted.brownout_seconds + predicted.blackout_seconds


def move_seconds_p95(predicted: Prediction) -> float:
    return predicted.brownout_p95_seconds + predicted.blackout_p95_seconds


def on_link_seconds(predicted: Prediction, learnt: Learnt | None) -> float:
    """How long it keeps its link busy, p50: all but the fixed costs, known or learnt."""
    if learnt is None or learnt.brownout is None:
        fixed = min(1.0, SETUP_SECONDS / max(1e-9, predicted.brownout_seconds))
    else:
        line = learnt.brownout.line
        whole = line.at(predicted.once_seconds, predicted.again_seconds)
        fixed = min(1.0, line.fixed / whole) if whole > 0 else 1.0
    return predicted.brownout_seconds * (1 - fixed) + predicted.switch_seconds


class Lengths:
    """Predictions for one cluster under one policy. Hosts with equal links share a prediction of a VM."""

    def __init__(
        self,
        board: Board,
        policy: Policy,
        stopping: Collection[HostId] = (),
        *,
        known: Mapping[HostId, HostStep] = MappingProxyType({}),
    ) -> None:
        self.board, self.policy = board, policy
        self.stopping = frozenset(stopping)
        """Hosts on which VMs are shut down and started again."""
        self.known = known
        """Turns as planned before, whose updates are not looked up again."""
        self._moves: dict[tuple[object, object, object, float], Prediction] = {}
        self._kinds: dict[VmId, object] = {}
        self._own: dict[HostId, tuple[float, float, float]] = {}
        self._examples = tuple({_link(host): host.id for host in board.hosts.values()}.values())

    def move(self, vm: VmId, source: HostId, target: HostId, share: float = 1.0) -> Prediction:
        """What moving the VM between the two is expected to cost, its link divided by `share`."""
        hosts = self.board.hosts
        key: tuple[object, object, object, float] = (
            self._kind(vm),
            _link(hosts[source]),
            _link(hosts[target]),
            share,
        )
        if self.board.learnt is not None:  # then each pair of hosts may have a story of its own
            key = (vm, source, target, share)
        if key not in self._moves:
            self._moves[key] = predict_move(
                self.board.vms[vm],
                hosts[source],
                hosts[target],
                share=share,
                auto_converge=self.policy.auto_converge,
                learnt=self.board.learnt,
            )
        return self._moves[key]

    def _kind(self, vm: VmId) -> object:
        """What a prediction asks of a VM: those alike in it share one."""
        if vm not in self._kinds:
            about = self.board.vms[vm]
            self._kinds[vm] = kind_of(about)
        return self._kinds[vm]

    def shortest(self, vm: VmId, source: HostId) -> float:
        """Seconds of the VM's move off that host, to whichever target is quickest."""
        targets = self._examples if self.board.learnt is None else self.board.hosts
        return min(move_seconds(self.move(vm, source, target)) for target in targets)

    def shortest_on_link(self, vm: VmId, source: HostId) -> float:
        """The same without what needs no link: other moves use it while this one is set up."""
        targets = self._examples if self.board.learnt is None else self.board.hosts
        return min(on_link_seconds(self.move(vm, source, target), self.board.learnt) for target in targets)

    def own(self, host: HostId) -> tuple[float, float, float]:
        """Seconds of patching, rebooting and verifying."""
        if host not in self._own:
            about, known = self.board.hosts[host], self.known.get(host)
            patch = spans.patch_seconds(len(pending(about, self.policy)))
            reboot = spans.reboot_seconds(bool(why_reboot(about, self.policy)))
            if known is not None:
                patch, reboot = known.patch_seconds, known.reboot_seconds
            self._own[host] = patch, reboot, spans.verify_seconds(self.policy.verify_stable_seconds)
        return self._own[host]

    def out(self, host: HostId) -> float:
        """Seconds of all that the host does by itself while it is out."""
        stops = spans.SHUTDOWN_SECONDS + spans.START_SECONDS if host in self.stopping else 0.0
        return sum(self.own(host)) + stops


def kind_of(vm: Vm) -> tuple[object, ...]:
    """All that `predict_move` reads of a VM where nothing was learnt of former moves."""
    return vm.memory_bytes, vm.dirty_bytes_per_second, vm.memory_use, vm.blackout_budget_seconds


def _link(host: Host) -> int | None:
    return host.migration_bits_per_second
