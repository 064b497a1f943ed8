"""Names in rules become ids of what is there, or an error that says what is not."""

from __future__ import annotations

import pytest

from standfast.config import RulesConfig
from standfast.config.rules import resolve, unknown
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


def test_during_a_run_the_strictest_reading_is_taken() -> None:
    rules = RulesConfig(anti_affinity={"web": ("web1", "db")}, pins={"db": ("kvm1", "gone")})
    seen = snapshot(*ALL, vm("db", 4))
    found = resolve(rules, seen, strict=False)
    assert found.anti_affinity == (AntiAffinity("web", frozenset({VmId("v1"), VmId("v3"), VmId("v4")})),)
    assert found.pins == tuple(Pin(VmId(each), frozenset({HostId("h1")})) for each in ("v3", "v4"))
    with pytest.raises(ConfigError, match="2 VMs are called that"):
        resolve(rules, seen)


def test_everything_unknown_can_be_told_at_once() -> None:
    rules = RulesConfig(anti_affinity={"web": ("web1", "wep2")}, pins={"nobody": ("kvm1", "kvm3")})
    assert [error.code for error in unknown(rules, snapshot(*ALL))] == [
        "rule_vm_unknown",
        "rule_vm_unknown",
        "rule_host_unknown",
    ]
    (first, *_) = unknown(rules, snapshot(*ALL, reachable=False))
    assert str(first) == (
        "anti-affinity rule 'web' names VM 'wep2', and cluster 'lab' has none of that name: "
        "kvm2 can't be asked, and may have it. Did you mean 'web2'?"
    )


def test_a_name_like_no_other_is_not_followed_by_all_there_are() -> None:
    (error,) = unknown(RulesConfig(pins={"zzz": ("kvm1",)}), snapshot(*ALL))
    assert error.do == "Correct the name or take it out."


def test_the_vm_that_the_controller_runs_in_is_known_by_its_machines_uuid_or_by_its_name() -> None:
    assert resolve(RulesConfig(), snapshot(*ALL)).controller is None
    assert resolve(RulesConfig(), snapshot(*ALL), machine=("x", "v2")).controller == "v2"
    assert resolve(RulesConfig(controller="db"), snapshot(*ALL), machine=("v2",)).controller == "v3"
    with pytest.raises(ConfigError, match="`controller` names VM 'nobody'"):
        resolve(RulesConfig(controller="nobody"), snapshot(*ALL))
