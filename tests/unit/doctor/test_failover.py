"""What may be taken away for a rehearsal, and what one showed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from standfast.codec import read_file, write_file
from standfast.doctor.failover import against_paths, against_wires, judged, second_way, sentences
from standfast.model.failover import (
    FailedHost,
    FailedWay,
    Paths,
    Rehearsal,
    Rehearsals,
    Route,
)
from standfast.model.wires import Carries, HostWires, Wire

ROUTES = (
    Route("0.0.0.0/0", ("eth0",)),
    Route("10.0.0.0/24", ("eth0",), link=True),
    Route("10.0.1.0/24", ("eth1",), link=True),
    Route("10.0.1.0/24", ("eth0",), 4000),
    Route("10.0.2.0/24", ("eth1",)),
    Route("10.0.2.0/24", (), 500, kind="unreachable"),
)
SAFE = Paths(
    "a",
    "up",
    {"10.0.1.2": "eth1", "10.0.0.9": "eth0"},
    asker="10.0.0.9",
    libvirt=True,
    routes=ROUTES[:4],
)


@pytest.mark.parametrize(
    ("address", "lost", "way"),
    [
        ("10.0.1.2", "", "eth1"),
        ("10.0.1.2", "eth1", "eth0"),
        ("10.0.2.2", "eth1", ""),  # not the default: what is nearer refuses it
        ("10.0.3.3", "eth1", "eth0"),
        ("10.0.0.2", "eth0", ""),
        ("fd00::1", "", ""),
    ],
)
def test_the_way_that_is_left_is_looked_up_as_the_kernel_does(address: str, lost: str, way: str) -> None:
    assert second_way(ROUTES, address, lost) == way


def test_nothing_speaks_against_a_cut_with_a_second_way_for_all() -> None:
    assert list(against_paths(SAFE, "eth1", ["10.0.1.2"])) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"silent": "no route"}, "a could not be asked: no route"),
        ({"state": "down"}, "eth1 of a is down already."),
        ({"libvirt": False}, "libvirt of a does not answer."),
        ({"uppers": ("br0",)}, "On a br0 would go down with eth1: VMs or other networks hang on it."),
        ({"keepers": ("corosync",)}, "On a runs corosync, which may fence hosts when a network is away."),
        ({"movers": ("uuid",)}, "On a a VM is migrating: uuid."),
        ({"own_rules": True}, "a routes by rules of its own: what would be left can't be told."),
        ({"routes": ROUTES[:3][1:]}, "Without eth1 a has no way to 10.0.1.2."),
        ({"far": ("fd00::5",)}, "a talks to fd00::5 by IPv6, and its own address goes away with eth1."),
        ({"far": ("10.0.2.7",), "routes": ROUTES}, "Without eth1 a has no way to 10.0.2.7."),
        ({"routes": ROUTES}, "Without eth1 a has no way to 10.0.2.0/24."),
        (
            {"routes": (*ROUTES[:4], Route("10.9.0.0/16", ("eth0", "eth1")))},
            "On a the route to 10.9.0.0/16 is spread over eth0, eth1.",
        ),
    ],
)
def test_each_thing_that_would_be_lost_is_told(changed: dict[str, Any], says: str) -> None:
    assert says in list(against_paths(replace(SAFE, **changed), "eth1", ["10.0.1.2"]))


def wires(**carries: str) -> HostWires:
    devices = {name: Wire(name, 1500, 10**10) for name in ("eth0", "eth1")}
    devices["vlan5"] = Wire("vlan5", 1500, 10**10, under=("eth0",))
    return HostWires("a", devices, {Carries(what): (device,) for what, device in carries.items()})


def test_two_networks_on_one_device_or_one_link_have_no_second_path() -> None:
    assert list(against_wires(wires(management="eth0", migration="eth1"), Carries.MIGRATION)) == []
    (one,) = against_wires(wires(management="eth0", migration="eth0"), Carries.MIGRATION)
    assert "eth0 carries management too" in one
    (link,) = against_wires(wires(management="eth0", migration="vlan5"), Carries.MIGRATION)
    assert "both networks go over eth0" in link
    (unknown,) = against_wires(wires(management="eth0"), Carries.MIGRATION)
    assert "is not on one device: nothing known" in unknown


WELL = Rehearsal(
    "c",
    Carries.MIGRATION,
    0.0,
    20,
    tuple(FailedHost(n, "eth1", True, True, 0.4, True, 2, True, True) for n in "ab"),
    (FailedWay("a", "b", 9e9, 8e9, 9e9, "eth0", 0.1), FailedWay("b", "a", 9e9, 8e9, 9e9, "eth0", 0.3)),
)


def test_a_rehearsal_holds_if_all_was_carried_and_all_is_back() -> None:
    assert WELL.held
    assert list(sentences(WELL)) == [
        "The migration network was away for 20 s and the other one carried both. For at most 0.3 s nothing "
        "came through between two hosts."
    ]
    late = replace(WELL, ways=(WELL.ways[0], FailedWay("b", "a", 9e9)))
    assert late.held
    assert "b -> a was not tried" in next(sentences(late))


@pytest.mark.parametrize("name", ["gone", "reached", "libvirt", "same_vms", "back"])
def test_a_host_that_is_not_well_lets_it_fail_and_is_told(name: str) -> None:
    bad = replace(WELL, hosts=(replace(WELL.hosts[0], **{name: False}), WELL.hosts[1]))  # type: ignore[arg-type]
    assert not bad.held
    assert "a" in next(sentences(bad)).replace(":", " ").split()
    assert list(sentences(bad))[-1].startswith("So nothing says")


@pytest.mark.parametrize(
    "changed",
    [{"during": 0.0}, {"after": None}, {"carried_by": "eth1"}, {"carried_by": ""}, {"trouble": "x"}],
)
def test_a_way_that_was_not_carried_by_another_device_lets_it_fail(changed: dict[str, Any]) -> None:
    assert not replace(WELL, ways=(replace(WELL.ways[0], **changed), WELL.ways[1])).held
    assert not replace(WELL, ways=()).held


@pytest.mark.parametrize(
    ("loads", "fits", "half"),
    [((1e9, 1e9), True, True), ((5e9, 1e9), True, False), ((5e9, 4e9), False, False)],
)
def test_both_fit_by_what_really_came_through(loads: tuple[float, float], fits: bool, half: bool) -> None:
    sender = wires(management="eth0", migration="eth1")
    busy = {f"eth{n}": replace(sender.wires[f"eth{n}"], sent=load) for n, load in enumerate(loads)}
    way = judged(FailedWay("a", "b", 9e9, 8e9), replace(sender, wires=busy))
    assert (way.both, way.fits, way.half) == (sum(loads), fits, half)
    assert judged(FailedWay("a", "b"), sender).fits is None


def test_rehearsals_are_kept_in_a_file_and_the_last_of_each_network_is_found(tmp_path: Any) -> None:
    later = replace(WELL, at=5.0)
    other = replace(WELL, cluster="d", at=6.0)
    write_file(tmp_path / "r.json", "rehearsals", Rehearsals((WELL, later, other)))
    assert read_file(tmp_path / "r.json", "rehearsals", Rehearsals).last("c") == (later,)
