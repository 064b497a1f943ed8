"""How long each move and each host's own work is predicted to take, asked once and kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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


class Way:
    """One VM's move between two hosts, and those of all VMs like it between links like theirs: asked once for
    each share of the link."""

    __slots__ = ("_ask", "_seconds", "_told")

    def __init__(self, ask: Callable[[float], Prediction]) -> None:
        self._ask = ask
        self._told: dict[float, Prediction] = {}
        self._seconds: dict[float, float] = {}

    def at(self, share: float = 1.0) -> Prediction:
        """What the move costs with its link divided by `share`."""
        found = self._told.get(share)
        if found is None:
            found = self._told[share] = self._ask(share)
        return found

    def seconds(self, share: float = 1.0) -> float:
        """How long it then holds its links, p50."""
        found = self._seconds.get(share)
        if found is None:
            found = self._seconds[share] = move_seconds(self.at(share))
        return found


class Lengths:
    """Predictions for one cluster under one policy. Hosts with equal links share a prediction of a VM.

    The board's VMs and hosts are taken as they are when they are first asked for.
    """

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
        self._ways: dict[tuple[object, object, object], Way] = {}
        self._kind_numbers: dict[object, int] = {}
        self._kinds: dict[VmId, int] = {}
        self._own: dict[HostId, tuple[float, float, float]] = {}
        self._links = {host.id: _link(host) for host in board.hosts.values()}
        self._examples = tuple({link: host for host, link in self._links.items()}.values())
        self._shortest: dict[object, tuple[float, float]] = {}

    def way(self, vm: VmId, source: HostId, target: HostId) -> Way:
        """The VM's move between the two. KeyError if the cluster has not all three."""
        key: tuple[object, object, object]
        if self.board.learnt is None:
            key = (self._kind(vm), self._links[source], self._links[target])
        else:  # each pair of hosts may have a story of its own
            key = (vm, source, target)
        found = self._ways.get(key)
        if found is None:
            found = self._ways[key] = Way(self._asking(vm, source, target))
        return found

    def _asking(self, vm: VmId, source: HostId, target: HostId) -> Callable[[float], Prediction]:
        board, auto_converge = self.board, self.policy.auto_converge
        about, one, other = board.vms[vm], board.hosts[source], board.hosts[target]

        def ask(share: float) -> Prediction:
            return predict_move(
                about, one, other, share=share, auto_converge=auto_converge, learnt=board.learnt
            )

        return ask

    def move(self, vm: VmId, source: HostId, target: HostId, share: float = 1.0) -> Prediction:
        """What moving the VM between the two is expected to cost, its link divided by `share`."""
        return self.way(vm, source, target).at(share)

    def _kind(self, vm: VmId) -> int:
        """The number of what a prediction asks of a VM: those alike in it share one."""
        found = self._kinds.get(vm)
        if found is None:
            numbers = self._kind_numbers
            found = self._kinds[vm] = numbers.setdefault(kind_of(self.board.vms[vm]), len(numbers))
        return found

    def shortest(self, vm: VmId, source: HostId) -> float:
        """Seconds of the VM's move off that host, to whichever target is quickest."""
        return self.least(vm, source)[0]

    def shortest_on_link(self, vm: VmId, source: HostId) -> float:
        """The same without what needs no link: other moves use it while this one is set up."""
        return self.least(vm, source)[1]

    def least(self, vm: VmId, source: HostId) -> tuple[float, float]:
        """`shortest` and `shortest_on_link`."""
        learnt = self.board.learnt
        key: object = (self._kind(vm), self._links[source]) if learnt is None else (vm, source)
        found = self._shortest.get(key)
        if found is None:
            targets = self._examples if learnt is None else self.board.hosts
            ways = [self.way(vm, source, target) for target in targets]
            found = min(way.seconds() for way in ways), min(on_link_seconds(way.at(), learnt) for way in ways)
            self._shortest[key] = found
        return found

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
