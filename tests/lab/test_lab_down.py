"""A lab is built beside others and removed without a trace, whatever was killed before."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from standfast.cli.lab import lab as command
from standfast.lab import network, processes, state
from standfast.lab.cluster import Lab
from standfast.lab.errors import LabRefusedError
from standfast.lab.names import Names
from standfast.lab.paths import LabPaths
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.lab.state import lab_names

pytestmark = pytest.mark.lab


@pytest.fixture
def name() -> Iterator[str]:
    """A lab name that nobody has, removed afterwards."""
    chosen = f"u{os.getpid()}"
    yield chosen
    Lab.remove(chosen)


def tiny(name: str) -> LabSpec:
    return LabSpec(name=name, hosts=default_hosts(2), vms=default_vms(2, large=0))


def traces(name: str) -> dict[str, list[str]]:
    """Everything on this machine that bears the mark of a lab; empty lists when it is gone."""
    names = Names(name)
    return {
        "links": [link for link in network.links() if link.startswith(names.interface_prefix)],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{name}/" in line],
        "processes": [str(pid) for pid in processes.contained_processes(name)],
        "cgroups": [str(path) for path in processes.cgroup_dirs(name) if path.exists()],
        "containers": [str(path) for path in Path("/run/systemd/nspawn").glob(f"*/{names.machine('*')}")],
        "directories": [str(path) for path in (LabPaths.of(name).root,) if path.exists()],
    }


def everything() -> set[str]:
    """Interfaces, mounts and processes of this machine, but for those of other labs, which come and go."""
    others = [each for each in lab_names() if each != f"u{os.getpid()}"]
    marks = [f"/{each}/" for each in others] + [Names(each).interface_prefix for each in others]
    found = {_process(path) for path in Path("/proc").glob("[0-9]*")}
    found |= {*network.links(), *Path("/proc/mounts").read_text().splitlines()}
    return {line for line in found if line and not any(mark in line for mark in marks)}


def _process(path: Path) -> str:
    """Command line and control group of a process that a lab could have started; '' for others."""
    try:
        line = (path / "cmdline").read_bytes().decode(errors="replace") + (path / "cgroup").read_text()
    except OSError:  # it ended meanwhile
        return ""
    kinds = ("standfast.lab", "/standfast-lab/", "systemd-nspawn", "qemu-system")
    return line if any(kind in line for kind in kinds) else ""


def test_two_labs_live_side_by_side_and_removing_one_leaves_the_other(lab: Lab, name: str) -> None:
    before = everything()
    other = Lab.up(tiny(name))
    assert other.state.slot != lab.state.slot
    assert other.boot_id("kvm1") != lab.boot_id("kvm1")
    assert (
        other.ssh("kvm1", f"ping -c1 -W1 {lab.host('kvm1').management_address}", check=False).returncode != 0
    )
    with pytest.raises(LabRefusedError, match="exists"):
        Lab.up(tiny(name))
    other.observer.start()
    assert other.observer.report()["reasons"] == []
    other.down()
    assert everything() - before == set()
    assert all(not found for found in traces(name).values())
    assert sum(len(hosts) for hosts in lab.where().values()) == len(lab.vms)


def test_down_after_everything_was_killed_leaves_nothing_and_can_be_repeated(lab: Lab, name: str) -> None:
    before = everything()
    other = Lab.up(tiny(name))
    other.observer.start()
    for host in other.hosts:
        supervisor = other.host(host).supervisor
        assert supervisor is not None
        os.kill(supervisor, signal.SIGKILL)
    for pid in processes.helper_processes(other.paths.root, "systemd-nspawn")[:1]:
        os.kill(pid, signal.SIGKILL)
    other.paths.state.unlink()
    assert Lab.remove(name)
    assert everything() - before == set()
    assert all(not found for found in traces(name).values())
    assert not Lab.remove(name)


def test_a_half_built_lab_can_be_removed_and_says_that_it_is_there(name: str) -> None:
    made = Lab(state.claim(tiny(name)))
    network.make_bridges(Names(name), made.state.addresses)
    refused = CliRunner().invoke(command, ["up", "--name", name])
    assert refused.exit_code == 5
    assert "exists" in refused.output
    gone = CliRunner().invoke(command, ["down", "--name", name])
    assert (gone.exit_code, gone.output) == (0, f"Lab {name} is gone.\n")
    assert all(not found for found in traces(name).values())


def test_the_command_line_shows_a_lab_and_its_config(lab: Lab) -> None:
    shown = CliRunner().invoke(command, ["config", "--name", lab.name])
    assert shown.output == lab.config_path.read_text()
    status = CliRunner().invoke(command, ["status", "--name", lab.name, "--json"])
    assert set(json.loads(status.output)["now"]) == set(lab.hosts)
    absent = CliRunner().invoke(command, ["status", "--name", "absent"])
    assert absent.exit_code == 2
    assert "There is no lab" in absent.output
    unclear = CliRunner().invoke(command, ["speed", "--name", lab.name])
    assert unclear.exit_code == 2
    assert CliRunner().invoke(command, ["speed", "--name", lab.name, "--migration", "fast"]).exit_code == 2
