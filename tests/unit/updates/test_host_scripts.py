"""The scripts on a host, run for real by sh: claims, the guard, and what is said of a unit afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fake_host import HOST, FakeHost

from standfast.model.errors import OutsideError, WorkRefusedError
from standfast.model.hostwork import RebootSign, WorkKind, WorkOrder, WorkPhase, WorkState
from standfast.model.ids import RunId
from standfast.updates.pending import parse_inst
from standfast.updates.scripts import NAMES, script

RUN = RunId("01RUN")


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    host = FakeHost(tmp_path)
    host.cordon(RUN, 5)
    return host


def order(kind: WorkKind = WorkKind.PATCH, *, epoch: int = 5, attempt: int = 1) -> WorkOrder:
    return WorkOrder(kind, HOST, RUN, epoch, attempt)


def done(host: FakeHost, what: WorkOrder) -> WorkState:
    host.work.begin(what)
    return seen(host, what)


def seen(host: FakeHost, what: WorkOrder) -> WorkState:
    found = host.work.look(HOST).work(what.unit)
    assert found is not None
    return found


def acted(host: FakeHost) -> bool:
    """Whether anything was installed or rebooted."""
    upgraded = any(
        "upgrade" in line and "-s" not in line.split() for line in host.read("apt.log").splitlines()
    )
    return upgraded or "reboot\n" in host.read("systemctl.log")


def test_a_patch_says_what_it_changed(host: FakeHost) -> None:
    work = done(host, order())
    assert (work.phase, work.exit_code, work.boot_id) == (WorkPhase.SUCCEEDED, 0, "boot-1")
    assert work.versions_before == (("pkg", "1.0"),)
    assert work.versions_after == (("pkg", "2.0"),)
    assert "a b.conf.dpkg-dist" in work.detail
    log = host.read("apt.log")
    assert "--force-confold" in log
    assert "DPkg::Lock::Timeout=300 " in log
    assert "dist-upgrade" not in log


def test_a_second_attempt_tells_what_both_have_changed(host: FakeHost) -> None:
    done(host, order())
    work = done(host, order(attempt=2))
    assert work.versions_before == (("pkg", "1.0"),)
    assert work.versions_after == (("pkg", "2.0"),)


def test_a_patch_that_fails_hands_over_the_last_words(host: FakeHost) -> None:
    host.put("upgrade-code", "100")
    work = done(host, order())
    assert (work.phase, work.exit_code) == (WorkPhase.FAILED, 100)
    assert "Setting up pkg (2.0)" in work.detail


INST = (
    "Inst libc6 [2.36-9] (2.36-10 Debian-Security:12/stable-security [amd64]) []",
    "Inst less [590-1] (590-2 Debian:12.9/stable [amd64])",
    "Inst openssl [3.0-1] (3.0-2 Debian:12.9/stable, Debian-Security:12/stable-security [amd64])",
    "Inst linux-image-6.1.0-38-amd64 (6.1.147-1 Debian-Security:12/stable-security [amd64])",
    "Inst linux-image-amd64 [6.1.140-1] (6.1.147-1 Debian-Security:12/stable-security [amd64])",
    "Inst bash [5.1-2] (5.1-3 Ubuntu:22.04/jammy-updates, Ubuntu:22.04/jammy-security [amd64])",
    "Inst zlib1g:i386 [1:1.2-1] (1:1.2-2 Debian-Security:12/stable-security [i386])",
    "Inst vim [9.0-1] (9.0-2 UbuntuESM:22.04/jammy-infra [amd64])",
    "Inst nano [7-1] (7-2 UbuntuESMApps:22.04/jammy-apps [amd64])",
    "Inst tool [1-1] (1-2 lab:1/stable-securityish [amd64])",
    "Inst other [1-1] (1-2 My-security:1/stable [amd64])",
    "Inst local [1-1] (1-2 [amd64])",
    "Conf libc6 (2.36-10 Debian-Security:12/stable-security [amd64])",
)


def test_security_only_installs_what_the_scan_says_is_for_security(host: FakeHost) -> None:
    host.put("sim", "\n".join(INST) + "\n")
    wanted = [
        f"{each.package}={each.candidate}" for each in parse_inst(INST) if each.security and each.installed
    ]
    assert len(wanted) == 7
    for kind in (WorkKind.STAGE, WorkKind.PATCH):
        host.put("apt.log")
        work = done(host, replace(order(kind), security_only=True))
        assert work.phase is WorkPhase.SUCCEEDED, work.detail
        (line,) = [line for line in host.read("apt.log").splitlines() if " install " in line]
        assert line.partition(" --only-upgrade --no-remove -- ")[2].split() == wanted
        assert ("--download-only" in line) is (kind is WorkKind.STAGE)


def test_security_only_without_a_security_update_installs_nothing(host: FakeHost) -> None:
    host.put("sim", f"{INST[1]}\n")
    work = done(host, replace(order(), security_only=True))
    assert work.phase is WorkPhase.SUCCEEDED
    assert not acted(host)


def test_a_name_acts_once_ever(host: FakeHost) -> None:
    done(host, order())
    host.work.begin(order())
    host.put("boot_id", "boot-2\n")
    host.work.begin(order())
    assert len(host.read("systemd-run.log").splitlines()) == 1
    host.work.begin(order(attempt=2))
    assert len(host.read("systemd-run.log").splitlines()) == 2


def test_two_at_once_act_once(host: FakeHost) -> None:
    import threading

    threads = [threading.Thread(target=host.work.begin, args=(order(WorkKind.STAGE),)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(host.read("systemd-run.log").splitlines()) == 1


@pytest.mark.parametrize("kind", [WorkKind.PATCH, WorkKind.REBOOT])
@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("vms", "11111111-2222\n", "1 active VM(s) on this host: 11111111-2222"),
        ("virsh-fails", "", "libvirt could not be asked"),
        ("var/lib/standfast/cordon", "run=01OTHER\n", "cordoned by run 01OTHER"),
        ("var/lib/standfast/cordon", "", "cordoned by run unknown"),
        ("audit", "The following packages are only half configured\n", "dpkg --configure -a"),
        ("var/lib/dpkg/updates/0001", "", "dpkg was interrupted"),
    ],
)
def test_the_guard_refuses(host: FakeHost, kind: WorkKind, path: str, text: str, words: str) -> None:
    host.put(path, text)
    work = done(host, order(kind))
    assert work.phase is WorkPhase.REFUSED
    assert words in work.detail
    assert not acted(host)


@pytest.mark.parametrize("kind", [WorkKind.PATCH, WorkKind.REBOOT])
def test_the_guard_refuses_without_a_cordon(host: FakeHost, kind: WorkKind) -> None:
    host.drop("var/lib/standfast/cordon")
    work = done(host, order(kind))
    assert work.phase is WorkPhase.REFUSED
    assert "not cordoned" in work.detail
    assert not acted(host)


@pytest.mark.parametrize(
    ("name", "arguments", "refused"),
    [
        ("qemu-system-x86", "qemu-system-x86_64 -name guest=a", True),
        ("qemu-kvm", "/usr/libexec/qemu-kvm -name guest=a", True),
        ("kvm", "kvm -m 512", True),
        ("qemu-system-x86", "qemu-system-x86_64 -S -machine none,accel=kvm:tcg", False),
        ("kvm-nx-lpage-re", "", False),
        ("kvm", "", False),
        ("libvirtd", "/usr/sbin/libvirtd", False),
    ],
)
def test_a_qemu_that_libvirt_does_not_list(host: FakeHost, name: str, arguments: str, refused: bool) -> None:
    host.process(77, name, arguments)
    work = done(host, order())
    assert (work.phase is WorkPhase.REFUSED) is refused
    assert acted(host) is not refused


def test_a_newer_controller_while_the_order_waited(host: FakeHost) -> None:
    host.put("hold")
    host.work.begin(order(WorkKind.REBOOT))
    host.put("var/lib/standfast/epoch", "6\n")
    directory = host.root / "var/lib/standfast/work" / order(WorkKind.REBOOT).unit
    environment = {
        **os.environ,
        "PATH": f"{host.root / 'bin'}:{os.environ['PATH']}",
        "STANDFAST_ROOT": str(host.root),
        "STANDFAST_REBOOT_PATIENCE": "0",
    }
    command = ["sh", str(directory / "script"), str(directory), "reboot", RUN, "5"]
    subprocess.run(command, env=environment, check=True)
    work = seen(host, order(WorkKind.REBOOT))
    assert work.phase is WorkPhase.REFUSED
    assert "newer controller (epoch 6)" in work.detail


def test_a_stale_controller_can_not_even_begin(host: FakeHost) -> None:
    with pytest.raises(WorkRefusedError) as caught:
        host.work.begin(order(epoch=4))
    assert caught.value.code == "stale_epoch"
    assert host.work.look(HOST).work(order().unit) is None
    host.work.begin(order(WorkKind.STAGE, epoch=9))
    assert host.work.look(HOST).epoch == 9


def test_a_reboot_asks_once_more_right_before_the_act(host: FakeHost) -> None:
    host.put("vms-later", "came-meanwhile\n")
    work = done(host, order(WorkKind.REBOOT))
    assert work.phase is WorkPhase.REFUSED
    assert "came-meanwhile" in work.detail
    assert not acted(host)


def test_a_reboot_is_proven_by_the_boot_id(host: FakeHost) -> None:
    what = order(WorkKind.REBOOT)
    host.put("hold")
    host.work.begin(what)
    unit = f"var/lib/standfast/work/{what.unit}"
    host.put(f"{unit}/attempt", "boot_id=boot-1\n")
    assert seen(host, what).phase is WorkPhase.RUNNING  # asked for, and systemd has stopped the unit already
    host.put("boot_id", "boot-2\n")
    work = seen(host, what)
    assert (work.phase, work.boot_id) == (WorkPhase.SUCCEEDED, "boot-1")


@pytest.mark.parametrize(
    ("name", "parent", "told"),
    [
        ("sshd-session", 812, True),
        ("sshd", 812, True),  # a session of Debian 12's
        ("sshd", 1, False),  # the listener: should the reboot not come, it is how one gets in
        ("bash", 812, False),
    ],
)
def test_a_reboot_hangs_up_on_those_who_are_connected(
    host: FakeHost, name: str, parent: int, told: bool
) -> None:
    """A connection that nobody ends is waited for by its other side long after the host is back."""
    with subprocess.Popen(["sleep", "60"]) as connected:
        host.process(connected.pid, name, name)
        host.put(f"proc/{connected.pid}/stat", f"{connected.pid} ({name}) S {parent} 0 0\n")
        done(host, order(WorkKind.REBOOT))
        assert acted(host)
        if told:
            assert connected.wait(5) != 0
        else:
            assert connected.poll() is None
        connected.kill()


def test_nobody_is_hung_up_on_for_a_reboot_that_is_refused(host: FakeHost) -> None:
    host.put("vms-later", "came-meanwhile\n")
    with subprocess.Popen(["sleep", "60"]) as connected:
        host.process(connected.pid, "sshd-session", "sshd-session")
        host.put(f"proc/{connected.pid}/stat", f"{connected.pid} (sshd-session) S 812 0 0\n")
        assert done(host, order(WorkKind.REBOOT)).phase is WorkPhase.REFUSED
        assert connected.poll() is None
        connected.kill()


def test_a_reboot_that_does_not_come_failed(host: FakeHost) -> None:
    work = done(host, order(WorkKind.REBOOT))
    assert acted(host)
    assert (work.phase, work.detail) == (WorkPhase.FAILED, "The reboot was asked for and did not come.")


def test_a_reboot_that_systemd_refuses_failed(host: FakeHost) -> None:
    host.put("no-reboot")
    assert done(host, order(WorkKind.REBOOT)).phase is WorkPhase.FAILED


def test_no_reboot_while_packages_are_installed(host: FakeHost) -> None:
    host.put("apt-locked")
    work = done(host, order(WorkKind.REBOOT))
    assert work.phase is WorkPhase.REFUSED
    assert "Packages are being installed" in work.detail
    assert not acted(host)


def test_work_that_a_boot_cut_off_is_lost(host: FakeHost) -> None:
    host.put("hold")
    host.work.begin(order())
    host.put("active", "active\n")
    assert seen(host, order()).phase is WorkPhase.RUNNING
    host.put("boot_id", "boot-2\n")
    assert seen(host, order()).phase is WorkPhase.LOST


def test_a_unit_that_was_killed_failed(host: FakeHost) -> None:
    host.put("hold")
    host.work.begin(order())
    assert seen(host, order()).phase is WorkPhase.RUNNING  # not yet known to systemd
    host.put(f"var/lib/standfast/work/{order().unit}/log", "begun")
    assert seen(host, order()).phase is WorkPhase.FAILED


def test_a_claim_that_was_never_begun_is_lost_and_may_be_made_again(host: FakeHost) -> None:
    directory = host.root / "var/lib/standfast/work" / order().unit
    directory.mkdir(parents=True)
    assert seen(host, order()).phase is WorkPhase.RUNNING
    os.utime(directory, (1, 1))
    assert seen(host, order()).phase is WorkPhase.LOST
    host.work.begin(order())
    assert not acted(host)


def test_a_systemd_run_that_fails_is_said_at_once_and_later(host: FakeHost) -> None:
    host.put("run-fails")
    with pytest.raises(OutsideError) as caught:
        host.work.begin(order())
    assert "no such bus" in caught.value.why
    assert seen(host, order()).phase is WorkPhase.FAILED


def test_staging_needs_no_cordon_and_changes_nothing(host: FakeHost) -> None:
    host.drop("var/lib/standfast/cordon")
    host.put("vms", "busy\n")
    assert done(host, order(WorkKind.STAGE)).phase is WorkPhase.SUCCEEDED
    assert host.read("installed") == "pkg 1.0\n"


def test_staging_fails_without_fresh_lists(host: FakeHost) -> None:
    host.put("update-fails")
    work = done(host, order(WorkKind.STAGE))
    assert work.phase is WorkPhase.FAILED
    assert "no Release file" in work.detail


def test_logs_are_kept_of_fifty_and_claims_for_ever(host: FakeHost) -> None:
    for number in range(54):
        unit = f"var/lib/standfast/work/standfast-old-patch-{number}"
        host.put(f"{unit}/log", "x")
        host.put(f"{unit}/result", "phase=succeeded\n")
        os.utime(host.root / unit, (number + 1, number + 1))
    host.work.begin(order(WorkKind.STAGE))
    folder = host.root / "var/lib/standfast/work"
    assert len([each for each in folder.iterdir() if (each / "log").exists()]) == 50
    assert len(host.work.look(HOST).works) == 55


def test_a_look_tells_the_host(host: FakeHost) -> None:
    host.put("vms", "one\ntwo\n")
    facts = host.work.look(HOST)
    assert (facts.boot_id, facts.epoch, facts.cordoned_by) == ("boot-1", 5, RUN)
    assert (facts.system_state, facts.failed_units) == ("degraded", ("sick.service",))
    assert (facts.hypervisor_up, facts.active_vms) == (True, 2)
    assert facts.uptime_seconds > 0
    assert facts.clock_unix_seconds
    host.put("virsh-fails")
    host.drop("var/lib/standfast/cordon")
    facts = host.work.look(HOST)
    assert (facts.hypervisor_up, facts.active_vms, facts.cordoned_by) == (False, None, None)


def test_a_scan_tells_what_is_pending(host: FakeHost) -> None:
    host.put("sim", "Inst pkg [1.0] (2.0 Debian-Security:13/stable-security [all])\nConf pkg (2.0 X [all])\n")
    host.put("run/reboot-required")
    host.process(9, "libvirtd", maps="7f00-7f01 r-xp 0 fe:00 5   /usr/lib/libvirt.so.0 (deleted)\n")
    state = host.work.scan(HOST, refresh=True)
    assert [update.package for update in state.pending] == ["pkg"]
    assert state.reboot_signs == (RebootSign.REQUIRED_FILE, RebootSign.STALE_HYPERVISOR)
    assert state.held_back == ("held-one",)
    assert state.needed_disk_bytes == 2_501_000
    assert state.free_disk_bytes


def test_deleted_files_that_are_no_code_are_no_sign(host: FakeHost) -> None:
    host.process(9, "qemu-system-x86", "x", maps="7f00-7f01 rw-s 0 00:01 5   /memfd:pc.ram (deleted)\n")
    host.process(10, "bash", "x", maps="7f00-7f01 r-xp 0 fe:00 5   /usr/bin/bash (deleted)\n")
    assert host.work.scan(HOST, refresh=False).reboot_signs == ()


def test_an_interrupted_dpkg_is_told_by_a_scan(host: FakeHost) -> None:
    host.put("var/lib/dpkg/updates/0003")
    host.put("sim", "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'\n")
    assert "interrupted" in host.work.scan(HOST, refresh=False).interrupted


def test_old_lists_are_not_passed_for_fresh_ones(host: FakeHost) -> None:
    host.put("update-fails")
    with pytest.raises(OutsideError) as caught:
        host.work.scan(HOST, refresh=True)
    assert "no Release file" in caught.value.why
    assert host.work.scan(HOST, refresh=False).pending == ()


def test_health_is_told(host: FakeHost) -> None:
    found = host.work.health(HOST)
    assert (found.boot_id, found.hypervisor_up) == ("boot-1", True)
    assert found.networks >= {"default", "net two"}
    assert found.failed_units == {"sick.service"}
    assert abs(found.clock_skew_seconds) < 1
    host.put("virsh-fails")
    assert not host.work.health(HOST).hypervisor_up


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
@pytest.mark.parametrize("name", NAMES)
def test_scripts_pass_shellcheck(name: str) -> None:
    command = ["shellcheck", "-s", "sh", "-"]
    result = subprocess.run(command, input=script(name), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
