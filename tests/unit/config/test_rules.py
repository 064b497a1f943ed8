"""Names in rules become ids of what is there, or an error that says what is not."""

from __future__ import annotations

import pytest

from standfast.config import RulesConfig
from standfast.config.rules import resolve
from standfast.model.cluster import AntiAffinity, Host, Pin, Rules, Snapshot, Vm, VmState
from standfast.model.errors import ConfigError
from standfast.model.ids import HostId, VmId

RULES = RulesConfig(
    anti_affinity={"web": ("web1", "web2")},
    pins={"db": ("kvm1",)},
    origins={"anti_affinity.web": "c.yaml:4", "pins.db": "c.yaml:6"},
)


def vm(name: str, number: int, host: str = "h1") -> Vm:
    return Vm(VmId(f"v{number}"), name, HostId(host), VmState.RUNNING, 1)


def snapshot(*vms: Vm, reachable: bool = True) -> Snapshot:
    hosts = (Host(HostId("h1"), "kvm1", 10), Host(HostId("h2"), "kvm2", 10, reachable=reachable))
    return Snapshot("lab", "simulated", 0.0, hosts, vms)


ALL = (vm("web1", 1), vm("web2", 2), vm("db", 3))


def test_names_become_ids() -> None:
    assert resolve(RULES, snapshot(*ALL)) == Rules(
        (AntiAffinity("web", frozenset({VmId("v1"), VmId("v2")})),),
        (Pin(VmId("v3"), frozenset({HostId("h1")})),),
    )


def test_a_uuid_names_a_vm_too() -> None:
    rules = RulesConfig(pins={"v3": ("kvm1",)})
    assert resolve(rules, snapshot(*ALL)).pins == (Pin(VmId("v3"), frozenset({HostId("h1")})),)


def test_a_vm_seen_on_both_ends_of_its_move_is_one() -> None:
    assert resolve(RULES, snapshot(*ALL, vm("db", 3, "h2"))).pins[0].vm == "v3"


def test_unknown_vm_is_an_error_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(RULES, snapshot(vm("web1", 1), vm("web22", 2), vm("db", 3)))
    assert str(caught.value) == (
        "c.yaml:4: anti-affinity rule 'web' names VM 'web2', and cluster 'lab' has none of that name. "
        "Did you mean 'web22'?"
    )


def test_two_vms_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(RULES, snapshot(*ALL, vm("db", 4)))
    assert str(caught.value) == (
        "c.yaml:6: a pin names VM 'db', and 2 VMs are called that. "
        "Write the UUID of the one that is meant: v3, v4."
    )


def test_unknown_host_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"the pin of 'db' names host 'kvm11'.*Did you mean 'kvm1'\?"):
        resolve(RulesConfig(pins={"db": ("kvm11",)}), snapshot(*ALL))


def test_a_vm_that_may_be_on_an_unreachable_host_is_left_out() -> None:
    rules = resolve(RULES, snapshot(vm("web1", 1), reachable=False))
    assert rules.anti_affinity == (AntiAffinity("web", frozenset({VmId("v1")})),)
    assert rules.pins == ()


def test_a_vm_that_goes_away_does_not_stop_a_run() -> None:
    assert resolve(RULES, snapshot(*ALL[:2]), strict=False).pins == ()
