"""A second opinion on any plan, ours or another's: walk it and list everything that would break a rule.

Written against the model alone. It shares no code with the planner, so that one mistake can't hide in both. A
plan of another tool is told as `Stage`s: hosts that are out, and moves with or without times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from standfast.model.cluster import Host, Snapshot, Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.plan import Plan, PlannedMove
from standfast.model.unmovable import Handling, PlannedStop
from standfast.plan.checker_reserve import Losses
from standfast.plan.checker_words import Hop, Kind, Limits, Stage, Verdict, Violation

GRAIN_SECONDS = 1e-4
"""A start that is earlier than an end by less than this comes after it: times in plans are rounded."""


def violations(plan: Plan, snapshot: Snapshot) -> tuple[str, ...]:
    """Every violation of `plan`, carried out from `snapshot`, as a sentence; empty if there is none."""
    limits = Limits(_widest(plan, snapshot), plan.policy.moves_at_once)
    astray = [
        f"{move.vm_name} is moved off {step.name}, where it is not"
        for step in plan.steps
        for move in step.moves
        if move.source != step.host
    ]
    found = walk(stages_of(plan), snapshot, limits).violations
    return (*astray, *(each.sentence for each in found))


def stages_of(plan: Plan) -> tuple[Stage, ...]:
    """The plan in the checker's own words: its waves, then the final spreading."""
    waves = [
        Stage(
            tuple(step.host for step in wave.hosts),
            tuple(_hop(move) for step in wave.hosts for move in step.moves),
            tuple((step.host, stop) for step in wave.hosts for stop in step.stops),
        )
        for wave in plan.waves
    ]
    last = Stage((), tuple(_hop(move) for move in plan.rebalance))
    return (*waves, last) if last.hops else tuple(waves)


def walk(stages: Sequence[Stage], snapshot: Snapshot, limits: Limits | None = None) -> Verdict:
    """Carry the stages out from `snapshot` and judge every state on the way.

    In every state: memory ceilings with a VM in flight counted on both ends; anti-affinity at both ends and
    in the air; fault domains; pins; CPU, machine type, networks, names; limits of hosts and policy where
    times are given. Of every stage: its hosts empty when patched, none of them a target, groups keep their
    majority elsewhere, and any `reserve_hosts` more may be lost. What a host or a rule suffers from before
    the plan begins is not the plan's.
    """
    return _Walk(snapshot, limits or Limits()).all(stages)


def _widest(plan: Plan, snapshot: Snapshot) -> int:
    policy = plan.policy
    share = int(policy.wave_hosts_fraction * len(snapshot.hosts))
    return max(1, min(policy.wave_hosts_max, max(2, share)))


def _hop(move: PlannedMove) -> Hop:
    length = move.predicted.brownout_seconds + move.predicted.blackout_seconds
    return Hop(move.vm, move.source, move.target, move.start_seconds, length)


