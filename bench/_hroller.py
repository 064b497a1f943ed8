"""Debian's `hroller` on one of our clusters: its waves and moves told in the checker's stages.

hroller(1) brings VMs back after each wave, so its moves are those out and the same again home.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.claim import Skipped
from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.plan.checker_words import Hop, Stage

MIB = 1024**2
PLACES = ("/usr/bin/hroller", "/usr/lib/ganeti/default/usr/bin/hroller")
MOST_SECONDS = 300.0
DISK_MIB = 40_960


def program() -> str:
    """Where hroller is. Skipped where it isn't, with what to do."""
    named = os.environ.get("STANDFAST_BENCH_HROLLER")
    found = named or shutil.which("hroller") or next((at for at in PLACES if Path(at).exists()), None)
    if found is None:
        raise Skipped(
            "hroller is not here: install Debian's ganeti-htools, or name it in $STANDFAST_BENCH_HROLLER"
        )
    return found


def waves(made: Snapshot) -> tuple[tuple[Stage, ...], float]:
    """Its plan for a reboot of all hosts, and how many seconds it took. Raises Skipped."""
    command = program()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "cluster.data"
        data.write_text(text_of(made), encoding="utf-8")
        began = time.perf_counter()
        try:
            done = subprocess.run(
                [command, "-t", str(data), "--force", "--no-headers", "--print-moves"],
                capture_output=True,
                text=True,
                timeout=MOST_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Skipped(f"hroller could not be run: {error}") from error
        took = time.perf_counter() - began
    if done.returncode != 0:
        raise Skipped(f"hroller ended with {done.returncode}: {(done.stderr or done.stdout).strip()[:200]}")
    return stages_from(done.stdout, made), took


def stages_from(printed: str, made: Snapshot) -> tuple[Stage, ...]:
    """Lines of hosts with commas between them, each followed by indented `VM TARGET` lines."""
    hosts = {host.name: host.id for host in made.hosts}
    vms = {vm.name: vm for vm in made.vms}
    stages: list[Stage] = []
    out: tuple[HostId, ...] = ()
    hops: list[Hop] = []

    def close() -> None:
        if out:
            home = tuple(Hop(hop.vm, hop.target, hop.source) for hop in hops)
            stages.extend((Stage(out, tuple(hops)), Stage((), home)))

    for line in printed.splitlines():
        if not line.strip():
            continue
        if line[0].isspace():
            name, target = line.split()[:2]
            hops.append(Hop(vms[name].id, vms[name].host, hosts[target]))
        else:
            close()
            out, hops = tuple(hosts[name] for name in line.strip().split(",")), []
    close()
    return tuple(stages)


def text_of(made: Snapshot) -> str:
    """The cluster in the text format of htools; VMs that are kept apart share an exclusion tag."""
    held: dict[HostId, int] = {host.id: 0 for host in made.hosts}
    count: dict[HostId, int] = {host.id: 0 for host in made.hosts}
    for vm in made.vms:
        held[vm.host] += vm.memory_bytes // MIB
        count[vm.host] += 1
    names = {host.id: host.name for host in made.hosts}
    tags = _tags(made)
    nodes = []
    for host in made.hosts:
        total = host.memory_bytes // MIB
        fields = (
            host.name,
            total,
            0,
            total - held[host.id],
            4_096_000,
            4_096_000 - DISK_MIB * count[host.id],
        )
        nodes.append("|".join(map(str, (*fields, 64, "N", "fake-uuid-01", 1))))
    vms = [
        f"{vm.name}|{vm.memory_bytes // MIB}|{DISK_MIB}|{vm.vcpus}|running|Y|{names[vm.host]}||ext|"
        f"{tags.get(vm.id, '')}|1"
        for vm in made.vms
    ]
    limits = (
        "128,1,1024,1,1,1|128,1,1024,1,1,1;1048576,256,8388608,16,8,12"
        "|diskless,file,sharedfile,plain,blockdev,drbd,rbd,ext|64.0|512.0"
    )
    blocks = (
        ["group-01|fake-uuid-01|preferred||"],
        nodes,
        vms,
        ["htools:iextags:apart"],
        [f"|{limits}", f"group-01|{limits}"],
    )
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _tags(made: Snapshot) -> Mapping[VmId, str]:
    found: dict[VmId, list[str]] = {}
    for rule in made.rules.anti_affinity:
        for vm in rule.vms:
            found.setdefault(vm, []).append(f"apart:{rule.name}")
    return {vm: ",".join(mine) for vm, mine in found.items()}
