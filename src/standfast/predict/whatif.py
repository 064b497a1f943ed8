"""The same moves over another link: what a faster migration network would change, and what it would not.

Every running VM is predicted twice, as things are and with every migration link replaced. A host's drain is
its VMs leaving for the other hosts in turn, as many at once as its limits say, sharing the link. Rules and
room are not asked: a plan does that; here the network is the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import VmId
from standfast.model.learnt import Learnt
from standfast.model.moves import Prediction
from standfast.predict.advice import assess
from standfast.predict.engine import Engine, Path
from standfast.predict.precopy import GOODPUT, goodput_bytes_per_second, predict_move
from standfast.predict.together import Flow, between, last_end

JUMBO_GOODPUT = 0.99
"""Payload of TCP over Ethernet with an MTU of 9000: 8948/9038."""

SHARED_SHARE = 0.5
"""What counts of a link that also has to carry another network when that one fails over to it: two networks
stand in for each other only while neither fills more than half."""

HELPED = 0.8
"""A span that a new link leaves above that share of what it was is not helped."""


@dataclass(frozen=True, slots=True)
class Link:
    """A migration link that is thought of: nominal speed, and what becomes of it."""

    bits_per_second: int
    jumbo_frames: bool = False
    shared: bool = False

    @property
    def counted_bits_per_second(self) -> int:
        """The speed of a plain dedicated link that carries as much; at least 1."""
        gain = JUMBO_GOODPUT / GOODPUT if self.jumbo_frames else 1.0
        return max(1, round(self.bits_per_second * gain * (SHARED_SHARE if self.shared else 1.0)))

    @property
    def beyond_one_stream(self) -> bool:
        """Whether one migration can't fill it."""
        carries = GOODPUT * self.counted_bits_per_second / 8
        return Engine().sending_bytes_per_second(Path(carries)) < carries


@dataclass(frozen=True, slots=True)
class VmChange:
    """One VM's move with the link to itself, now and then."""

    vm: Vm
    now: Prediction
    then: Prediction
    advice: tuple[str, ...] = ()
    """What would make it keep its black-out budget on the present link, best first; none if it does."""

    @property
    def fixed_blackout_seconds(self) -> float:
        """Of its black-out now, what depends on no link."""
        return max(0.0, self.now.blackout_seconds - self.now.switch_seconds)

    @property
    def blackout_helped(self) -> bool:
        """Whether the black-out gets shorter worth speaking of, or one that never came would come."""
        if self.now.converges != self.then.converges:
            return self.then.converges
        return self.then.blackout_seconds < HELPED * self.now.blackout_seconds


@dataclass(frozen=True, slots=True)
class HostChange:
    """Emptying one host; None where one of its VMs does not converge: that drain has no end."""

    host: Host
    vms: int
    now_seconds: float | None
    then_seconds: float | None


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Both, in the order of the snapshot. Hosts and VMs that can't be moved from or to are left out."""

    link: Link
    hosts: tuple[HostChange, ...]
    vms: tuple[VmChange, ...]


def what_if(snapshot: Snapshot, link: Link, budgets: Mapping[VmId, float], *, at_once: int) -> WhatIf:
    """Predict all moves of running VMs now and over `link`; `budgets` are black-out budgets in seconds."""
    there = [host for host in snapshot.hosts if host.reachable]
    changed = {
        host.id: replace(host, migration_bits_per_second=link.counted_bits_per_second) for host in there
    }
    hosts, vms = [], []
    for source in there:
        others = sorted(
            (host for host in there if host.id != source.id),
            key=lambda host: -goodput_bytes_per_second(source, host),
        )
        if not others:
            continue
        moves: list[VmChange] = []
        ways: list[tuple[Vm, Host]] = []
        for vm in snapshot.vms_on(source.id):
            if vm.state is not VmState.RUNNING or vm.passthrough:
                continue
            told = replace(vm, blackout_budget_seconds=budgets.get(vm.id, vm.blackout_budget_seconds))
            target = others[len(moves) % len(others)]
            now = predict_move(told, source, target, learnt=snapshot.learnt)
            then = predict_move(told, changed[source.id], changed[target.id], learnt=snapshot.learnt)
            moves.append(VmChange(vm, now, then, _advice(told, source, target, now, snapshot.learnt)))
            ways.append((told, target))
        hosts.append(
            HostChange(
                source,
                len(moves),
                _drain(source, ways, there, snapshot.learnt, at_once),
                _drain(changed[source.id], ways, list(changed.values()), snapshot.learnt, at_once),
            )
        )
        vms += moves
    return WhatIf(link, tuple(hosts), tuple(vms))


def _advice(vm: Vm, source: Host, target: Host, now: Prediction, learnt: Learnt | None) -> tuple[str, ...]:
    budget = vm.blackout_budget_seconds
    if not budget or (now.converges and now.blackout_p95_seconds <= budget):
        return ()
    return assess(vm, source, target, budget_seconds=budget, learnt=learnt).advice


def _drain(
    source: Host, ways: list[tuple[Vm, Host]], hosts: list[Host], learnt: Learnt | None, at_once: int
) -> float | None:
    """Seconds until the last of these VMs has gone its way; None where one does not converge, sharing."""
    known = {host.id: host for host in hosts}

    def at(vm: Vm, target: Host, share: float) -> Prediction:
        return predict_move(vm, source, known[target.id], share=share, learnt=learnt)

    def flow(vm: Vm, target: Host) -> Flow:
        return Flow(source.id, target.id, lambda share: _seconds(at(vm, target, share)))

    flown = between(hosts, [flow(*way) for way in ways], at_once=at_once)
    if not all(at(*way, each.share).converges for way, each in zip(ways, flown, strict=True)):
        return None
    return last_end(flown)


def _seconds(predicted: Prediction) -> float:
    return predicted.brownout_seconds + predicted.blackout_seconds
