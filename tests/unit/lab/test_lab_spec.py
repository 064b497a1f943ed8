"""What may be asked of a lab, and where its VMs start."""

from __future__ import annotations

import json

import pytest

from standfast.lab.errors import LabError
from standfast.lab.spec import (
    GIB,
    LabSpec,
    VmSpec,
    default_hosts,
    default_vms,
    parse_rate,
    parse_size,
    place,
    show_rate,
)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1G", 10**9),
        ("100M", 10**8),
        ("2.5G", 25 * 10**8),
        ("1Gbit", 10**9),
        ("8000", 8000),
        ("unlimited", None),
    ],
)
def test_a_speed_is_decimal_bits_per_second_and_can_be_shown_again(text: str, rate: int | None) -> None:
    assert parse_rate(text) == rate
    assert parse_rate(show_rate(rate)) == rate


@pytest.mark.parametrize("text", ["", "fast", "1X", "-1M", "0", "10"])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="no speed"):
        parse_rate(text)


def test_a_size_is_binary_bytes() -> None:
    assert (
        parse_size("4G") == 4 * GIB == parse_size("4GiB") == parse_size(str(4 * GIB)) == parse_size("4096M")
    )
    with pytest.raises(LabError, match="no memory size"):
        parse_size("much")


def test_a_large_vm_weighs_about_as_much_as_three_small_ones_so_hosts_start_balanced() -> None:
    vms = default_vms(6)
    memory = {vm.name: vm.memory_mib for vm in vms}
    given = dict.fromkeys(default_hosts(3), 0)
    for vm, host in place(vms, default_hosts(3)).items():
        given[host] += memory[vm]
    assert sum(given.values()) == 512 + 5 * 160
    assert max(given.values()) - min(given.values()) <= 192


def test_vms_of_one_size_are_dealt_out_evenly() -> None:
    placement = place(default_vms(9, large=0), default_hosts(3))
    assert sorted(list(placement.values()).count(host) for host in default_hosts(3)) == [3, 3, 3]


def test_a_spec_survives_its_state_file() -> None:
    spec = LabSpec(
        name="t", hosts=("a", "b"), vms=default_vms(3), boot_seconds=2.5, broken=True, packages=("pacemaker",)
    )
    assert LabSpec.from_json(json.loads(json.dumps(spec.as_json()))) == spec


def test_a_state_file_of_another_version_is_refused() -> None:
    with pytest.raises(LabError, match="another version"):
        LabSpec.from_json({**LabSpec().as_json(), "colour": "blue"})


@pytest.mark.parametrize(
    "vm", [VmSpec("vm1", 128, 64, 500), VmSpec("vm1", 160, 0, 500), VmSpec("vm1", 160, 40, -1)]
)
def test_a_vm_that_could_not_live_is_refused(vm: VmSpec) -> None:
    with pytest.raises(LabError, match="vm1"):
        LabSpec(vms=(vm,))


@pytest.mark.parametrize("package", ["", "-y", "two words", "Pacemaker", "./file.deb"])
def test_what_is_no_name_of_a_package_is_refused(package: str) -> None:
    with pytest.raises(LabError, match="no name of a Debian package"):
        LabSpec(packages=(package,))


@pytest.mark.parametrize("hosts", [(), ("kvm1", "kvm1"), ("kvm 1",)])
def test_hosts_need_different_proper_names(hosts: tuple[str, ...]) -> None:
    with pytest.raises(LabError):
        LabSpec(hosts=hosts)
