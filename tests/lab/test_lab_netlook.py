"""The network of real hosts, looked at and tried."""

from __future__ import annotations

import pytest

from standfast.config.load import load
from standfast.doctor.wires import checks
from standfast.lab.cluster import Lab
from standfast.lab.names import Net
from standfast.model.wires import Carries
from standfast.updates.netlook import SshNetLook
from standfast.wiring import ssh_targets

pytestmark = pytest.mark.lab


def test_what_carries_what_is_seen_and_a_slow_link_and_a_small_mtu_are_measured(lab: Lab) -> None:
    [cluster] = load(lab.config_path).clusters.values()
    addresses = {host.name: host.migration_address for host in cluster.hosts}
    targets = {name: target for name, target in ssh_targets(cluster).items() if name in ("kvm1", "kvm2")}
    look = SshNetLook(targets, addresses)
    lab.set_speed(Net.MIGRATION, 100_000_000, hosts=["kvm1"])
    lab.ssh("kvm2", "ip link set mig0 mtu 1400")
    try:
        hosts, ways = look.survey(), look.probe(1)
    finally:
        lab.ssh("kvm2", "ip link set mig0 mtu 1500")
        lab.set_speed(Net.MIGRATION, None, hosts=["kvm1"])
    assert [host.carries[Carries.MANAGEMENT] for host in hosts] == [("mgmt0",), ("mgmt0",)]
    assert [host.carries[Carries.MIGRATION] for host in hosts] == [("mig0",), ("mig0",)]
    assert {"unequal_mtu", "no_second_path"} <= {each.name for each in checks(hosts)}
    for way in ways:
        assert way.trouble == ""
        assert 0.7e8 < way.bits_per_second < 1.2e8, "a hundred megabit, both ways through the one slow link"
        assert way.mtu == 1400
    left = [lab.ssh(name, "pgrep -fc 'serve.*[0-9a-f]{16}' || true").stdout.strip() for name in targets]
    assert left == ["0", "0"], "what listened has ended"
