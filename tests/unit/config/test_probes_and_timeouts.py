"""Probes of VMs and what their own clusters wait for, in the config."""

from __future__ import annotations

from pathlib import Path

import pytest

from standfast.cli.looking import warnings
from standfast.config.load import load
from standfast.model.cluster import Snapshot, Vm, VmState
from standfast.model.errors import ConfigError
from standfast.model.ids import HostId, VmId
from standfast.model.probes import VmProbe


def config(tmp_path: Path, more: str) -> Path:
    file = tmp_path / "standfast.yaml"
    head = "clusters:\n  east:\n    platform: libvirt\n"
    file.write_text(f"{head}    hosts: {{a: {{uri: 'qemu+ssh://root@a/system'}}}}\n{more}")
    return file


def snapshot(**budgets: float | None) -> Snapshot:
    vms = tuple(
        Vm(VmId(name), name, HostId("a"), VmState.RUNNING, 1, blackout_budget_seconds=budget)
        for name, budget in budgets.items()
    )
    return Snapshot("east", "libvirt", 0.0, (), vms)


def test_probes_and_time_outs_are_read(tmp_path: Path) -> None:
    east = load(config(tmp_path, "    probes: {web: 'tcp://w:80'}\n    guest_timeouts: {web: 5}\n")).cluster(
        None
    )
    assert east.probes == {"web": VmProbe("tcp", "w", 80)}
    assert east.guest_timeouts == {"web": 5.0}


@pytest.mark.parametrize(
    "more",
    [
        "    probes:\n      web: ftp://w\n",
        "    guest_timeouts:\n      web: 0\n",
        "    guest_timeouts:\n      web: .nan\n",
    ],
)
def test_one_that_is_none_is_refused_with_its_line(tmp_path: Path, more: str) -> None:
    with pytest.raises(ConfigError) as error:
        load(config(tmp_path, more)).cluster(None)
    assert "standfast.yaml:6" in str(error.value)


def test_a_budget_that_a_guests_own_cluster_does_not_wait_for_is_told(tmp_path: Path) -> None:
    east = load(
        config(tmp_path, "    probes: {gone: 'icmp://g'}\n    guest_timeouts: {web: 5, db: 1}\n")
    ).cluster(None)
    said = [str(each) for each in warnings(east, snapshot(web=None, db=3.0))]
    assert len(said) == 2
    assert "probes of cluster 'east' name a VM 'gone', which is not there" in said[0]
    assert "db may be dark for 3 s, and its own cluster or clients give it up after 1 s" in said[1]
