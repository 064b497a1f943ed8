"""One look at a whole cluster: what one host does not say is no reason to know nothing of the others."""

from __future__ import annotations

from standfast.model.cluster import Rules
from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.run.observe import observe


def test_a_host_that_cant_be_scanned_is_marked_and_the_others_are_planned() -> None:
    world = SimWorld(SimSpec(hosts=3, vms=3))
    world.fail_call("scan", host=world.host_id("host2"))
    snapshot = observe(world.outside, lambda _: Rules(), scan=True, refresh=True)
    two = snapshot.host(world.host_id("host2"))
    assert (two.reachable, two.updates) == (True, None)
    assert two.unscanned_why
    assert all(host.updates is not None for host in snapshot.hosts if host is not two)
    plan = make_plan(snapshot, Policy(), now=0.0)
    assert [(reason.code, reason.host) for reason in plan.refusals] == [(Code.HOST_NOT_SCANNED, two.id)]
    assert plan.refusals[0].sentence == (
        "host2 could not be scanned for updates (scan failed before it acted)."
    )
    assert {step.name for step in plan.steps} == {"host1", "host3"}
    without = make_plan(snapshot, Policy(), now=0.0, exclude=frozenset({two.id}))
    assert without.refusals == ()
