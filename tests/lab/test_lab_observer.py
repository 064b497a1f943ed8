"""The observer on a real lab: a migration is a move; a reset, a save and a pause each turn it red."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.errors import LabRefusedError
from standfast.lab.observe import Watch

pytestmark = pytest.mark.lab


@pytest.fixture
def observer(lab: Lab) -> Iterator[Watch]:
    """An observer that began just now; its gap budget is generous, because two busy cores are slow."""
    watch = lab.observer
    watch.start(gap_seconds=8.0)
    yield watch
    if watch.is_running():
        watch.stop()


def of(report: dict[str, Any], vm: str) -> dict[str, Any]:
    entry: dict[str, Any] = next(each for each in report["vms"] if each["name"] == vm)
    return entry


def kinds(entry: dict[str, Any]) -> set[str]:
    return {each["kind"] for each in entry["interruptions"]}


def beating_again(observer: Watch, vm: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    before = of(observer.report(), vm)["beats"]
    while of(observer.report(), vm)["beats"] <= before + 5:
        assert time.monotonic() < deadline, f"{vm} does not beat"
        time.sleep(0.2)


def test_all_vms_are_heard_on_both_ways_and_nothing_is_red(lab: Lab, observer: Watch) -> None:
    time.sleep(2.0)
    report = observer.report()
    assert report["reasons"] == []
    assert [entry["name"] for entry in report["vms"]] == list(lab.vms)
    for entry in report["vms"]:
        assert entry["beats"] >= 10
        assert entry["beats_serial"] >= 10
        assert entry["longest_gap_seconds"] < 2.0
    seen = {host["name"]: host["boot_ids_seen"] for host in report["hosts"]}
    assert seen == {host: [lab.boot_id(host)] for host in lab.hosts}


def test_live_migrations_are_moves_and_no_interruption(lab: Lab, observer: Watch) -> None:
    home = lab.migrate("vm1", "kvm2" if lab.where()["vm1"] != ["kvm2"] else "kvm1")
    away = lab.where()["vm1"][0]
    lab.migrate("vm1", home)
    report = observer.stop()
    entry = of(report, "vm1")
    assert entry["path"] == [home, away, home]
    assert entry["moves"] == 2
    assert entry["restarts"] == 0
    assert entry["disk_errors"] == entry["memory_errors"] == 0
    assert report["reasons"] == []


def test_a_reset_guest_turns_it_red(lab: Lab, observer: Watch) -> None:
    lab.restart_vm("vm4")
    time.sleep(4.0)
    beating_again(observer, "vm4")
    report = observer.stop()
    assert report["red"]
    assert kinds(of(report, "vm4")) == {"reset"}
    assert of(report, "vm4")["restarts"] == 1
    assert of(report, "vm4")["moves"] == 0


def test_a_paused_guest_turns_it_red_while_it_is_paused_and_after(lab: Lab, observer: Watch) -> None:
    [host] = lab.where()["vm3"]
    lab.virsh(host, "suspend vm3")
    during = of(observer.report(), "vm3")
    assert during["states_left"] == [f"paused on {host}"]
    time.sleep(1.5)
    lab.virsh(host, "resume vm3")
    beating_again(observer, "vm3")
    after = observer.stop()
    assert after["red"]
    assert kinds(of(after, "vm3")) == {"paused"}
    assert of(after, "vm3")["restarts"] == 0
    assert of(after, "vm3")["longest_gap_seconds"] > 1.5
    assert of(after, "vm3")["states_left"] == []


def test_a_saved_guest_turns_it_red_though_it_comes_back_with_the_same_pulse(
    lab: Lab, observer: Watch
) -> None:
    [host] = lab.where()["vm2"]
    lab.virsh(host, "managedsave vm2")
    during = of(observer.report(), "vm2")
    assert during["states_left"] == [f"saved on {host}", f"shut off on {host}"]
    lab.virsh(host, "start vm2")
    beating_again(observer, "vm2")
    after = observer.stop()
    assert after["red"]
    assert "saved" in kinds(of(after, "vm2"))
    assert of(after, "vm2")["restarts"] == 0


def test_a_guest_that_is_shut_down_cleanly_turns_it_red(lab: Lab, observer: Watch) -> None:
    [host] = lab.where()["vm3"]
    lab.virsh(host, "shutdown vm3")
    deadline = time.monotonic() + 60
    while lab.virsh(host, "domstate vm3") != "shut off":
        assert time.monotonic() < deadline, "the guest does not hear its power button"
        time.sleep(0.2)
    report = observer.report()
    lab.virsh(host, "start vm3")
    beating_again(observer, "vm3")
    assert kinds(of(report, "vm3")) == {"shutdown"}


def test_a_rebooted_host_is_followed_again_and_both_its_boots_are_seen(lab: Lab, observer: Watch) -> None:
    away = [vm for vm, hosts in lab.where().items() if hosts == ["kvm3"]]
    for vm in away:
        lab.migrate(vm, "kvm1")
    before = lab.boot_id("kvm3")
    lab.ssh("kvm3", "systemctl reboot", check=False)
    lab.wait_rebooted("kvm3", before)
    for vm in away:
        lab.migrate(vm, "kvm3")
    report = observer.stop()
    seen = {host["name"]: host["boot_ids_seen"] for host in report["hosts"]}
    assert seen["kvm3"] == [before, lab.boot_id("kvm3")]
    assert [of(report, vm)["moves"] for vm in away] == [2] * len(away)
    assert report["reasons"] == []


def test_a_second_observer_is_refused(lab: Lab, observer: Watch) -> None:
    with pytest.raises(LabRefusedError, match="stop it first"):
        lab.observer.start()
