"""The doctor's judgement by table: one thing is wrong, and exactly that is found, where it is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_cases import IDS, PATH, sentences, told, well, with_exam, with_host, with_vm, with_way

import standfast
from standfast.doctor.findings import CATALOGUE, Severity
from standfast.doctor.judge import Case, judge
from standfast.model.cluster import AntiAffinity, Cpu, Disk, Leftover, Pool, Rules, VmState
from standfast.model.exam import Hand, OtherHand, Room, SeenFile
from standfast.model.hostwork import HostFacts, PendingUpdate, UpdateState
from standfast.model.ids import VmId
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.units import GIB, MIB

Change = Callable[[Case], Case]


def hand(kind: Hand, unit: str) -> tuple[OtherHand, ...]:
    return (OtherHand(kind, unit, active=True),)


def updates(**changes: object) -> UpdateState:
    return replace(UpdateState(0.0, "boot"), **changes)  # type: ignore[arg-type]


def failed() -> HostFacts:
    return HostFacts("boot", 1.0, system_state="degraded", failed_units=("nfs.service",), active_vms=1)


ONE_THING: dict[str, tuple[str, Change]] = {
    "no rights": ("kvm2 host_no_rights", lambda c: with_exam(c, "kvm2", uid=1000, user="oper")),
    "a tool missing": ("kvm2 host_no_tool", lambda c: with_exam(c, "kvm2", missing_tools=("perl",))),
    "no place for the guard": (
        "kvm2 host_no_guard",
        lambda c: with_exam(c, "kvm2", unwritable=("/var/lib/standfast",)),
    ),
    "pacemaker": (
        "kvm1 host_cluster_manager",
        lambda c: with_exam(
            c, "kvm1", other_hands=hand(Hand.CLUSTER_MANAGER, "pacemaker.service"), fencing=True
        ),
    ),
    "pacemaker in maintenance": (
        "kvm1 host_cluster_manager_idle",
        lambda c: with_exam(
            c, "kvm1", other_hands=hand(Hand.CLUSTER_MANAGER, "pacemaker.service"), manager_idle=True
        ),
    ),
    "a balancer": (
        "kvm1 host_balancer",
        lambda c: with_exam(c, "kvm1", other_hands=hand(Hand.BALANCER, "proxlb.service")),
    ),
    "automatic updates": (
        "kvm1 host_auto_updates",
        lambda c: with_exam(c, "kvm1", other_hands=hand(Hand.UPDATER, "unattended-upgrades")),
    ),
    "automatic reboots": (
        "kvm1 host_auto_reboot",
        lambda c: with_exam(
            c, "kvm1", other_hands=hand(Hand.UPDATER, "unattended-upgrades"), updates_reboot=True
        ),
    ),
    "guests saved": (
        "kvm1 host_guests_suspended",
        lambda c: with_exam(c, "kvm1", guests_at_shutdown="suspend"),
    ),
    "guests shut down": (
        "kvm1 host_guests_stopped",
        lambda c: with_exam(c, "kvm1", guests_at_shutdown="shutdown"),
    ),
    "a scheduled shutdown": (
        "kvm1 host_shutdown_scheduled",
        lambda c: with_exam(c, "kvm1", shutdown_scheduled="USEC=1 MODE=reboot"),
    ),
    "a wrong clock": ("kvm3 host_clock", lambda c: with_exam(c, "kvm3", clock_skew_seconds=-61.0)),
    "no clock": ("kvm3 unchecked", lambda c: with_exam(c, "kvm3", clock_skew_seconds=None)),
    "a lock held": (
        "kvm3 host_packages_locked",
        lambda c: with_exam(c, "kvm3", package_lock="It is held by process 7 (apt)"),
    ),
    "no keepalive": ("kvm3 host_no_keepalive", lambda c: with_exam(c, "kvm3", keepalive_off=True)),
    "a full root": (
        "kvm3 host_disk_low",
        lambda c: with_exam(c, "kvm3", rooms=(Room("/", 100 * MIB, 100 * GIB, own=True),)),
    ),
    "a full boot": (
        "kvm3 host_disk_low",
        lambda c: with_exam(c, "kvm3", rooms=(Room("/boot", 60 * MIB, 512 * MIB, own=True),)),
    ),
    "a check not made": ("kvm3 unchecked", lambda c: with_exam(c, "kvm3", unmade=("kvm3 does not say it.",))),
    "an address elsewhere": (
        "kvm3 host_migration_address",
        lambda c: with_exam(c, "kvm3", listen_trouble="Cannot assign requested address"),
    ),
    "no address": ("kvm3 host_no_migration_address", lambda c: with_host(c, "kvm3", migration_address="")),
    "no facts": ("kvm3 unchecked", lambda c: with_host(c, "kvm3", facts=None)),
    "libvirt down on the host": (
        "kvm3 host_hypervisor_down",
        lambda c: with_host(c, "kvm3", facts=HostFacts("boot", 1.0, active_vms=None)),
    ),
    "units failed": ("kvm3 host_units_failed", lambda c: with_host(c, "kvm3", facts=failed())),
    "cordoned": (
        "kvm3 host_cordoned_by_other",
        lambda c: with_host(c, "kvm3", cordoned=True, cordoned_by="bob"),
    ),
    "interrupted dpkg": (
        "kvm3 host_packages_broken",
        lambda c: with_host(c, "kvm3", updates=updates(interrupted="dpkg was interrupted")),
    ),
    "too little room": (
        "kvm3 host_disk_full",
        lambda c: with_host(c, "kvm3", updates=updates(free_disk_bytes=5, needed_disk_bytes=6)),
    ),
    "held packages": (
        "kvm3 host_packages_held",
        lambda c: with_host(c, "kvm3", updates=updates(held_back=("less",))),
    ),
    "a new QEMU pending": (
        "kvm3 host_new_hypervisor",
        lambda c: with_host(
            c,
            "kvm3",
            updates=updates(pending=(PendingUpdate("qemu-system-x86", "1:10.0.2-1", "1:10.1.0-1"),)),
        ),
    ),
    "sources that fail": (
        "kvm3 host_not_scanned",
        lambda c: with_host(c, "kvm3", unscanned_why="kvm3: apt-get update failed: 404."),
    ),
    "no scan": ("kvm3 host_not_scanned", lambda c: with_host(c, "kvm3", updates=None)),
    "a pool missing": (
        "kvm3 unequal_pools",
        lambda c: with_host(
            with_host(c, "kvm1", pools=(Pool("images", "dir", "/i"),)),
            "kvm2",
            pools=(Pool("images", "dir", "/i"),),
        ),
    ),
    "a network missing": (
        "kvm3 unequal_networks",
        lambda c: with_host(c, "kvm3", networks=frozenset({"bridge:br0"})),
    ),
    "another CPU": (
        "kvm3 unequal_cpus",
        lambda c: with_host(c, "kvm3", cpu=Cpu("x86_64", "Haswell", "Intel", frozenset({"aes"}))),
    ),
    "an older QEMU": (
        "kvm3 unequal_versions",
        lambda c: with_host(c, "kvm3", hypervisor_version=(9, 2, 0)),
    ),
    "a machine type missing that no VM has": (
        "kvm3 unequal_machine_types",
        lambda c: with_host(
            with_host(c, "kvm1", machine_types=frozenset({"q35-10.0", "pc-10.0"})),
            "kvm2",
            machine_types=frozenset({"q35-10.0", "pc-10.0"}),
        ),
    ),
    "a disk not seen": (
        "kvm3 host_lacks_disks",
        lambda c: with_exam(c, "kvm3", files=(), missing_files=(PATH.format("vm1"),)),
    ),
    "another file for a disk": (
        "kvm3 host_other_disks",
        lambda c: with_exam(c, "kvm3", files=(SeenFile(PATH.format("vm1"), 99, "xfs"),)),
    ),
    "no way for libvirt": (
        "kvm1 way_control",
        lambda c: with_way(c, "kvm1", "kvm2", control="Host key verification failed.", answered=None),
    ),
    "no way for data": (
        "kvm1 way_data",
        lambda c: with_way(c, "kvm1", "kvm2", open_ports=(), closed_ports=((49152, "no answer"),)),
    ),
    "another machine at a host's name": (
        "kvm1 way_stranger",
        lambda c: with_way(c, "kvm1", "kvm2", answered=IDS["kvm3"]),
    ),
    "a way not tried": (
        "kvm1 unchecked",
        lambda c: with_way(c, "kvm1", "kvm2", open_ports=(), untried="no perl"),
    ),
    "a VM paused": ("vm2 vm_not_running", lambda c: with_vm(c, "vm2", state=VmState.PAUSED)),
    "a local disk": (
        "vm2 vm_local_disk",
        lambda c: with_vm(c, "vm2", disks=(Disk("/local.img", shared=False, target="vdb"),)),
    ),
    "a medium": (
        "vm2 vm_removable_media",
        lambda c: with_vm(c, "vm2", disks=(Disk("/x.iso", shared=False, removable=True),)),
    ),
    "passthrough": ("vm2 vm_passthrough", lambda c: with_vm(c, "vm2", passthrough=("host device (pci)",))),
    "a managed save image": ("vm2 vm_managed_save", lambda c: with_vm(c, "vm2", managed_save=True)),
    "a snapshot": ("vm2 vm_unsupported", lambda c: with_vm(c, "vm2", unsupported=("snapshots of it",))),
    "a job": ("vm2 vm_busy", lambda c: with_vm(c, "vm2", busy="a backup")),
    "a transient VM": ("vm2 vm_transient", lambda c: with_vm(c, "vm2", persistent=False)),
    "no host with the machine type": (
        "vm2 no_target",
        lambda c: with_vm(c, "vm2", machine_type="pc-q35-11.0"),
    ),
    "too much written": (
        "vm2 vm_blackout",
        lambda c: with_vm(c, "vm2", dirty_bytes_per_second=400.0 * MIB, blackout_budget_seconds=0.1),
    ),
    "a second definition": (
        "vm2 vm_defined_twice",
        lambda c: replace(
            c,
            snapshot=replace(
                c.snapshot, leftovers=(Leftover(VmId("vm2"), "vm2", IDS["kvm3"], autostart=False),)
            ),
        ),
    ),
    "a second definition that starts": (
        "vm2 vm_starts_twice",
        lambda c: replace(
            c,
            snapshot=replace(
                c.snapshot, leftovers=(Leftover(VmId("vm2"), "vm2", IDS["kvm3"], autostart=True),)
            ),
        ),
    ),
    "two names for a host": (
        "cluster host_duplicate",
        lambda c: replace(c, twins=(("kvm1", "other", IDS["kvm1"]),)),
    ),
}


def test_a_cluster_in_which_all_is_well_has_no_finding() -> None:
    verdict = judge(well())
    assert verdict.findings == ()
    assert {each.name: len(each.targets) for each in verdict.vms} == {"vm1": 2, "vm2": 2, "vm3": 2}


@pytest.mark.parametrize("what", ONE_THING)
def test_one_thing_wrong_is_one_finding_where_it_is_wrong(what: str) -> None:
    expected, change = ONE_THING[what]
    where, code = expected.split()
    assert told(change(well())) == [(where, code)]


@pytest.mark.parametrize("what", ONE_THING)
def test_every_finding_is_a_sentence_that_names_its_place_and_says_the_mend(what: str) -> None:
    expected, change = ONE_THING[what]
    where, _ = expected.split()
    (finding,) = judge(change(well())).findings
    assert where == "cluster" or where in finding.reason.sentence
    assert finding.reason.sentence.endswith(".")
    assert ".." not in finding.reason.sentence
    assert finding.reason.mend.endswith((".", "?")) or finding.code is Code.UNCHECKED


@pytest.mark.parametrize(
    ("libvirt_code", "exam_code", "expected"),
    [
        ("host_key_unknown", "host_key_unknown", Code.HOST_KEY_UNKNOWN),
        ("libvirt_unreachable", "host_key_changed", Code.HOST_KEY_CHANGED),
        ("auth_failed", "auth_failed", Code.HOST_NO_ACCESS),
        ("libvirt_unreachable", "connection_timeout", Code.HOST_UNREACHABLE),
        ("libvirt_unreachable", "", Code.HOST_HYPERVISOR_DOWN),
        ("host_too_old", "", Code.HOST_TOO_OLD),
    ],
)
def test_a_host_that_cant_be_reached_is_said_once_whatever_follows_from_it(
    libvirt_code: str, exam_code: str, expected: Code
) -> None:
    case = with_host(
        well(), "kvm3", reachable=False, unreachable_why="No.", unreachable_code=libvirt_code, facts=None
    )
    if exam_code:
        case = with_exam(case, "kvm3", silent="kvm3: no.", silent_code=exam_code)
    for other in ("kvm1", "kvm2"):
        case = with_way(case, other, "kvm3", control="no", answered=None, open_ports=())
    case = replace(case, snapshot=replace(case.snapshot, vms=case.snapshot.vms[:2]))
    assert told(case) == [("kvm3", str(expected))]


def test_a_target_that_nobody_reaches_is_one_finding_at_the_target() -> None:
    case = well()
    for source in ("kvm1", "kvm3"):
        case = with_way(case, source, "kvm2", open_ports=(), closed_ports=((49152, "no answer"),))
    (finding,) = [finding for finding in judge(case).findings if finding.code is Code.WAY_DATA]
    assert finding.host == IDS["kvm2"]
    assert "from kvm1, kvm3" in finding.reason.sentence
    assert [len(each.targets) for each in judge(case).vms] == [1, 2, 1]


def test_a_source_that_reaches_nobody_is_one_finding_at_the_source() -> None:
    case = well()
    for target in ("kvm1", "kvm3"):
        case = with_way(case, "kvm2", target, control="Permission denied (publickey)", answered=None)
    verdict = judge(case)
    assert told(case) == [("kvm2", "way_control"), ("vm2", "no_target")]
    assert "kvm1, kvm3" in sentences(verdict)[0]


def test_part_of_the_ports_open_is_not_enough() -> None:
    case = with_way(well(), "kvm1", "kvm2", open_ports=(49152,), closed_ports=((49215, "no answer"),))
    assert told(case) == [("kvm1", "way_data")]
    assert "port 49215 (others are open)" in sentences(judge(case))[0]


def test_files_on_network_file_systems_may_have_other_numbers() -> None:
    case = with_exam(well(), "kvm3", files=(SeenFile(PATH.format("vm1"), 99, "cifs"),))
    assert told(case) == []


def test_what_the_platform_has_against_a_pair_takes_that_host_from_the_vms_targets() -> None:
    against = {
        (VmId("vm1"), IDS[name]): (Reason(Code.TARGET_CPU, f"{name} has another CPU."),)
        for name in ("kvm2", "kvm3")
    }
    case = replace(well(), objections=against)
    assert told(case) == [("vm1", "no_target")]
    assert "kvm2 has another CPU; kvm3 has another CPU" in sentences(judge(case))[0]


def test_rules_that_are_broken_are_said_once() -> None:
    case = with_vm(well(), "vm2", host=IDS["kvm1"])
    apart = AntiAffinity("web", frozenset({VmId("vm1"), VmId("vm2")}))
    case = replace(case, snapshot=replace(case.snapshot, rules=Rules(anti_affinity=(apart,))))
    assert ("cluster", "rule_broken_now") in told(case)


def test_what_the_policy_accepts_is_a_note() -> None:
    change = ONE_THING["pacemaker"][1]
    case = replace(change(well()), policy=Policy(accepted_findings=("host_cluster_manager",)))
    (finding,) = judge(case).findings
    assert (finding.severity, finding.accepted) == (Severity.NOTE, True)


def test_a_snapshot_from_a_file_is_judged_without_what_only_hosts_can_say() -> None:
    case = replace(with_vm(well(), "vm2", managed_save=True), exams={}, offline=True)
    assert told(case) == [("vm2", "vm_managed_save")]


def test_the_catalogue_has_every_code_that_a_check_gives() -> None:
    source = Path(standfast.__file__).parent
    modules = [
        *source.glob("doctor/*.py"),
        *(
            source / "plan" / f"{name}.py"
            for name in ("blackout", "blockers", "headroom", "place", "standing", "triage", "unmovable")
        ),
    ]
    given = {
        Code[name]
        for module in modules
        for name in re.findall(r"\bCode\.([A-Z_]+)", module.read_text(encoding="utf-8"))
    }
    assert len(given) > 40
    inside_no_target = {code for code in Code if code.startswith("target_")}
    left_out_on_request = {Code.OPERATOR}
    assert given - set(CATALOGUE) <= inside_no_target | left_out_on_request
