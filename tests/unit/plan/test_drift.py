"""What counts as drift, and what does not."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from small_clusters import KERNEL, TOOL, apart, changed_host, changed_vm, host, host_id, lab, pin, vm

from standfast.model.cluster import Rules, Snapshot, VmState
from standfast.model.hostwork import RebootSign, UpdateState
from standfast.model.moves import Flight
from standfast.plan.drift import basis, compare, rules_digest


def same(snapshot: Snapshot) -> Snapshot:
    return snapshot


def with_vm(snapshot: Snapshot, **changes: Any) -> Snapshot:
    return replace(snapshot, vms=(*snapshot.vms, vm("new", 1, **changes)))


def with_rule(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, rules=replace(snapshot.rules, anti_affinity=(apart("dag", "small0", "small1"),)))


def with_updates(snapshot: Snapshot, *packages: Any, **changes: Any) -> Snapshot:
    return changed_host(snapshot, 2, updates=UpdateState(5.0, "other boot", packages, **changes))


@pytest.mark.parametrize(
    ("later", "sentences"),
    [
        (same(lab()), ()),
        (replace(lab(), taken_at=9e9, vms=lab().vms[::-1], hosts=lab().hosts[::-1]), ()),
        (changed_vm(lab(), "small0", dirty_bytes_per_second=9e9, vcpus=8), ()),
        (changed_vm(lab(), "small0", flight=Flight(host_id(1))), ()),
        (with_vm(lab(), state=VmState.SHUT_OFF), ()),
        (with_vm(lab(), state=VmState.INCOMING), ()),
        (with_updates(lab(), KERNEL, reboot_signs=(RebootSign.NEEDRESTART,)), ()),
        (
            changed_vm(lab(), "small0", host=host_id(4)),
            ("small0 ran on host2 and runs on host4 now.",),
        ),
        (
            changed_vm(lab(), "small0", memory_bytes=1024**3),
            ("small0 had 160 MiB of memory and has 1.0 GiB now.",),
        ),
        (
            changed_vm(lab(), "small0", state=VmState.SHUT_OFF),
            ("small0 ran on host2 and runs nowhere now.",),
        ),
        (with_vm(lab()), ("new runs on host1 and did not run before.",)),
        (
            changed_host(lab(), 2, memory_bytes=1024**3),
            ("host2 had 4.0 GiB for VMs and has 1.0 GiB now.",),
        ),
        (with_updates(lab(), KERNEL, TOOL), ("The pending updates of host2 are not those of the plan.",)),
        (
            changed_host(lab(), 2, updates=None),
            ("The pending updates of host2 could not be looked at again.",),
        ),
        (
            changed_host(lab(), 2, updates=None, unscanned_why="host2: apt-get update failed."),
            ("The pending updates of host2 could not be looked at again: host2: apt-get update failed.",),
        ),
        (replace(lab(), hosts=(*lab().hosts, host(5))), ("host5 is new in the cluster.",)),
        (with_rule(lab()), ("The rules of the cluster have changed.",)),
    ],
)
def test_what_is_drift_and_what_is_not(later: Snapshot, sentences: tuple[str, ...]) -> None:
    assert compare(basis(lab()), later) == sentences


def test_updates_of_hosts_that_the_plan_does_not_touch_are_no_drift() -> None:
    mark = basis(lab(), touched=frozenset({host_id(1)}))
    assert compare(mark, with_updates(lab(), KERNEL, TOOL)) == ()
    assert compare(mark, changed_host(lab(), 2, updates=None)) == ()
    assert compare(mark, changed_host(lab(), 1, updates=None)) != ()


def test_a_host_that_is_gone_is_drift() -> None:
    snapshot = lab()
    fewer = replace(
        snapshot,
        hosts=snapshot.hosts[:3],
        vms=tuple(one for one in snapshot.vms if one.host != host_id(4)),
    )
    assert compare(basis(snapshot), fewer) == (
        "small2 ran on host4 and runs nowhere now.",
        "small5 ran on host4 and runs nowhere now.",
        "small8 ran on host4 and runs nowhere now.",
        "host4 is no longer part of the cluster.",
    )


def test_what_is_gone_is_told_by_the_name_that_it_had() -> None:
    snapshot = lab()
    fewer = replace(snapshot, vms=tuple(one for one in snapshot.vms if one.name != "small0"))
    assert compare(basis(snapshot), fewer) == ("small0 ran on host2 and runs nowhere now.",)


def test_a_new_name_is_no_drift() -> None:
    renamed = changed_host(lab(), 2, name="kvm2")
    renamed = replace(
        renamed, vms=tuple(replace(one, name="web") if one.name == "small0" else one for one in renamed.vms)
    )
    assert compare(basis(lab()), renamed) == ()
    moved = changed_vm(renamed, "web", host=host_id(4))
    assert compare(basis(lab()), moved) == ("web ran on kvm2 and runs on host4 now.",)


def test_a_basis_without_names_still_tells_what_it_can() -> None:
    bare = replace(basis(lab()), names=())
    fewer = replace(lab(), vms=tuple(one for one in lab().vms if one.name != "small0"))
    assert compare(bare, fewer) == ("uuid-of-small0 ran on host2 and runs nowhere now.",)


def test_the_order_of_rules_does_not_matter() -> None:
    rules = (apart("a", "small0", "small1"), apart("b", "small2", "small3"))
    first = replace(lab(), rules=replace(lab().rules, anti_affinity=rules))
    second = replace(lab(), rules=replace(lab().rules, anti_affinity=rules[::-1]))
    assert compare(basis(first), second) == ()


def test_the_digest_of_rules_is_that_of_their_canonical_json() -> None:
    """Plans on disk hold it: it may not become another."""
    rules = Rules(
        (apart("wäb", "b", "a"), apart("db", "c", "d")),
        (pin("b", 2, 1), pin("a", 3), pin("b", 1), pin("ä", 3)),
        memory_ceiling=0.85,
        reserve_hosts=2,
    )
    plain = {
        "anti_affinity": sorted([group.name, sorted(group.vms)] for group in rules.anti_affinity),
        "pins": sorted([each.vm, sorted(each.hosts)] for each in rules.pins),
        "memory_ceiling": 0.85,
        "reserve_hosts": 2,
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert rules_digest(rules) == hashlib.sha256(text.encode()).hexdigest()
    assert len({rules_digest(rules), rules_digest(Rules()), rules_digest(Rules(pins=rules.pins))}) == 3
