"""The world seen through the Protocols of `ports.py`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from standfast.model.cluster import Snapshot, VmState
from standfast.model.errors import OutsideError, UnreachableError
from standfast.model.exam import Exam
from standfast.model.hostwork import Health, HostFacts, Setting, UpdateState, WorkOrder
from standfast.model.ids import HostId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, OutcomeKind
from standfast.model.reasons import Code, Reason
from standfast.platforms.simulated import flights, guard, power
from standfast.platforms.simulated.held import Held
from standfast.platforms.simulated.motion import advance, new_flight
from standfast.platforms.simulated.state import CallFault, State
from standfast.ports import Fencing, Outside

PACED_SLICE_SECONDS = 0.05
"""Real seconds between two steps of a paced sleep."""


class Facet:
    """Lends the world for one call and lets call faults strike before or after it."""

    def __init__(self, held: Held) -> None:
        self._held = held

    @contextmanager
    def _call(
        self, name: str, host: HostId | None = None, *, write: bool = False, ask: bool = True
    ) -> Iterator[State]:
        """One call. With `ask`, the host must be reachable. Raises UnreachableError."""
        with self._held.open(write=write) as state:
            _strike(state, name, host, after=False)
            if ask and host is not None:
                if host not in state.hosts:
                    raise OutsideError("no_such_host", "no such host", where=str(host))
                if not state.reachable(host):
                    raise UnreachableError("unreachable", "no answer", where=state.host_name(host))
            yield state
            _strike(state, name, host, after=True)


def _strike(state: State, name: str, host: HostId | None, *, after: bool) -> None:
    for fault in state.call_faults:
        if _fits(fault, name, host) and fault.after is after:
            fault.left -= 1
            when = "after" if after else "before"
            raise UnreachableError(
                "simulated_fault",
                f"{name} failed {when} it acted",
                where=state.host_name(host) if host else "",
            )


def _fits(fault: CallFault, name: str, host: HostId | None) -> bool:
    return fault.left > 0 and fault.name == name and fault.host in (None, host)


class SimPlatform(Facet):
    """`ports.Platform`."""

    def observe(self) -> Snapshot:
        with self._call("observe") as state:
            return self._held.view.snapshot(state)

    def check_move(self, vm: VmId, target: HostId) -> tuple[Reason, ...]:
        with self._call("check_move", target, ask=False) as state:
            return tuple(_against(state, vm, target))

    def start_move(self, order: MoveOrder) -> None:
        """Raises where the source or the VM is at fault; what the target refuses is a failed outcome."""
        with self._call("start_move", order.source, write=True) as state:
            vm = state.vms.get(order.vm)
            if vm is None or vm.host != order.source or vm.state is not VmState.RUNNING:
                raise OutsideError(
                    "vm_not_there", "the VM does not run here", where=state.host_name(order.source)
                )
            if vm.flight is not None:
                raise OutsideError("vm_busy", "a migration is under way", where=vm.base.name)
            refusal = next(_against(state, order.vm, order.target), None)
            if refusal is not None:
                state.orders[order.id] = MoveOutcome(OutcomeKind.FAILED, error=refusal.sentence)
                return
            flight = new_flight(state, order.vm, order.target)
            flight.order, flight.auto_converge = order.id, order.auto_converge
            flight.budget_seconds = order.blackout_budget_seconds
            flights.begin(state, vm, flight)

    def move_outcome(self, order: MoveOrder) -> MoveOutcome:
        with self._call("move_outcome", order.source, ask=False) as state:
            return state.orders.get(order.id, MoveOutcome(OutcomeKind.UNKNOWN))

    def cancel_move(self, order: MoveOrder) -> None:
        with self._call("cancel_move", order.source, write=True) as state:
            vm = state.vms.get(order.vm)
            # A hypervisor ends the VM's migration out of that host, whoever began it.
            if vm is not None and vm.flight is not None and vm.host == order.source:
                flights.end(state, vm, "cancelled")

    def allow_blackout(self, order: MoveOrder, seconds: float) -> None:
        with self._call("allow_blackout", order.source, write=True) as state:
            vm = state.vms.get(order.vm)
            if vm is not None and vm.flight is not None and vm.host == order.source:
                vm.flight.allowed_seconds = seconds
                state.note(f"{vm.base.name} may be dark for {seconds:.1f} s")

    def shutdown(self, vm: VmId, host: HostId, *, force: bool = False) -> None:
        with self._call("shutdown", host, write=True) as state:
            power.shutdown(state, vm, host, force=force)

    def start(self, vm: VmId, host: HostId) -> None:
        with self._call("start", host, write=True) as state:
            power.start(state, vm, host)

    def close(self) -> None:
        """Nothing to let go."""


def _against(state: State, vm_id: VmId, target: HostId) -> Iterator[Reason]:
    """What the platform itself has against a move; it knows nothing of rules or ceilings."""
    vm, host = state.vms.get(vm_id), state.hosts.get(target)
    if vm is None or host is None:
        yield Reason(Code.NO_TARGET, "There is no such VM or host.", vm=vm_id, host=target)
        return
    if not state.reachable(target):
        yield Reason(Code.TARGET_UNREACHABLE, f"{host.base.name} does not answer.", host=target, vm=vm_id)
    if host.cordoned_by:
        yield Reason(
            Code.TARGET_CORDONED,
            f"{host.base.name} is cordoned by {host.cordoned_by} and lets no VM in.",
            host=target,
            vm=vm_id,
        )
    if not host.hypervisor_up:
        yield Reason(
            Code.TARGET_UNREACHABLE,
            f"The hypervisor of {host.base.name} does not answer.",
            host=target,
            vm=vm_id,
        )


class SimFence(Facet):
    """`ports.Fence`."""

    def cordon(self, host: HostId, by: Fencing, *, admit: frozenset[VmId] = frozenset()) -> None:
        with self._call("cordon", host, write=True) as state:
            guard.cordon(state, host, by.run, by.epoch, admit)

    def uncordon(self, host: HostId, by: Fencing) -> None:
        with self._call("uncordon", host, write=True) as state:
            guard.uncordon(state, host, by.run, by.epoch)

    def settings(self, host: HostId) -> tuple[Setting, ...]:
        with self._call("settings", host) as state:
            about = state.hosts[host]
            return tuple(
                Setting(host, name, about.settings[name], during)
                for name, during in about.settings_during.items()
                if about.settings[name] != during
            )

    def apply_setting(self, setting: Setting, by: Fencing) -> None:
        self._set("apply_setting", setting, setting.during, by)

    def give_back(self, setting: Setting, by: Fencing) -> None:
        self._set("give_back", setting, setting.before, by)

    def _set(self, name: str, setting: Setting, value: str, by: Fencing) -> None:
        with self._call(name, setting.host, write=True) as state:
            host = state.hosts[setting.host]
            guard.check_epoch(host, by.epoch)
            host.settings[setting.name] = value
            state.note(f"{setting.name} on {host.base.name} is {value}")


class SimWorkFacet(Facet):
    """`ports.HostWork`."""

    def look(self, host: HostId) -> HostFacts:
        with self._call("look", host) as state:
            return guard.facts(state, state.hosts[host])

    def scan(self, host: HostId, *, refresh: bool) -> UpdateState:
        with self._call("scan", host) as state:
            return guard.scan(state, state.hosts[host])

    def begin(self, order: WorkOrder) -> None:
        with self._call("begin", order.host, write=True) as state:
            guard.begin(state, order)

    def health(self, host: HostId) -> Health:
        with self._call("health", host) as state:
            return guard.health(state.hosts[host])


class SimExaminer(Facet):
    """`ports.Examiner`: hosts without other hands, whose ways are open wherever both ends answer."""

    def examine(self, hosts: Sequence[HostId], files: Sequence[str]) -> tuple[Exam, ...]:
        with self._held.open(write=False) as state:
            return tuple(guard.exam(state, host, files) for host in hosts)


class SimClock:
    """`ports.Clock` on the world's own time, which goes on only while somebody sleeps."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def now(self) -> float:
        with self._held.open(write=False) as state:
            return state.now

    def elapsed(self) -> float:
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Let time go on. With a pace it takes `seconds / pace` of real time, in small steps.

        Two that sleep at once do not add up: each only sees to it that its own end is reached.
        """
        with self._held.open(write=False) as state:
            end, pace = state.now + max(0.0, seconds), state.pace
        at = end if pace is None else end - seconds
        while True:
            if pace is not None:
                step = min(end - at, PACED_SLICE_SECONDS * pace)
                time.sleep(step / pace)
                at += step
            with self._held.open() as state:
                advance(state, max(at, state.now))
            if at >= end - 1e-9:
                return


def build(held: Held, names: Mapping[HostId, str]) -> Outside:
    """All facets of one world as the run takes them."""
    return Outside(
        platform=SimPlatform(held),
        fence=SimFence(held),
        work=SimWorkFacet(held),
        clock=SimClock(held),
        names=names,
        examiner=SimExaminer(held),
    )