@dataclass
class _Walk:
    snapshot: Snapshot
    limits: Limits
    found: list[Violation] = field(default_factory=list)

    def __post_init__(self) -> None:
        snapshot = self.snapshot
        self.hosts: dict[HostId, Host] = {host.id: host for host in snapshot.hosts}
        self.vms: dict[VmId, Vm] = {}
        self.at: dict[VmId, HostId] = {}
        self.held: dict[HostId, int] = dict.fromkeys(self.hosts, 0)
        self.inside: dict[HostId, set[VmId]] = {host: set() for host in self.hosts}
        self.flying: dict[VmId, HostId] = {}
        self.leaving: dict[HostId, int] = dict.fromkeys(self.hosts, 0)
        self.coming: dict[HostId, int] = dict.fromkeys(self.hosts, 0)
        for vm in snapshot.vms:
            if vm.state not in (VmState.SHUT_OFF, VmState.INCOMING) and vm.host in self.hosts:
                self.vms[vm.id], self.at[vm.id] = vm, vm.host
                self.held[vm.host] += vm.memory_bytes
                self.inside[vm.host].add(vm.id)
        self.groups: dict[VmId, list[int]] = {}
        self.rules = [(rule.name, rule.vms & self.vms.keys()) for rule in snapshot.rules.anti_affinity]
        for number, (_, members) in enumerate(self.rules):
            for member in members:
                self.groups.setdefault(member, []).append(number)
        self.pins: dict[VmId, frozenset[HostId]] = {}
        for pin in snapshot.rules.pins:
            self.pins[pin.vm] = self.pins.get(pin.vm, pin.hosts) & pin.hosts
        self.taken = _names(snapshot)
        self.fits: dict[object, bool] = {}
        self.losses = Losses(snapshot, self.vms, self.at, self.inside, self.could_run)
        self.patched: set[HostId] = set()
        self.peak, self.moved = 0.0, 0

    def all(self, stages: Sequence[Stage]) -> Verdict:
        self.to_come = {host for stage in stages for host in stage.out}
        most = 0
        for stage in stages:
            self._stage(stage)
            most = max(most, len(stage.out))
        moves = sum(len(stage.hops) for stage in stages)
        return Verdict(tuple(self.found), moves, self.moved, self.peak, most, len(stages))

    def say(self, kind: Kind, sentence: str) -> None:
        self.found.append(Violation(kind, sentence))

    def name(self, host: HostId) -> str:
        return self.hosts[host].name if host in self.hosts else str(host)

    # --- one stage --------------------------------------------------------------------------------------

    def _stage(self, stage: Stage) -> None:
        out = frozenset(stage.out)
        names = ", ".join(self.name(host) for host in stage.out)
        allowed = self.limits.hosts_out
        if allowed is not None and len(out) > allowed:
            self.say(Kind.WIDTH, f"{len(out)} hosts are out together, and {allowed} may be")
        self._majorities(stage.out)
        self._moves(stage, out)
        off = [(host, stop.vm) for host, stop in stage.stops if self._may_stop(host, stop)]
        for host, vm in off:
            self._switch(vm, host, on=False)
        for host in stage.out:
            left = sorted(self.vms[vm].name for vm in self.inside.get(host, ()))
            if left:
                self.say(Kind.LEFT_BEHIND, f"{self.name(host)} is patched with {', '.join(left)} on it")
        if stage.out:
            self._reserve(f"while {names} {'is' if len(out) == 1 else 'are'} out", out)
        for host, vm in off:
            self._switch(vm, host, on=True)
        self.patched |= out
        self.to_come -= out

    def _may_stop(self, host: HostId, stop: PlannedStop) -> bool:
        """Whether the VM is there, can't be moved, and its owner said what becomes of it."""
        vm = self.vms.get(stop.vm)
        if vm is None or vm.id not in self.inside.get(host, ()):
            sentence = f"{stop.vm_name} is shut down on {self.name(host)}, where it is not"
            self.say(Kind.STOPPED, sentence)
            return False
        local = any(not disk.shared for disk in vm.disks)
        pinned = any(pin.vm == vm.id and pin.hosts == {host} for pin in self.snapshot.rules.pins)
        if not (local or pinned or vm.passthrough or vm.unsupported):
            self.say(Kind.STOPPED, f"{vm.name} is shut down on {self.name(host)} and could be moved")
        if stop.said.vm != vm.id or stop.said.handling is Handling.SKIP:
            self.say(Kind.STOPPED, f"{vm.name} is shut down on {self.name(host)} without consent")
        return True

    def _switch(self, vm: VmId, host: HostId, *, on: bool) -> None:
        """A VM that stays on its host holds no memory and needs no place while it is off."""
        (self.inside[host].add if on else self.inside[host].discard)(vm)
        self.held[host] += self.vms[vm].memory_bytes if on else -self.vms[vm].memory_bytes
        self.losses.switched(vm, host, on=on)

    def _majorities(self, out: Sequence[HostId]) -> None:
        """Hosts that go together may hold one member of a group, or fewer than half of them."""
        if len(out) < 2:
            return
        holding: dict[int, int] = {}
        for host in out:
            numbers = {number for vm in self.inside.get(host, ()) for number in self.groups.get(vm, ())}
            for number in numbers:
                holding[number] = holding.get(number, 0) + 1
        for number, count in sorted(holding.items()):
            rule, members = self.rules[number]
            if count > 1 and 2 * count >= len(members):
                names = ", ".join(self.name(host) for host in out if self._holds(host, members))
                self.say(Kind.OUT_TOGETHER, f"{names} go together with {count} of {len(members)} of {rule}")

    def _holds(self, host: HostId, members: frozenset[VmId]) -> bool:
        return not self.inside.get(host, set()).isdisjoint(members)

    def _moves(self, stage: Stage, out: frozenset[HostId]) -> None:
        """Starts and ends in the order of time; moves without times one after another."""
        events: list[tuple[float, int, int]] = []
        for index, hop in enumerate(stage.hops):
            if hop.start is None:
                self._take_off(hop, out, timed=False)
                if not out:
                    self._reserve(f"while {self._vm_name(hop.vm)} is in flight", frozenset())
                self._touch_down(hop)
            else:
                end = max(hop.start + hop.seconds - GRAIN_SECONDS, hop.start + GRAIN_SECONDS / 2)
                events += [(hop.start, 1, index), (end, 0, index)]
        for _, starts, index in sorted(events):
            hop = stage.hops[index]
            if not starts:
                self._touch_down(hop)
                continue
            self._take_off(hop, out, timed=True)
            if not out:
                self._reserve(f"while {self._vm_name(hop.vm)} is in flight", frozenset())

    def _vm_name(self, vm: VmId) -> str:
        return self.vms[vm].name if vm in self.vms else str(vm)

    # --- one move ---------------------------------------------------------------------------------------

    def _take_off(self, hop: Hop, out: frozenset[HostId], *, timed: bool) -> None:
        vm = self.vms.get(hop.vm)
        if vm is None or self.at[hop.vm] != hop.source:
            name, source = self._vm_name(hop.vm), self.name(hop.source)
            self.say(Kind.NOT_THERE, f"{name} is moved from {source}, where it is not")
            return
        if hop.vm in self.flying:
            self.say(Kind.IN_FLIGHT, f"{vm.name} is moved while it is in flight")
            return
        if hop.target == hop.source or hop.target not in self.hosts:
            self.say(Kind.NO_TARGET, f"{vm.name} is moved to {self.name(hop.target)}, which is no target")
            return
        self.found.extend(self._against(vm, hop, out))
        self.flying[vm.id] = hop.target
        self.held[hop.target] += vm.memory_bytes
        self.leaving[hop.source] += 1
        self.coming[hop.target] += 1
        self.losses.flies(vm.id, hop.target)
        self.moved += vm.memory_bytes
        memory = self.hosts[hop.target].memory_bytes
        self.peak = max(self.peak, self.held[hop.target] / memory if memory else 1.0)
        if timed:
            self._count(vm, hop)

    def _touch_down(self, hop: Hop) -> None:
        if self.flying.get(hop.vm) != hop.target or self.at.get(hop.vm) != hop.source:
            return
        del self.flying[hop.vm]
        vm = self.vms[hop.vm]
        self.held[hop.source] -= vm.memory_bytes
        self.leaving[hop.source] -= 1
        self.coming[hop.target] -= 1
        self.inside[hop.source].discard(vm.id)
        self.inside[hop.target].add(vm.id)
        self.at[vm.id] = hop.target
        self.losses.landed(vm.id, hop.source, hop.target)

    def _against(self, vm: Vm, hop: Hop, out: frozenset[HostId]) -> Iterator[Violation]:
        host = self.hosts[hop.target]
        if host.id in out:
            yield Violation(Kind.TARGET_OUT, f"{vm.name} goes to {host.name} during its turn")
        if not host.reachable or host.cordoned:
            yield Violation(Kind.TARGET_CLOSED, f"{vm.name} goes to {host.name}, which takes no VMs")
        held = self.held[host.id] + vm.memory_bytes
        if held > self.snapshot.rules.memory_ceiling * host.memory_bytes:
            sentence = f"{host.name} holds {held} of {host.memory_bytes} bytes with {vm.name}"
            yield Violation(Kind.MEMORY, sentence)
        if vm.id in self.pins and host.id not in self.pins[vm.id]:
            yield Violation(Kind.PIN, f"{vm.name} goes to {host.name} against its pin")
        elif not self.could_run(vm, host.id):
            yield Violation(Kind.UNFIT, f"{vm.name} goes to {host.name}, which can't run it")
        if hop.source in self.patched and host.id in self.to_come:
            sentence = (
                f"{vm.name} goes from {self.name(hop.source)}, patched, to {host.name}, not yet patched"
            )
            yield Violation(Kind.BACKWARDS, sentence)
        if any(
            other != vm.id and self._place(other, at) == host.id for other, at in self.taken.get(vm.name, ())
        ):
            yield Violation(Kind.NAME, f"{vm.name} goes to {host.name}, where its name is taken")
        yield from self._groups(vm, hop)

    def _place(self, other: VmId, at: HostId) -> HostId:
        return self.at.get(other, at)

    def _groups(self, vm: Vm, hop: Hop) -> Iterator[Violation]:
        for number in self.groups.get(vm.id, ()):
            rule, members = self.rules[number]
            for other in sorted(members - {vm.id}):
                name = self.vms[other].name
                if hop.target in (self.at[other], self.flying.get(other)):
                    sentence = f"{vm.name} meets {name} on {self.name(hop.target)} against {rule}"
                    yield Violation(Kind.ANTI_AFFINITY, sentence)
                if other in self.flying:
                    yield Violation(Kind.IN_FLIGHT, f"{vm.name} and {name} of {rule} fly together")
            own = self.hosts[hop.source].fault_domain or hop.source
            new = self.hosts[hop.target].fault_domain or hop.target
            others = {
                self.hosts[self.at[other]].fault_domain or self.at[other] for other in members - {vm.id}
            }
            if own not in others and new in others and hop.target not in others:
                yield Violation(
                    Kind.FAULT_DOMAIN,
                    f"{vm.name} goes to {self.name(hop.target)}, and {rule} covers less than before",
                )

    def _count(self, vm: Vm, hop: Hop) -> None:
        source, target = self.hosts[hop.source], self.hosts[hop.target]
        if self.leaving[source.id] > source.limits.outbound:
            self.say(Kind.LIMIT, f"{source.name} sends {self.leaving[source.id]} VMs at once")
        if self.coming[target.id] > target.limits.inbound:
            self.say(Kind.LIMIT, f"{target.name} receives {self.coming[target.id]} VMs at once")
        most = self.limits.moves_at_once
        if most is not None and len(self.flying) > most:
            self.say(Kind.LIMIT, f"{len(self.flying)} VMs are in flight at once, {vm.name} the last of them")

    # --- rules and reserve ------------------------------------------------------------------------------

    def could_run(self, vm: Vm, target: HostId) -> bool:
        """Pins, networks, machine type, CPU architecture and model."""
        if vm.id in self.pins and target not in self.pins[vm.id]:
            return False
        key = (vm.cpu, vm.machine_type, vm.networks, target)
        if key not in self.fits:
            self.fits[key] = _fits(vm, self.hosts[target])
        return self.fits[key]

    def _reserve(self, when: str, out: frozenset[HostId]) -> None:
        """Any `reserve_hosts` of the others lost: can all their VMs start elsewhere, to 100 % of memory?"""
        lost = self.losses.harmful(out)
        if lost is not None:
            names = ", ".join(self.name(host) for host in lost)
            self.say(Kind.RESERVE, f"{when}, losing {names} leaves VMs without a place")


def _fits(vm: Vm, host: Host) -> bool:
    if not set(vm.networks) <= host.networks:
        return False
    if vm.machine_type and host.machine_types and vm.machine_type not in host.machine_types:
        return False
    wanted, given = vm.cpu, host.cpu
    if wanted is None or given is None:
        return True
    if wanted.arch != given.arch or (wanted.vendor and given.vendor and wanted.vendor != given.vendor):
        return False
    known = bool(wanted.features) and wanted.features <= given.features
    return not wanted.model or wanted.model == given.model or known


def _names(snapshot: Snapshot) -> Mapping[str, tuple[tuple[VmId, HostId], ...]]:
    """Names that more than one VM has, shut off ones included, with who has them where."""
    found: dict[str, list[tuple[VmId, HostId]]] = {}
    for vm in snapshot.vms:
        if vm.state is not VmState.INCOMING:
            found.setdefault(vm.name, []).append((vm.id, vm.host))
    several: Iterable[tuple[str, list[tuple[VmId, HostId]]]] = found.items()
    return {name: tuple(who) for name, who in several if len({vm for vm, _ in who}) > 1}
