"""A Pacemaker that really runs on two real hosts, with a VM and a fence in its hands: the doctor finds it.

The hosts may be worked on only while it is in maintenance mode.

Its packages come from a Debian mirror, once; where none answers, the lab says which one did not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_program import Program, lab_of

from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

PACKAGES = ("pacemaker", "pacemaker-cli-utils", "resource-agents", "fence-agents-dummy")
LIMIT_SECONDS = 180.0

COROSYNC = """\
totem {{
  version: 2
  cluster_name: lab
  transport: knet
  crypto_cipher: none
  crypto_hash: none
}}
quorum {{
  provider: corosync_votequorum
  two_node: 1
}}
nodelist {{
{nodes}}}
"""
NODE = "  node {{\n    name: {name}\n    nodeid: {number}\n    ring0_addr: {address}\n  }}\n"
# A coordinator is elected after dc-deadtime, 20 s by default.
CIB = """\
<cib epoch="1" num_updates="0" admin_epoch="1" validate-with="pacemaker-3.0">
  <configuration>
    <crm_config>
      <cluster_property_set id="options">
        <nvpair id="dc-deadtime" name="dc-deadtime" value="1s"/>
      </cluster_property_set>
    </crm_config>
    <nodes/>
    <resources>
      <primitive id="web1" class="ocf" provider="heartbeat" type="VirtualDomain">
        <instance_attributes id="web1-settings">
          <nvpair id="web1-config" name="config" value="/srv/vm/definitions/web1.xml"/>
        </instance_attributes>
      </primitive>
      <primitive id="fence" class="stonith" type="fence_dummy"/>
    </resources>
    <constraints/>
  </configuration>
  <status/>
</cib>
"""
SET_UP = f"""\
systemctl stop pacemaker corosync
cat >/etc/corosync/corosync.conf <<'END'
{COROSYNC}END
rm -f /var/lib/pacemaker/cib/*
cat >/var/lib/pacemaker/cib/cib.xml <<'END'
{CIB}END
chown hacluster:haclient /var/lib/pacemaker/cib/cib.xml
systemctl start corosync pacemaker
"""


@pytest.fixture(scope="module")
def pacemaker_lab() -> Iterator[Lab]:
    spec = LabSpec(name=f"p{os.getpid()}", hosts=default_hosts(2), vms=(), packages=PACKAGES)
    with lab_of(spec) as up:
        nodes = "".join(
            NODE.format(name=name, number=number, address=up.host(name).management_address)
            for number, name in enumerate(up.hosts, start=1)
        )
        for host in up.hosts:
            up.ssh(host, SET_UP.format(nodes=nodes))
        yield up


def findings(lab: Lab, place: Path) -> tuple[dict[str, list[tuple[str, str, str]]], int]:
    """Host to its findings as code, severity and sentence; and the exit code."""
    done = Program(lab.config_path, place / "state").call("doctor", "--json")
    assert done.stdout.startswith("{"), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert not told["findings"], told["findings"]
    hosts = {
        host["name"]: [(each["code"], each["severity"], each["sentence"]) for each in host["findings"]]
        for host in told["hosts"]
    }
    return hosts, done.returncode


def test_it_runs_on_both_hosts_and_its_fence_is_armed(pacemaker_lab: Lab) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while "Started" not in (seen := _monitor(pacemaker_lab)) or "Online: [ kvm1 kvm2 ]" not in seen:
        assert time.monotonic() < deadline, seen
        time.sleep(0.3)
    assert "VirtualDomain" in seen


def test_the_doctor_says_that_it_may_start_vms_and_fence_hosts(pacemaker_lab: Lab, tmp_path: Path) -> None:
    hosts, code = findings(pacemaker_lab, tmp_path)
    assert code == 5
    for name, found in hosts.items():
        [(rule, severity, sentence)] = found
        assert (rule, severity) == ("host_cluster_manager", "error")
        assert sentence == (
            f"pacemaker, corosync run on {name}: it may start or move VMs by itself, and may fence the host "
            "(switch it off)."
        )


def test_without_fencing_it_is_still_in_the_way_of_vms(pacemaker_lab: Lab, tmp_path: Path) -> None:
    pacemaker_lab.ssh("kvm1", "crm_attribute -n stonith-enabled -v false")
    try:
        hosts, code = findings(pacemaker_lab, tmp_path)
    finally:
        pacemaker_lab.ssh("kvm1", "crm_attribute -n stonith-enabled -D")
    assert code == 5
    for name, found in hosts.items():
        [(rule, _, sentence)] = found
        assert rule == "host_cluster_manager"
        assert sentence == f"pacemaker, corosync run on {name}: it may start or move VMs by itself."


def test_in_maintenance_mode_as_the_doctor_advises_it_is_but_noted(
    pacemaker_lab: Lab, tmp_path: Path
) -> None:
    pacemaker_lab.ssh("kvm1", "crm_attribute -n maintenance-mode -v true")
    hosts, code = findings(pacemaker_lab, tmp_path)
    assert code == 0
    for name, found in hosts.items():
        [(rule, severity, sentence)] = found
        assert (rule, severity) == ("host_cluster_manager_idle", "note")
        assert sentence == f"pacemaker, corosync on {name} are in maintenance mode."


def _monitor(lab: Lab) -> str:
    return lab.ssh("kvm1", "crm_mon -1 -r", check=False).stdout
