"""The least that drives a simulated world: one plan, carried out step by step without any cleverness."""

from __future__ import annotations

from dataclasses import replace

from standfast.model.cluster import Snapshot
from standfast.model.errors import UnreachableError
from standfast.model.hostwork import WorkKind, WorkOrder, WorkPhase, WorkState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, OutcomeKind
from standfast.model.plan import Plan
from standfast.platforms.simulated import FileWorld, SimWorld
from standfast.ports import Fencing

RUN = RunId("01JXAMPLE0000000000000RUN1")
US = Fencing(RUN, 1)

World = SimWorld | FileWorld


def whole(world: World) -> Snapshot:
    """A snapshot with facts and updates of every host that answers."""
    seen = world.platform.observe()
    hosts = tuple(
        replace(host, facts=world.work.look(host.id), updates=world.work.scan(host.id, refresh=True))
        if host.reachable
        else host
        for host in seen.hosts
    )
    return replace(seen, hosts=hosts)


def order(vm: VmId, source: HostId, target: HostId, name: str = "m1") -> MoveOrder:
    return MoveOrder(MoveId(name), vm, source, target, timeout_seconds=300.0)


def move(world: World, vm: str, target: str, name: str = "m1") -> MoveOrder:
    """Order a move by names; it is under way afterwards."""
    vm_id = world.vm_id(vm)
    there = world.platform.observe().vm(vm_id)
    assert there is not None
    given = order(vm_id, there.host, world.host_id(target), name)
    world.platform.start_move(given)
    return given


def wait(world: World, given: MoveOrder, limit: float = 600.0) -> MoveOutcome:
    """Let time go on until the move has ended."""
    end = world.clock.now() + limit
    while world.clock.now() < end:
        outcome = world.platform.move_outcome(given)
        if outcome.kind is not OutcomeKind.RUNNING:
            return outcome
        world.clock.sleep(1.0)
    return world.platform.move_outcome(given)


def begin(world: World, kind: WorkKind, host: str, attempt: int = 1, epoch: int = 1) -> WorkOrder:
    given = WorkOrder(kind, world.host_id(host), RUN, epoch, attempt)
    world.work.begin(given)
    return given


def state_of(world: World, given: WorkOrder) -> WorkState:
    found = world.work.look(given.host).work(given.unit)
    assert found is not None
    return found


def finish(world: World, given: WorkOrder, limit: float = 600.0) -> WorkState:
    """Let time go on until the unit has ended."""
    end = world.clock.now() + limit
    while world.clock.now() < end:
        try:
            found = state_of(world, given)
        except UnreachableError:
            found = None
        if found is not None and found.phase is not WorkPhase.RUNNING:
            return found
        world.clock.sleep(1.0)
    raise AssertionError(f"{given.unit} did not end")


def evacuate(world: World, host: str, target: str) -> None:
    """Move all VMs away, one after another."""
    source = world.host_id(host)
    for number, vm in enumerate(world.platform.observe().vms_on(source)):
        given = order(vm.id, source, world.host_id(target), f"{host}-{number}")
        world.platform.start_move(given)
        assert wait(world, given).kind is OutcomeKind.SUCCEEDED


def carry_out(world: World, plan: Plan) -> int:
    """The whole plan; returns how many moves were made."""
    count = 0
    for step in plan.steps:
        world.fence.cordon(step.host, US)
        for planned in step.moves:
            count += _move(world, order(planned.vm, planned.source, planned.target, f"m{count}"))
        for kind in WorkKind:
            finish(world, begin(world, kind, step.name))
        assert world.work.scan(step.host, refresh=False).compliant
        world.fence.uncordon(step.host, US)
    for planned in plan.rebalance:
        count += _move(world, order(planned.vm, planned.source, planned.target, f"m{count}"))
    return count


def _move(world: World, given: MoveOrder) -> int:
    world.platform.start_move(given)
    outcome = wait(world, given)
    assert outcome.kind is OutcomeKind.SUCCEEDED, outcome
    return 1
