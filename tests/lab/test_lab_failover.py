"""A network of real hosts goes away for seconds, and comes back whoever dies."""

from __future__ import annotations

import time

import pytest

from standfast.config.load import load
from standfast.doctor.failover import against_paths, sentences
from standfast.lab.cluster import Lab
from standfast.model.failover import Paths
from standfast.model.wires import Carries
from standfast.updates.failover import SshFailover
from standfast.updates.netlook import SshNetLook
from standfast.updates.scripts import script
from standfast.wiring import ssh_targets

pytestmark = pytest.mark.lab
TWO = ("kvm1", "kvm2")


def test_migration_fails_over_to_management_and_comes_back_and_no_vm_notices(lab: Lab) -> None:
    [cluster] = load(lab.config_path).clusters.values()
    addresses = {host.name: host.migration_address for host in cluster.hosts if host.name in TWO}
    targets = {name: target for name, target in ssh_targets(cluster).items() if name in TWO}
    look = SshNetLook(targets, addresses)
    failover = SshFailover(look, dict.fromkeys(TWO, "mig0"))
    seen: list[str] = []

    def allow(paths: dict[str, Paths]) -> None:
        seen.extend(why for name in TWO for why in against_paths(paths[name], "mig0", failover.peers(name)))

    routes = lab.ssh("kvm1", "ip route").stdout
    lab.observer.start(gap_seconds=8.0)
    found = failover.rehearse("c", Carries.MIGRATION, 8, lambda _: None, allow)
    report = lab.observer.stop()
    assert seen == []
    assert found.held, list(sentences(found))
    assert {way.carried_by for way in found.ways} == {"mgmt0"}
    assert report["reasons"] == []
    assert all(entry["beats"] > 10 for entry in report["vms"])
    assert lab.ssh("kvm1", "ip route").stdout == routes

    # Whoever asked for it is gone, and what was to wait on the host is killed: its systemd brings it back.
    look.ask("kvm1", "cut", "mig0", "60", "abcd", input=script("away"), seconds=20)
    state = "cat /sys/class/net/mig0/operstate"
    _until(lab, state, "down")
    assert "198." in lab.ssh("kvm1", "ip route show metric 4000 dev mgmt0").stdout
    lab.ssh("kvm1", "systemctl kill -s KILL standfast-failover.service")
    _until(lab, state, "up")
    _until(lab, "ip route", routes.strip())
    _until(lab, "systemctl list-units -q --no-legend 'standfast-failover*'", "")


def _until(lab: Lab, command: str, wanted: str) -> None:
    deadline = time.monotonic() + 15
    while (found := lab.ssh("kvm1", command).stdout.strip()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
