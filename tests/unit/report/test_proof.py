"""The demo's verdict: red for anything that is not as promised, whoever says so."""

from __future__ import annotations

from typing import Any

from standfast.cli.demo import proof_of
from standfast.cli.stages import HostNow, Seen

BEFORE = {"kvm1": HostNow("boot-1", 4)}
AFTER = {"kvm1": HostNow("boot-2", 0)}
VM: dict[str, Any] = {
    "name": "vm1",
    "moves": 2,
    "restarts": 0,
    "longest_gap_seconds": 0.4,
    "states_left": [],
}


def wrong(**changes: Any) -> list[str]:
    given: dict[str, Any] = {"before": BEFORE, "after": AFTER, "seen": Seen([VM]), "code": 0} | changes
    found: list[str] = proof_of("libvirt", run_seconds=1.0, **given)["wrong"]
    return found


def test_all_as_promised() -> None:
    assert wrong() == []
    assert proof_of("libvirt", BEFORE, AFTER, Seen([VM]), 0, 1.0) == {
        "platform": "libvirt",
        "hosts": [
            {
                "name": "kvm1",
                "boot_id_before": "boot-1",
                "boot_id_after": "boot-2",
                "pending_before": 4,
                "pending_after": 0,
            }
        ],
        "vms": [VM],
        "run_seconds": 1.0,
        "wrong": [],
    }


def test_each_broken_promise_is_told() -> None:
    assert wrong(code=3) == ["`standfast apply` ended with exit code 3."]
    assert wrong(after={"kvm1": HostNow("boot-1", 2)}) == [
        "kvm1 was not rebooted.",
        "kvm1 has 2 updates pending.",
    ]
    assert wrong(seen=Seen([VM | {"restarts": 1, "states_left": ["a saved state on kvm1"]}])) == [
        "vm1 was restarted 1 times.",
        "vm1: a saved state on kvm1",
    ]
    assert wrong(seen=Seen([VM], ["vm1 was silent for 9 s"])) == ["vm1 was silent for 9 s"]
