"""Names and addresses of a lab come from its name alone."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from standfast.lab.errors import LabError
from standfast.lab.names import (
    MAX_HOSTS,
    MAX_VMS,
    SLOT_COUNT,
    Addresses,
    Names,
    Net,
    check_host_name,
    check_lab_name,
    choose_slot,
    preferred_slot,
    slots_of,
)


def test_interface_names_fit_into_15_characters_whatever_the_lab_is_called() -> None:
    names = Names("a" * 31)
    made = [names.bridge(net) for net in Net] + [names.outer_veth(net, MAX_HOSTS) for net in Net]
    assert all(len(name) <= 15 for name in made)
    assert all(name.startswith(names.interface_prefix) for name in made)
    assert len(set(made)) == len(made)


def test_two_labs_share_no_name() -> None:
    one, two = Names("lab"), Names("lab-2")
    assert one.interface_prefix != two.interface_prefix
    assert one.machine("kvm1") != two.machine("kvm1")
    assert one.host_uuid("kvm1") != two.host_uuid("kvm1")
    assert one.vm_uuid("vm1") != two.vm_uuid("vm1")


def test_uuids_and_macs_are_the_same_every_time() -> None:
    assert Names("lab").host_uuid("kvm1") == Names("lab").host_uuid("kvm1")
    assert Names("lab").vm_mac("vm1") == Names("lab").vm_mac("vm1")
    assert Names("lab").vm_mac("vm1").startswith("52:54:00:")
    assert Names("lab").vm_mac("vm1") != Names("lab").vm_mac("vm2")


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "lab_1", "lab/..", "a" * 32, "lab name"])
def test_a_name_that_could_not_be_a_directory_and_a_machine_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="will not do"):
        check_lab_name(name)


@pytest.mark.parametrize("name", ["", "kvm-1", "Kvm1", "a" * 16, "kvm1;reboot"])
def test_a_host_name_that_could_break_a_command_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="will not do"):
        check_host_name(name)


def test_every_slot_is_a_block_of_its_own_in_the_benchmarking_range() -> None:
    blocks = [Addresses(slot).block for slot in range(SLOT_COUNT)]
    assert len(set(blocks)) == SLOT_COUNT
    assert all(block.subnet_of(IPv4Network("198.18.0.0/15")) for block in blocks)


def test_the_largest_lab_fits_into_its_networks() -> None:
    addresses = Addresses(5)
    for net, count in ((Net.MANAGEMENT, MAX_HOSTS), (Net.MIGRATION, MAX_HOSTS), (Net.GUEST, MAX_VMS)):
        members = {addresses.member(net, number) for number in range(1, count + 1)}
        assert len(members) == count
        assert all(member in addresses.network(net) for member in members)
        assert addresses.machine(net) not in members
        assert addresses.network(net).broadcast_address not in members


def test_a_lab_takes_its_preferred_slot_or_the_next_free_one() -> None:
    first = preferred_slot("lab")
    assert choose_slot("lab", ()) == first
    assert choose_slot("lab", {first, (first + 1) % SLOT_COUNT}) == (first + 2) % SLOT_COUNT
    with pytest.raises(LabError, match="in use"):
        choose_slot("lab", range(SLOT_COUNT))


def test_addresses_that_the_machine_has_already_take_their_slots() -> None:
    assert slots_of([IPv4Network("198.18.4.0/24")]) == {1}
    assert slots_of([IPv4Network("198.18.0.0/21")]) == {0, 1}
    assert slots_of([IPv4Network("192.0.2.0/24")]) == frozenset()
