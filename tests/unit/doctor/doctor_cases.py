"""A cluster in which all is well, told by every host, for a test to change one thing in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from standfast.doctor.judge import Case, Verdict, judge
from standfast.model.cluster import Cpu, Disk, Host, Rules, Snapshot, Vm, VmState
from standfast.model.exam import Exam, Room, SeenFile, Way
from standfast.model.hostwork import HostFacts, UpdateState
from standfast.model.ids import HostId, VmId
from standfast.model.units import GIB, MIB

NAMES = ("kvm1", "kvm2", "kvm3")
IDS = {name: HostId(f"uuid-{name}") for name in NAMES}
PATH = "/srv/vm/{}.img"


def host(name: str) -> Host:
    return Host(
        IDS[name],
        name,
        8 * GIB,
        cpu=Cpu("x86_64", "Skylake", "Intel", frozenset({"avx", "aes"})),
        hypervisor_version=(10, 0, 2),
        manager_version=(11, 3, 0),
        machine_types=frozenset({"q35-10.0"}),
        networks=frozenset({"lan", "bridge:br0", "device:eth0"}),
        migration_address=f"10.0.0.{name[-1]}",
        facts=HostFacts("boot", 100.0, system_state="running", active_vms=1),
        updates=UpdateState(0.0, "boot"),
    )


def vm(number: int) -> Vm:
    name = f"vm{number}"
    disk = Disk(PATH.format(name), shared=True, target="vda")
    return Vm(
        VmId(name),
        name,
        IDS[NAMES[number - 1]],
        VmState.RUNNING,
        512 * MIB,
        disks=(disk,),
        networks=("bridge:br0",),
        machine_type="q35-10.0",
        dirty_bytes_per_second=1.0 * MIB,
    )


def exam(name: str) -> Exam:
    return Exam(
        IDS[name],
        name,
        user="root",
        clock_skew_seconds=0.1,
        rooms=(Room("/", 50 * GIB, 100 * GIB, own=True), Room("/var", 50 * GIB, 100 * GIB)),
        files=tuple(SeenFile(PATH.format(f"vm{n}"), n, "nfs") for n in (1, 2, 3)),
        ways=tuple(
            Way(other, answered=IDS[other], open_ports=(49152, 49183, 49215))
            for other in NAMES
            if other != name
        ),
    )


def well() -> Case:
    snapshot = Snapshot("c", "libvirt", 0.0, tuple(map(host, NAMES)), tuple(map(vm, (1, 2, 3))), Rules())
    return Case(snapshot, {IDS[name]: exam(name) for name in NAMES})


def with_host(case: Case, name: str, **changes: Any) -> Case:
    hosts = tuple(replace(each, **changes) if each.name == name else each for each in case.snapshot.hosts)
    return replace(case, snapshot=replace(case.snapshot, hosts=hosts))


def with_vm(case: Case, name: str, **changes: Any) -> Case:
    vms = tuple(replace(each, **changes) if each.name == name else each for each in case.snapshot.vms)
    return replace(case, snapshot=replace(case.snapshot, vms=vms))


def with_exam(case: Case, name: str, **changes: Any) -> Case:
    changed = replace(case.exams[IDS[name]], **changes)
    return replace(case, exams={**case.exams, IDS[name]: changed})


def with_way(case: Case, source: str, target: str, **changes: Any) -> Case:
    ways = tuple(
        replace(way, **changes) if way.target == target else way for way in case.exams[IDS[source]].ways
    )
    return with_exam(case, source, ways=ways)


def told(case: Case) -> list[tuple[str, str]]:
    """(where, code) of each finding, in the order of the verdict."""
    verdict = judge(case)
    return [
        *(("cluster", str(finding.code)) for finding in verdict.whole),
        *((each.host.name, str(finding.code)) for each in verdict.hosts for finding in each.findings),
        *((each.name, str(finding.code)) for each in verdict.vms for finding in each.findings),
    ]


def sentences(verdict: Verdict) -> Sequence[str]:
    return [finding.reason.sentence for finding in verdict.findings]
