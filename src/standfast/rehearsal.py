"""A whole run on a simulated twin of a cluster: the real controller, in virtual time, with its own store.

Nothing of the cluster is touched and nothing is kept but what is returned: the store lives in a temporary
directory, and the twin in memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from standfast.codec import digest
from standfast.model.cluster import Rules, Snapshot
from standfast.model.errors import StandfastError
from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId, RunId, VmId
from standfast.model.plan import Plan
from standfast.model.run import REHEARSAL, EventRow, Run, RunState
from standfast.model.units import span
from standfast.model.unmovable import Handling
from standfast.platforms.simulated import SimWorld
from standfast.predict.precopy import dirty_rate
from standfast.run.loop import RunLoop
from standfast.store.repository import Store

QUIET_SECONDS = 1800.0
"""A run that waits for its operator is let go on for so long after the last change: hosts past their safe
point are brought to their end meanwhile."""

SLACK_SECONDS = 86_400.0
"""A rehearsal that takes ten times what was planned, and a day, is given up."""

EARLY, LATE = 0.8, 1.3
"""A host's patching and its reboot take between these shares of what was planned, drawn from the seed."""

STAGE_SHARE = 0.25
"""Of what is planned for patching, the part before anything is touched."""

BUSIER = 0.5
"""A VM writes to memory as fast as predictions take it to, give or take this share of it."""

Told = Callable[[Run, float], None]
"""Called after each change with the run and the seconds of its own time that have gone by."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is to go wrong, once each: hosts whose packages fail to install, hosts that don't come back from
    their reboot, VMs whose next move fails."""

    patches: Sequence[HostId] = ()
    reboots: Sequence[HostId] = ()
    moves: Sequence[VmId] = ()


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """The run with its events, as a store tells it; what the twin's own record has against it.

    `broken`: each thing that would have broken a promise. `not_given_back`: what is not as it was.
    """

    run: Run
    events: tuple[EventRow, ...]
    seconds: float
    broken: tuple[str, ...]
    not_given_back: tuple[str, ...]


def rehearse(
    plan: Plan,
    snapshot: Snapshot,
    *,
    seed: int = 0,
    trouble: Trouble = Trouble(),
    told: Told = lambda run, seconds: None,
    actor: str = "rehearsal",
) -> Rehearsed:
    """Carry the plan out on a twin of the snapshot, to its end or until it waits for an operator.

    The same plan, snapshot, seed and trouble give the same course. Raises StandfastError for a run that comes
    to no end.
    """
    world = twin(plan, snapshot, seed=seed, trouble=trouble)
    with TemporaryDirectory(prefix="standfast-rehearsal-") as folder:
        store = Store.open(Path(folder) / "rehearsal.db")
        try:
            began = world.clock.now()
            store.create_run(REHEARSAL, plan, digest(plan), actor, began)
            _drive(store, REHEARSAL, world, plan, told)
            return Rehearsed(
                store.run(REHEARSAL),
                tuple(store.events(REHEARSAL)),
                world.clock.now() - began,
                world.violations,
                world.not_given_back,
            )
        finally:
            store.close()


def twin(plan: Plan, snapshot: Snapshot, *, seed: int = 0, trouble: Trouble | None = None) -> SimWorld:
    """A world like the snapshot in which hosts take about as long as the plan says.

    Owners agree there to just those shutdowns that the plan has a word for.
    """
    world = SimWorld.from_snapshot(snapshot, seed=seed)
    draw = random.Random(f"rehearsal {seed}")
    with world.open() as state:
        for step in plan.steps:
            host = state.hosts[step.host]
            patch = step.patch_seconds * draw.uniform(EARLY, LATE)
            host.stage_seconds, host.patch_seconds = STAGE_SHARE * patch, (1 - STAGE_SHARE) * patch
            if step.reboot_seconds > 0:
                host.boot_seconds = step.reboot_seconds * draw.uniform(EARLY, LATE)
        for vm in state.vms.values():
            vm.dirty = dirty_rate(vm.base) * draw.uniform(1 - BUSIER, 1 + BUSIER)
    for stop in (stop for step in plan.steps for stop in step.stops):
        if stop.said.handling.consents:
            world.agree(stop.vm, forced=stop.said.handling is Handling.FORCE)
    if trouble is not None:
        for failing in trouble.patches:
            world.fail_work(failing, WorkKind.PATCH)
        for lost in trouble.reboots:
            world.never_return(lost)
        for stubborn in trouble.moves:
            world.fail_moves(1, vm=stubborn)
    return world


def _drive(store: Store, name: RunId, world: SimWorld, plan: Plan, told: Told) -> None:
    """Tick by tick, as `serve` does, until the run has ended or has waited for long enough."""

    def rules(_: Snapshot) -> Rules:
        return world_rules

    with world.open(write=False) as state:
        world_rules = state.rules
    began = changed_at = world.clock.now()
    most = began + 10 * plan.predicted_p95_seconds + SLACK_SECONDS
    lease = store.take_lease("rehearsal", began, ttl_seconds=most - began + SLACK_SECONDS)
    assert lease is not None, "nobody else knows this store"
    loop = RunLoop(store, name, world.outside, rules, lambda: lease)
    run = store.run(name)
    while True:
        changed = loop.tick()
        now = world.clock.now()
        if changed:
            changed_at, run = now, store.run(name)
            told(run, now - began)
        elif run.ended or (run.state is RunState.HELD and now - changed_at >= QUIET_SECONDS):
            return
        elif now > most:
            raise StandfastError(
                "rehearsal_endless",
                "the rehearsed run comes to no end",
                why=f"after {span(now - began)} of its time it is still {run.state}",
                do="Send plan and snapshot with a report of this.",
            )
        else:
            world.clock.sleep(plan.policy.tick_seconds)
