"""Snapshots and rules on which nothing is planned: each gets its sentence, and a sound one none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from small_clusters import apart, cluster, host, host_id, lab, pin, vm

from standfast.model.cluster import Snapshot, VmState
from standfast.model.errors import RefusedError
from standfast.model.ids import HostId
from standfast.model.policy import Policy
from standfast.plan.balance import balance_plan
from standfast.plan.make import make_plan
from standfast.plan.sane import contradictions, refuse_contradictions

HOSTS = [host(1), host(2)]
NOWHERE = HostId("00000000-0000-0000-0000-0000000000ff")


def of(*vms: Any, hosts: Any = HOSTS, **rules: Any) -> Snapshot:
    return cluster(hosts, vms, **rules)


WRONG: dict[str, tuple[Any, ...]] = {
    "a host twice": (of(hosts=[host(1), host(2), host(1)]), "host1 (", "in the cluster twice"),
    "a host of negative memory": (of(hosts=[host(1, memory_bytes=-1)]), "-1 bytes"),
    "a VM on no host": (of(replace(vm("a", 1), host=NOWHERE)), "which the cluster does not have"),
    "a VM of negative memory": (of(replace(vm("a", 1), memory_bytes=-5)), "a (", "-5 bytes"),
    "a VM on two hosts": (of(vm("a", 1), vm("a", 2)), "host1 and on host2 at once"),
    "more than all memory": (of(*(vm(f"v{number}", 1, 1024) for number in range(9))), "9.0 GiB", "8.0 GiB"),
    "a pin to no host": (of(vm("a", 1), pins=(pin("a", 7),)), "The pins of a", "name no host"),
    "pins that exclude each other": (of(vm("a", 1), pins=(pin("a", 1), pin("a", 2))), "leave it no host"),
    "a group larger than the cluster": (
        of(vm("a", 1), vm("b", 1), vm("c", 2), anti_affinity=(apart("web", "a", "b", "c"),)),
        "Rule web keeps 3 VMs apart, and there are 2 hosts",
    ),
    "mates pinned to one host": (
        of(
            *(vm("a", 1), vm("b", 2)),
            anti_affinity=(apart("web", "a", "b"),),
            pins=(pin("a", 1), pin("b", 1)),
        ),
        "Rule web keeps a, b apart",
    ),
    "mates with too few hosts between them, found only by matching": (
        of(
            *(vm("a", 1), vm("b", 2), vm("c", 3), vm("d", 4)),
            hosts=[host(number) for number in range(1, 5)],
            anti_affinity=(apart("web", "a", "b", "c", "d"),),
            pins=(pin("a", 1, 2), pin("b", 1, 2), pin("c", 1, 2), pin("d", 1, 2, 3, 4)),
        ),
        "Rule web keeps a, b, c, d apart",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_contradiction_has_its_sentence_and_no_plan_is_made(name: str) -> None:
    snapshot, *words = WRONG[name]
    found = contradictions(snapshot)
    assert any(all(word in each.sentence for word in words) for each in found), [str(each) for each in found]
    assert all(each.mend for each in found)
    for plan in (make_plan, balance_plan):
        with pytest.raises(RefusedError):
            plan(snapshot, Policy(), now=0.0)


SOUND = {
    "the lab": lab(),
    "a VM shut off on one host and active on another": of(
        vm("a", 1), replace(vm("a", 2), state=VmState.SHUT_OFF)
    ),
    "all memory held": of(*(vm(f"v{number}", 1 + number % 2, 1024) for number in range(8))),
    "mates whose pins overlap": of(
        vm("a", 1), vm("b", 2), anti_affinity=(apart("web", "a", "b"),), pins=(pin("a", 1), pin("b", 1, 2))
    ),
    "a group of VMs that are gone": of(vm("a", 1), anti_affinity=(apart("web", "a", "x", "y", "z"),)),
    "a pin of a VM that is gone": of(pins=(pin("x", 9),)),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_can_be_true_is_not_refused(name: str) -> None:
    assert contradictions(SOUND[name]) == ()
    refuse_contradictions(SOUND[name])


def test_the_refusal_says_how_many_more_there_are() -> None:
    with pytest.raises(RefusedError, match="1 more") as refused:
        refuse_contradictions(of(vm("a", 1), pins=(pin("a", 7),), hosts=[host(1), host(1)]))
    assert "host1" in str(refused.value)
    assert host_id(1) in str(refused.value)
