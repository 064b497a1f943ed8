"""A whole run of the real controller over a large simulated cluster, as `standfast serve` drives one: every
host patched, every VM moved, judged by the world's own record. CPU seconds, of which the world's own part is
not taken off."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from bench._fleets import paired, policy_for
from bench.claim import Claim, Settings
from standfast.codec import digest
from standfast.model.cluster import Rules, Snapshot
from standfast.model.ids import RunId
from standfast.model.run import Run, RunState
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimWorld
from standfast.run.loop import RunLoop
from standfast.run.observe import observe
from standfast.store.repository import Store

SHORT, FULL = 100, 1_000
"""Hosts, with twenty VMs each."""
FILL, SEED = 0.69, 12
MOST_CPU_SECONDS = {SHORT: 60.0, FULL: 180.0}
RUN = RunId("01WHOLERUN")


def measure(settings: Settings) -> list[Claim]:
    """At 100 hosts, and with `full` at 1,000."""
    found = whole(FULL if settings.full else SHORT)
    most = MOST_CPU_SECONDS[found["hosts"]]
    clean = found["state"] == RunState.COMPLETED and not found["violations"] and not found["still_changed"]
    return [
        Claim(
            f"{found['hosts']:,} hosts, {found['vms']:,} VMs: CPU seconds for a whole run of "
            f"{found['run_seconds'] / 3600:.1f} hours, {found['moves']:,} moves, {found['state']}",
            found["cpu_seconds"],
            {"mean per tick": found["cpu_seconds_per_tick"]},
            f"<= {most:g}, completed, no violation, nothing left changed",
            clean and found["cpu_seconds"] <= most,
            (found,),
        )
    ]


def whole(hosts: int) -> dict[str, Any]:
    """Plan and run it; figures."""
    made = paired(hosts, FILL, SEED)
    world = SimWorld.from_snapshot(made, seed=SEED)
    policy = policy_for(hosts)

    def rules(_: Snapshot) -> Rules:
        return made.rules

    began_cpu, began = time.process_time(), world.clock.now()
    plan = make_plan(observe(world.outside, rules, scan=True), policy, now=began)
    if plan.refusals:
        raise RuntimeError(f"no plan: {plan.refusals[0]}")
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "whole-run.db")
        try:
            store.create_run(RUN, plan, digest(plan), "bench", began)
            lease = store.take_lease("bench", began, ttl_seconds=1e12)
            assert lease is not None
            loop = RunLoop(store, RUN, world.outside, rules, lambda: lease)
            ticks, run = 0, store.run(RUN)
            while not run.ended and run.state is not RunState.HELD:
                ticks += 1
                if loop.tick():
                    run = store.run(RUN)
                else:
                    world.clock.sleep(policy.tick_seconds)
        finally:
            store.close()
    return _told(run, world, ticks, time.process_time() - began_cpu, len(made.vms), began)


def _told(run: Run, world: SimWorld, ticks: int, cpu: float, vms: int, began: float) -> dict[str, Any]:
    return {
        "hosts": len(run.hosts),
        "vms": vms,
        "state": str(run.state),
        "reason": str(run.reason or ""),
        "moves": len(run.moves),
        "ticks": ticks,
        "cpu_seconds": round(cpu, 1),
        "cpu_seconds_per_tick": round(cpu / max(1, ticks), 4),
        "run_seconds": round(world.clock.now() - began, 1),
        "violations": len(world.violations),
        "still_changed": len(world.not_given_back),
    }
