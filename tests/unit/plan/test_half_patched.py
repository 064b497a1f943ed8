"""A cluster of which some hosts have been patched already: said, refused, or accepted by name."""

from __future__ import annotations

from small_clusters import cluster, host, vm

from standfast.model.policy import Policy
from standfast.model.reasons import Code
from standfast.plan.make import make_plan


def test_a_plan_that_would_move_a_vm_to_an_older_hypervisor_is_refused_until_that_is_accepted() -> None:
    hosts = (
        host(1, hypervisor="QEMU 9.2.0"),
        host(2, hypervisor="QEMU 8.2.0"),
        host(3, hypervisor="QEMU 8.2.0"),
    )
    snapshot = cluster(hosts, [vm("web", 1)])
    policy = Policy(wave_hosts_max=1)
    plan = make_plan(snapshot, policy, now=0.0, first=[host(1).id])
    assert [reason.code for reason in plan.refusals] == [Code.HALF_PATCHED]
    assert "QEMU 9.2.0" in plan.refusals[0].sentence
    accepted = make_plan(snapshot, policy, now=0.0, first=[host(1).id], half_patched=True)
    assert accepted.refusals == ()
    assert Code.HALF_PATCHED in [reason.code for reason in accepted.warnings]
