"""Migrations on virtual links: rounds of pre-copy over shares of a link, then a short dark leg."""

from __future__ import annotations

from standfast.model.ids import VmId
from standfast.model.moves import MoveOutcome, MoveRecord, OutcomeKind
from standfast.platforms.simulated import judge, links
from standfast.platforms.simulated.state import Leg, SimFlight, SimVm, State

SETUP_SECONDS = 0.3
SWITCHOVER_SECONDS = 0.03
DOWNTIME_LIMIT_SECONDS = 0.3
"""QEMU's default: switch over when what is left takes no longer."""

THROTTLE_FIRST, THROTTLE_STEP, THROTTLE_MAX = 0.20, 0.10, 0.99
"""Auto-converge as in QEMU: vCPUs slowed by 20 %, then 10 % more each time, at most 99 %."""


def flying(state: State) -> list[SimVm]:
    """VMs on their way, in the order in which they left."""
    return [state.vms[vm] for vm in state.in_flight]


def rates(state: State, vms: list[SimVm]) -> dict[VmId, float]:
    """Bytes per second of each migration that copies."""
    copying = (
        (vm.base.id, vm.host, vm.flight.target)
        for vm in vms
        if vm.flight is not None and vm.flight.leg is Leg.COPY
    )
    return links.rates(state, copying)


def wakings(state: State) -> list[float]:
    """When stalled migrations go on."""
    flights = [vm.flight for vm in flying(state) if vm.flight is not None]
    return [flight.goes_on_at for flight in flights if flight.stalled and flight.goes_on_at is not None]


def cut_times(state: State) -> list[float]:
    """When hosts can no longer reach each other, and when they can again."""
    spans = (span for host in state.hosts.values() for span in host.faults.cut_off_from)
    return [at for _, *ends in spans for at in ends if at > state.now]


def wake(state: State) -> None:
    """Stalled migrations whose time has come copy from now on."""
    for vm in flying(state):
        flight = vm.flight
        if flight is not None and flight.goes_on_at is not None and flight.goes_on_at <= state.now:
            flight.stalled, flight.goes_on_at = False, None


def next_at(state: State, vm: SimVm, rate: float) -> float | None:
    """When this migration's leg or round ends at the present rate; None if never."""
    flight = vm.flight
    assert flight is not None
    if flight.leg is not Leg.COPY:
        return flight.until
    return state.now + flight.left_bytes / rate if rate > 0 else None


def begin(state: State, vm: SimVm, flight: SimFlight) -> None:
    """Lift off. The faults of the VM and of both hosts are taken here."""
    source, target = state.hosts[vm.host].faults, state.hosts[flight.target].faults
    for holder, name in ((vm, "fail_moves"), (source, "fail_moves_out"), (target, "fail_moves_in")):
        if getattr(holder, name) > 0 and not flight.fails:
            setattr(holder, name, getattr(holder, name) - 1)
            flight.fails = True
    if vm.stall_moves > 0:
        vm.stall_moves -= 1
        flight.stalled = True
        flight.goes_on_at = None if vm.stall_seconds is None else state.now + vm.stall_seconds
    state.lift(vm, flight)
    state.note(f"{vm.base.name} leaves {state.host_name(vm.host)} for {state.host_name(flight.target)}")
    judge.arrived(state, vm, flight.target)
    if flight.order is not None:
        state.orders[flight.order] = MoveOutcome(OutcomeKind.RUNNING)
        judge.move_began(state, vm, flight.target)


def leg_ended(state: State, vm: SimVm, rate: float) -> None:
    """Set-up is over, or a round, or the dark leg."""
    flight = vm.flight
    assert flight is not None
    if flight.leg is Leg.SETUP:
        flight.leg, flight.round_began = Leg.COPY, state.now
    elif flight.leg is Leg.DARK:
        _land(state, vm, flight)
    elif flight.fails:
        end(state, vm, "simulated failure of the migration")
    else:
        _round_ended(state, vm, flight, rate)


def _round_ended(state: State, vm: SimVm, flight: SimFlight, rate: float) -> None:
    span = state.now - flight.round_began
    dirty = 2 * rate if vm.never_converges else vm.dirty
    memory = float(vm.base.memory_bytes)
    dirtied = min(memory, dirty * (1 - flight.throttle) * span)
    limit = DOWNTIME_LIMIT_SECONDS
    if flight.budget_seconds is not None:
        limit = max(0.01, min(limit, flight.budget_seconds - SWITCHOVER_SECONDS))
    if flight.allowed_seconds is not None:
        limit = max(limit, flight.allowed_seconds - SWITCHOVER_SECONDS)
    if dirtied <= rate * limit:
        flight.leg, flight.blackout_seconds = Leg.DARK, SWITCHOVER_SECONDS + dirtied / rate
        flight.until = state.now + flight.blackout_seconds
        flight.sent_bytes += dirtied
        return
    if flight.auto_converge and dirtied > 0.5 * rate * span:
        more = flight.throttle + THROTTLE_STEP if flight.throttle else THROTTLE_FIRST
        flight.throttle = min(THROTTLE_MAX, more)
    flight.left_bytes, flight.round_began = dirtied, state.now
    flight.rounds += 1


def _land(state: State, vm: SimVm, flight: SimFlight) -> None:
    total = state.now - flight.started_at
    record = MoveRecord(
        total_seconds=total,
        setup_seconds=SETUP_SECONDS,
        brownout_seconds=total - SETUP_SECONDS - flight.blackout_seconds,
        blackout_seconds=flight.blackout_seconds,
        wire_bytes=round(flight.sent_bytes),
        memory_bytes=vm.base.memory_bytes,
        rounds=flight.rounds,
        evidence="simulated world",
    )
    state.unlift(vm)
    state.place(vm, flight.target, vm.state)
    vm.moved += 1
    if flight.order is not None:
        state.orders[flight.order] = MoveOutcome(OutcomeKind.SUCCEEDED, record)
    state.note(f"{vm.base.name} runs on {state.host_name(vm.host)}")
    judge.went_dark(state, vm, flight.blackout_seconds)


def end(state: State, vm: SimVm, why: str) -> None:
    """The migration ends without success: the VM runs on where it was."""
    flight = vm.flight
    if flight is None:
        return
    state.unlift(vm)
    if flight.order is not None:
        state.orders[flight.order] = MoveOutcome(OutcomeKind.FAILED, error=why)
    state.note(f"{vm.base.name} stays on {state.host_name(vm.host)}: {why}")
