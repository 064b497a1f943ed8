"""What speaks against a network, and whether one of its links can carry what another did."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from standfast.doctor.wires import STALE_SECONDS, about_probe, checks, stands
from standfast.model.failover import FailedHost, FailedWay, Rehearsal
from standfast.model.wires import Carries, HostWires, Probed, Wire

TEN, ONE = 10_000_000_000, 1_000_000_000
ALL = (Carries.MANAGEMENT, Carries.MIGRATION, Carries.STORAGE)


def wire(name: str, speed: int | None = TEN, **more: Any) -> Wire:
    return replace(Wire(name, 1500, speed), **more)


def host(name: str, *wires: Wire, **carries: str) -> HostWires:
    roles = {Carries(what): (device,) for what, device in carries.items()}
    return HostWires(name, {each.name: each for each in wires}, roles, "10.0.0.1")


def apart(name: str = "a", **more: Any) -> HostWires:
    """Two links, one for management and storage, one for migration."""
    return host(name, wire("eth0"), wire("eth1", **more), management="eth0", storage="eth0", migration="eth1")


def bonded(name: str) -> HostWires:
    """A bond of two for migration, a link of its own for the rest."""
    bond = wire("bond0", bond=True, under=("eth1", "eth2"))
    return host(name, wire("eth0"), bond, wire("eth1"), wire("eth2"), management="eth0", migration="bond0")


def rehearsal(
    *names: str, network: Carries = Carries.MANAGEMENT, at: float = 0.0, back: bool = True
) -> Rehearsal:
    """One in which another device carried what `eth0` did, at 1 Gbit/s."""
    seen = FailedHost("", "eth0", gone=True, reached=True, libvirt=True, same_vms=True, back=back)
    ways = (FailedWay(names[0], names[-1], 1e9, 1e9, 1e9, "eth1"),)
    return Rehearsal("c", network, at, 20, tuple(replace(seen, host=name) for name in names), ways)


def names(*hosts: HostWires, tried: bool = True) -> list[str]:
    rehearsed = (rehearsal(*(host.name for host in hosts)),) if tried else ()
    return [each.name for each in checks(hosts, rehearsed)]


def test_nothing_speaks_against_a_bond_of_its_own_that_was_tried() -> None:
    assert names(bonded("a"), bonded("b")) == []


def test_each_thing_that_should_not_be_is_found_alone() -> None:
    lone = host("a", wire("eth0"), management="eth0", migration="eth0", storage="eth0")
    assert names(bonded("b"), lone) == [
        "single_shared_link",
        "migration_over_storage",
        "migration_over_management",
    ]
    assert names(apart("a"), bonded("b")) == ["no_second_path"]
    assert names(bonded("a"), bonded("b"), tried=False) == ["failover_never_tried"]
    assert names(bonded("a"), HostWires("b", silent="no answer")) == ["not_asked"]
    assert names(bonded("a"), host("b", wire("eth0"), management="eth0"))[0] == "migration_unknown"


def test_an_mtu_that_differs_is_told_with_who_has_which() -> None:
    jumbo = replace(bonded("b"), wires={n: replace(w, mtu=9000) for n, w in bonded("b").wires.items()})
    found = [each for each in checks((bonded("a"), jumbo)) if each.name == "unequal_mtu"]
    assert [each.hosts for each in found] == [("a", "b"), ("a", "b")]
    assert "1500 on a bond0, a eth1, a eth2; 9000 on b bond0, b eth1, b eth2" in found[1].sentence


def test_every_check_says_why() -> None:
    lone = host("a", wire("eth0"), management="eth0", migration="eth0", storage="eth0")
    assert all(each.reason.endswith(".") for each in checks((lone, apart("b"))))


def test_a_rehearsal_shows_a_second_path_to_its_hosts_until_it_is_old() -> None:
    hosts, whole = (apart("a"), apart("b")), rehearsal("a", "b", network=Carries.MIGRATION)
    assert [each.name for each in checks(hosts)] == ["no_second_path", "failover_never_tried"]
    assert checks(hosts, (whole,), now=STALE_SECONDS) == ()
    (old,) = checks(hosts, (whole,), now=STALE_SECONDS + 1)
    assert (old.name, old.sentence.split()[-1]) == ("failover_tried_long_ago", "1970-01-01.")
    found = checks((*hosts, apart("c")), (whole,))
    assert [(each.name, each.hosts) for each in found] == [
        ("no_second_path", ("c",)),
        ("failover_never_tried", ("c",)),
    ]


def test_a_rehearsal_that_went_badly_is_no_proof_and_is_told() -> None:
    bad = rehearsal("a", "b", network=Carries.MIGRATION, back=False)
    found = [each.name for each in checks((apart("a"), apart("b")), (bad,))]
    assert found == ["no_second_path", "failover_did_not_hold", "failover_never_tried"]


@pytest.mark.parametrize(
    ("mine", "other", "fits", "half"),
    [
        (0.0, 0.0, True, True),
        (4.9e9, 4.9e9, True, True),
        (6.0e9, 1.0e9, True, False),
        (6.0e9, 6.0e9, False, False),
    ],
)
def test_both_fit_for_good_only_while_neither_fills_half(
    mine: float, other: float, fits: bool, half: bool
) -> None:
    one = host("a", wire("eth0", sent=other), wire("eth1", sent=mine), management="eth0", migration="eth1")
    found = next(each for each in stands(one) if each.lost == "eth1")
    assert (found.left, found.carried, found.fits, found.half) == ("eth0", (Carries.MIGRATION,), fits, half)


def test_a_link_is_full_duplex() -> None:
    one = host("a", wire("eth0", sent=8e9), wire("eth1", received=8e9), management="eth0", migration="eth1")
    assert all(each.fits for each in stands(one))


def test_the_slower_link_decides_for_how_long() -> None:
    one = host("a", wire("eth0", ONE), wire("eth1", sent=0.6e9), management="eth0", migration="eth1")
    to_slow = next(each for each in stands(one) if each.left == "eth0")
    assert (to_slow.fits, to_slow.half) == (True, False)
    assert "fills more than half of 1 Gbit/s" in to_slow.sentence


def test_a_speed_that_is_not_told_is_not_judged() -> None:
    one = host("a", wire("eth0", None), wire("eth1"), management="eth0", migration="eth1")
    found = next(each for each in stands(one) if each.left == "eth0")
    assert (found.fits, found.half) == (None, None)
    assert "of a speed not told" in found.sentence


def test_a_probe_below_the_links_promise_is_explained() -> None:
    hosts = (apart("a", mtu=9000), apart("b", mtu=9000))
    slow, cut, good = (
        Probed("a", "b", 4e9, 9000),
        Probed("b", "a", 9.4e9, 1500),
        Probed("a", "b", 9.4e9, 9000),
    )
    assert list(about_probe((good,), hosts)) == []
    assert "4 Gbit/s come through of 10 Gbit/s" in " ".join(about_probe((slow,), hosts))
    assert "packets of 1500 bytes come through, those of the links' 9000 do not" in " ".join(
        about_probe((cut,), hosts)
    )
    assert "MTU is not known" in " ".join(about_probe((Probed("a", "b", 9.4e9),), hosts))
