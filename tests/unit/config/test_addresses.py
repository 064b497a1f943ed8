"""Where a host is: what is understood, and what no program is ever given."""

from __future__ import annotations

import pytest

from standfast.config.addresses import check_address, check_ssh, place_of
from standfast.model.errors import ConfigError


@pytest.mark.parametrize(
    ("uri", "name", "ssh"),
    [
        ("qemu+ssh://root@kvm1/system", "kvm1", "root@kvm1"),
        ("qemu+ssh://root@KVM1.lan/system", "KVM1.lan", "root@KVM1.lan"),
        ("qemu+ssh://kvm1/system?keyfile=x", "kvm1", "kvm1"),
        ("qemu+ssh://root@kvm1:22/system", "kvm1", "ssh://root@kvm1:22"),
        ("qemu+ssh://root@[fd00::1]:22/system", "fd00::1", "ssh://root@[fd00::1]:22"),
        ("qemu+ssh://root@[fd00::1]/system", "fd00::1", "root@fd00::1"),
        ("qemu+ssh://root@[::1]:1/system", "::1", "ssh://root@[::1]:1"),
        ("qemu+ssh://root@[fe80::1%25eth0]/system", "fe80::1%eth0", "root@fe80::1%eth0"),
        ("qemu+tls://kvm1:16514/system", "kvm1", "kvm1"),
        ("qemu:///system", "", ""),
    ],
)
def test_the_machine_in_a_uri(uri: str, name: str, ssh: str) -> None:
    place = place_of(uri)
    assert (place.host, place.ssh) == (name, ssh)
    if ssh:
        check_ssh(ssh)


@pytest.mark.parametrize(
    "uri",
    [
        "kvm1",
        "",
        "xen+ssh://root@kvm1/system",
        "qemu+ssh://-oProxyCommand=touch%20x/system",
        "qemu+ssh://root@-oProxyCommand=x/system",
        "qemu+ssh://-oProxyCommand=x@kvm1/system",
        "qemu+ssh://root@kvm1;reboot/system",
        "qemu+ssh://root@$(id)/system",
        "qemu+ssh://root@kvm%201/system",
        "qemu+ssh://root@kvm1%0a/system",
        "qemu+ssh://ro`id`ot@kvm1/system",
        "qemu+ssh://root@kvm1:99999/system",
        "qemu+ssh://root@kvm1:x/system",
        "qemu+ssh://root@[::1/system",
        "qemu+ssh://root@kvm1/system x",
        "qemu+ssh://root@kvm1\x1b[31m/system",
    ],
)
def test_what_is_no_uri_of_a_host(uri: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place_of(uri, "c.yaml:5")
    assert caught.value.where == "c.yaml:5"
    assert caught.value.do.startswith("Write it as qemu+ssh://")


@pytest.mark.parametrize(
    "destination",
    [
        "kvm1",
        "root@kvm1",
        "root@kvm1:22",
        "ssh://root@kvm1:22",
        "ssh://kvm_1",
        "root@[::1]:22",
        "ssh://[::1]:22",
        "::1",
        "root@fe80::1%eth0",
        "domain\\user@kvm1",
        "user@realm@kvm1",
    ],
)
def test_ssh_destinations(destination: str) -> None:
    check_ssh(destination)


@pytest.mark.parametrize(
    "destination",
    [
        "-oProxyCommand=x",
        "root@-oProxyCommand=x",
        "ssh://-oProxyCommand=x",
        "-l@kvm1",
        "ssh://-l@kvm1",
        "ssh://",
        "root@",
        "kvm 1",
        "kvm1\n",
        "root@kvm1:0",
        "root@kvm1:70000",
        "ssh://root@kvm1/x",
        "a;b",
        "$x",
        "kvm\x00",
    ],
)
def test_what_is_never_given_to_ssh(destination: str) -> None:
    with pytest.raises(ConfigError, match="is no machine to ssh to"):
        check_ssh(destination)


def test_addresses_of_the_migration_network() -> None:
    for good in ("10.0.0.1", "fd00::1", "[fd00::1]", "kvm1-mig"):
        check_address(good)
    for bad in ("", "-x", "10.0.0.1 y", "tcp://10.0.0.1", "10.0.0.1,10.0.0.2", "[fd00::1"):
        with pytest.raises(ConfigError, match="neither an address nor"):
            check_address(bad)
