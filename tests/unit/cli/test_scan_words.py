"""What `scan` says of reboots: the same as the plan will."""

from __future__ import annotations

import pytest

from standfast.cli.scan import as_dict, as_text
from standfast.model.cluster import Host, Snapshot
from standfast.model.hostwork import HostFacts, PendingUpdate, RebootSign, UpdateState
from standfast.model.ids import HostId
from standfast.model.policy import Policy

KERNEL = PendingUpdate("linux-image-amd64", "1", "2", security=True)
LIBVIRT = PendingUpdate("libvirt-daemon-system", "1", "2")
LESS = PendingUpdate("less", "1", "2")


def test_a_host_that_cant_be_scanned_is_told_apart_from_one_that_cant_be_asked() -> None:
    facts = HostFacts("b", 1.0)
    hosts = (
        Host(HostId("h1"), "kvm1", 1, facts=facts, unscanned_why="kvm1: apt-get update failed."),
        Host(HostId("h2"), "kvm2", 1, unreachable_why="kvm2: it does not answer."),
    )
    assert as_text(Snapshot("east", "libvirt", 0.0, hosts, ()), Policy()).splitlines() == [
        "HOST  PENDING  SECURITY  REBOOT",
        "kvm1  ?        ?         not known",
        "kvm2  ?        ?         not known",
        "kvm1 can't be scanned: kvm1: apt-get update failed.",
        "kvm2 can't be asked: kvm2: it does not answer.",
    ]


def seen(*pending: PendingUpdate, signs: tuple[RebootSign, ...] = ()) -> Snapshot:
    host = Host(HostId("h1"), "kvm1", 1, updates=UpdateState(0.0, "b", pending, signs))
    return Snapshot("east", "libvirt", 0.0, (host,), ())


@pytest.mark.parametrize(
    ("snapshot", "policy", "words", "expected"),
    [
        (
            seen(KERNEL),
            Policy(),
            "after the update: package linux-image-amd64 (kernel)",
            "package linux-image-amd64 (kernel)",
        ),
        (
            seen(LESS, LIBVIRT),
            Policy(),
            "after the update: package libvirt-daemon-system (hypervisor)",
            "package libvirt-daemon-system (hypervisor)",
        ),
        (seen(LESS), Policy(), "after the update, if it asks for one", ""),
        (
            seen(LESS),
            Policy(always_reboot=True),
            "after the update: policy always_reboot",
            "policy always_reboot",
        ),
        (seen(LIBVIRT), Policy(security_only=True), "not needed", ""),
        (seen(), Policy(always_reboot=True), "not needed", ""),
        (
            seen(LESS, signs=(RebootSign.REQUIRED_FILE,)),
            Policy(),
            "needed: an installed package asks for it",
            "reboot sign reboot required file",
        ),
    ],
)
def test_a_reboot_is_needed_now_or_expected_or_neither(
    snapshot: Snapshot, policy: Policy, words: str, expected: str
) -> None:
    assert as_text(snapshot, policy).splitlines()[1].endswith(f"  {words}")
    assert as_dict(snapshot, policy)["hosts"][0]["reboot_expected"] == expected
