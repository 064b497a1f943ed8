"""Other rebalancers on a cluster of ours: Debian's `hbal`, and `proxlb-solver` of PyPI.

Both run apart from this process and are no part of Standfast. hbal is looked for on the PATH; the Python of a
virtual environment that has proxlb-solver is named by an environment variable, since it is GPL and brings
OR-Tools with it: `python3 -m venv DIR && DIR/bin/pip install proxlb-solver`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.claim import Skipped
from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB, MIB

PYTHON_VARIABLE = "STANDFAST_BENCH_PROXLB_PYTHON"
DISK_MIB = 4_096_000
VM_DISK_MIB = 40_960


@dataclass(frozen=True, slots=True)
class Found:
    """A rebalancing: where VMs end, what was moved for it, and how long the search took or was let."""

    at: Mapping[VmId, HostId]
    moves: int
    moved_bytes: int
    seconds: float
    ended: bool
    """Whether it came to an end by itself."""


def hbal(snapshot: Snapshot, seconds: float) -> Found:
    """As many moves as it tells in that time. Raises Skipped where there is no hbal."""
    program = shutil.which("hbal") or shutil.which("hbal", path="/usr/lib/ganeti/default/usr/bin")
    if program is None:
        raise Skipped("hbal is not here: `apt-get install ganeti-htools`")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.data"
        file.write_text(htools_text(snapshot), encoding="ascii")
        command = [program, "-t", str(file), "--no-disk-moves"]
        out = Path(folder) / "out"
        began = time.perf_counter()
        with out.open("w") as sink:
            process = subprocess.Popen(command, stdout=sink, stderr=subprocess.STDOUT)
            try:
                process.wait(seconds)
                ended = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                ended = False
        took = time.perf_counter() - began
        told = re.findall(r"^\s*\d+\.\s+(\S+)\s+(\S+)\s+=>\s+(\S+)", out.read_text(), re.MULTILINE)
    vms = {f"vm{number:05d}": vm for number, vm in enumerate(snapshot.vms)}
    hosts = {f"node{number:04d}": host.id for number, host in enumerate(snapshot.hosts)}
    at = {vm.id: vm.host for vm in snapshot.vms}
    moved = 0
    for name, _, target in told:
        at[vms[name].id] = hosts[target.partition(":")[0]]
        moved += vms[name].memory_bytes
    return Found(at, len(told), moved, took, ended)


def htools_text(snapshot: Snapshot) -> str:
    """The cluster in the text format of ganeti's htools, VMs on shared storage."""
    numbers = {host.id: number for number, host in enumerate(snapshot.hosts)}
    held = dict.fromkeys(numbers, 0)
    for vm in snapshot.vms:
        held[vm.host] += vm.memory_bytes // MIB
    nodes = []
    for host, number in zip(snapshot.hosts, numbers.values(), strict=True):
        total = host.memory_bytes // MIB
        role = "M" if number == 0 else "N"
        free = total - held[host.id]
        nodes.append(f"node{number:04d}|{total}|0|{free}|{DISK_MIB}|{DISK_MIB}|64|{role}|uuid-1|1")
    vms = [
        f"vm{number:05d}|{vm.memory_bytes // MIB}|{VM_DISK_MIB}|{vm.vcpus}|running|Y|"
        f"node{numbers[vm.host]:04d}||ext||1"
        for number, vm in enumerate(snapshot.vms)
    ]
    limits = "128,1,1024,1,1,1|128,1,1024,1,1,1;131072,64,1048576,16,8,12"
    policy = f"|{limits}|diskless,file,sharedfile,plain,blockdev,drbd,rbd,ext|8.0|32.0"
    blocks = [
        "group-01|uuid-1|preferred||",
        "\n".join(nodes),
        "\n".join(vms),
        "",
        f"{policy}\ngroup-01{policy}",
    ]
    return "\n\n".join(blocks) + "\n"


_SOLVE = """
import json, sys, time
from pathlib import Path
from proxlb_solver.loader import load_scenario
from proxlb_solver.solver import solve_reachable
cluster = load_scenario(Path(sys.argv[1]))
began = time.perf_counter()
solution, plan = solve_reachable(cluster, total_time_limit_s=float(sys.argv[2]))
took = time.perf_counter() - began
print(json.dumps([bool(solution.feasible), {str(a): str(b) for a, b in solution.placements.items()}, took]))
"""


def proxlb(snapshot: Snapshot, seconds: float) -> Found:
    """Its best answer within that time. Raises Skipped where it is not to be had, or finds nothing."""
    python = os.environ.get(PYTHON_VARIABLE)
    if not python or not Path(python).exists():
        raise Skipped(
            f"proxlb-solver is not here: name the Python of an environment with it in {PYTHON_VARIABLE}"
        )
    hosts = {f"node{number:04d}": host for number, host in enumerate(snapshot.hosts)}
    names = {host.id: name for name, host in hosts.items()}
    vms = {f"vm{number:05d}": vm for number, vm in enumerate(snapshot.vms)}
    scenario = {
        "name": "bench",
        "description": "bench",
        "balancing": {"method": "memory", "cpu_overcommit": 8.0, "max_parallel_migrations": 20},
        "nodes": {
            name: {"cpu_total": 64, "memory_total_gb": host.memory_bytes // GIB}
            for name, host in hosts.items()
        },
        "vms": {
            name: {"node": names[vm.host], "cpu": vm.vcpus, "memory_gb": vm.memory_bytes // GIB, "type": "vm"}
            for name, vm in vms.items()
        },
        "constraints": {},
        "expect": {"feasible": True},
    }
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scenario.yaml"
        file.write_text(json.dumps(scenario), encoding="ascii")  # JSON is YAML
        done = subprocess.run(
            [python, "-c", _SOLVE, str(file), str(seconds)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        raise Skipped(f"proxlb-solver failed: {done.stderr.strip().splitlines()[-1:]}")
    feasible, placements, took = json.loads(done.stdout.splitlines()[-1])
    if not feasible:
        raise Skipped(f"proxlb-solver found no placement in {seconds:g} s")
    at = {vm.id: hosts[placements.get(name, names[vm.host])].id for name, vm in vms.items()}
    moved = [vm for vm in snapshot.vms if at[vm.id] != vm.host]
    return Found(at, len(moved), sum(vm.memory_bytes for vm in moved), took, took < 0.95 * seconds)
