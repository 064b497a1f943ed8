"""Bad input against real hosts: one clear sentence, the documented exit code, and nothing changed anywhere.

Comes before the whole run by its name, while the lab's hosts have updates pending.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from e2e_program import Program

from standfast.lab.cluster import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

REFUSED, AUTH = 5, 6


@pytest.fixture
def program(lab: Lab, tmp_path: Path) -> Program:
    return Program(lab.config_path, tmp_path / "state")


@dataclass(frozen=True, slots=True)
class Pretending(Program):
    """The program with a limit of its own for libvirt's version."""

    def _command(self, words: tuple[str, ...]) -> list[str]:
        code = (
            "from standfast.platforms.libvirt import reading; reading.OLDEST_LIBVIRT = 99_000_000; "
            "from standfast.cli import main; main()"
        )
        options = ["--config", str(self.config), "--state-dir", str(self.state_dir)]
        return [sys.executable, "-c", code, *options, *words]


def altered(
    lab: Lab,
    tmp_path: Path,
    *,
    config: tuple[str, str] = ("", ""),
    known_hosts: str = "",
    key: Path | None = None,
) -> Program:
    """The lab's config with one thing changed in it (regular expression, replacement), other host keys, or
    another key of ours."""
    text = lab.config_path.read_text()
    if known_hosts or key is not None:
        ssh = lab.paths.ssh_config.read_text()
        other = tmp_path / "ssh_config"
        if known_hosts:
            (tmp_path / "known_hosts").write_text(known_hosts)
            ssh = re.sub(r"(?m)^(\s*UserKnownHostsFile\s+).*$", rf"\g<1>{tmp_path}/known_hosts", ssh)
        if key is not None:
            ssh = re.sub(r"(?m)^(\s*IdentityFile\s+).*$", rf"\g<1>{key}", ssh)
        # No connection that is open already may answer in its place.
        ssh = re.sub(r"(?m)^\s*Control(Path|Master|Persist)\s.*\n", "", ssh)
        other.write_text(ssh)
        text = text.replace(str(lab.paths.ssh_config), str(other))
    if config[0]:
        text, count = re.subn(config[0], config[1], text)
        assert count, "the alteration met nothing"
    path = tmp_path / "standfast.yaml"
    path.write_text(text)
    return Program(path, tmp_path / "state")


def assert_untouched(lab: Lab, program: Program) -> None:
    assert "no runs yet" in program.call("run", "list").stderr
    for host in lab.hosts:
        assert lab.ssh(host, "test ! -e /var/lib/standfast/cordon", check=False).returncode == 0


def refused_plan(program: Program, tmp_path: Path) -> str:
    """What `plan` says; it must be refused, and so must applying it."""
    planned = program.call("plan", "--out", str(tmp_path / "plan.json"))
    assert planned.returncode == REFUSED, planned.stdout + planned.stderr
    applied = program.call("apply", str(tmp_path / "plan.json"), "--yes")
    assert applied.returncode == REFUSED, applied.stdout + applied.stderr
    assert "Traceback" not in planned.stderr + applied.stderr
    return planned.stdout + planned.stderr


@contextmanager
def on_host(lab: Lab, host: str, do: str, undo: str) -> Iterator[None]:
    lab.ssh(host, do)
    try:
        yield
    finally:
        lab.ssh(host, undo)


def test_an_unknown_host_key_is_never_accepted(lab: Lab, tmp_path: Path) -> None:
    program = altered(lab, tmp_path, known_hosts="# none\n")
    scanned = program.call("scan")
    assert scanned.returncode == AUTH, scanned.stdout + scanned.stderr
    assert "SSH host key is not known here" in scanned.stdout
    assert (tmp_path / "known_hosts").read_text() == "# none\n"
    assert_untouched(lab, program)


def test_a_changed_host_key_is_told_apart_from_an_unknown_one(lab: Lab, tmp_path: Path) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtWvBlDAtpbKqiN3NQi7ukBBFv4fwXDXUWWmwbkpjdx"
    addresses = "".join(f"{host},{address} {other}\n" for host, address in addresses_of(lab).items())
    scanned = altered(lab, tmp_path, known_hosts=addresses).call("scan")
    assert scanned.returncode == AUTH, scanned.stdout + scanned.stderr
    assert "is not the one known here" in scanned.stdout


def test_a_key_that_no_host_knows_is_told_apart_from_a_host_that_is_down(lab: Lab, tmp_path: Path) -> None:
    key = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    stranger = altered(lab, tmp_path, key=key)
    scanned = stranger.call("scan")
    assert scanned.returncode == AUTH, scanned.stdout + scanned.stderr
    assert scanned.stdout.count("it does not accept our SSH key") == len(lab.hosts)
    assert "does not accept our SSH key" in refused_plan(stranger, tmp_path)
    begun = stranger.call(
        *("init", "--config", str(tmp_path / "new.yaml"), "--ssh-config", str(tmp_path / "ssh_config")),
        *(f"qemu+ssh://root@{host}/system" for host in lab.hosts),
    )
    assert begun.returncode == AUTH, begun.stderr
    assert "it does not accept our SSH key" in begun.stderr
    assert not (tmp_path / "new.yaml").exists()
    assert_untouched(lab, Program(lab.config_path, tmp_path / "state"))


def test_a_libvirt_that_is_too_old_is_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    """The real answer of a real libvirtd, against a limit that is higher than usual."""
    program = Pretending(lab.config_path, tmp_path / "state")
    said = refused_plan(program, tmp_path)
    assert re.search(
        r"REFUSED: kvm1 can't be used \(its libvirt \d+\.\d+\.\d+ is older than 99\.0\.0: ", said
    )
    scanned = program.call("scan")
    assert scanned.returncode == 3, scanned.stdout + scanned.stderr
    begun = program.call(
        *("init", "--config", str(tmp_path / "new.yaml"), "--ssh-config", str(lab.paths.ssh_config)),
        *(f"qemu+ssh://root@{host}/system" for host in lab.hosts),
    )
    assert begun.returncode == 1, begun.stderr
    assert "is older than 99.0.0" in begun.stderr
    assert_untouched(lab, program)


def addresses_of(lab: Lab) -> dict[str, str]:
    text = lab.paths.ssh_config.read_text()
    names = re.findall(r"(?m)^Host\s+(kvm\d+).*$", text)
    return dict(zip(names, re.findall(r"(?m)^\s*HostName\s+(\S+)", text), strict=True))


def test_a_host_that_is_down_at_the_start_is_refused(lab: Lab, program: Program, tmp_path: Path) -> None:
    down = altered(lab, tmp_path, config=(r'"root@kvm3"', '"root@127.0.0.1:9"'))
    assert "kvm3" in refused_plan(down, tmp_path)
    assert_untouched(lab, program)


def test_one_host_under_two_names_is_refused(lab: Lab, tmp_path: Path) -> None:
    address = addresses_of(lab)["kvm1"]
    twice = altered(
        lab, tmp_path, config=(r"qemu\+ssh://root@kvm3/system", f"qemu+ssh://root@{address}/system")
    )
    planned = twice.call("plan", "--out", str(tmp_path / "plan.json"))
    assert planned.returncode == REFUSED, planned.stdout + planned.stderr
    assert "kvm1" in planned.stdout + planned.stderr
    assert "kvm3" in planned.stdout + planned.stderr


def test_no_spare_capacity_is_refused(lab: Lab, tmp_path: Path) -> None:
    full = altered(lab, tmp_path, config=(r"memory_bytes: \d+", "memory_bytes: 700MiB"))
    said = refused_plan(full, tmp_path)
    assert "no room" in said or "No host can take" in said
    assert_untouched(lab, full)


def test_an_interrupted_dpkg_is_refused_with_its_mend(lab: Lab, program: Program, tmp_path: Path) -> None:
    journal = "/var/lib/dpkg/updates/0001"
    with on_host(lab, "kvm2", f"touch {journal}", f"rm -f {journal}"):
        assert "dpkg --configure -a" in refused_plan(program, tmp_path)
    assert_untouched(lab, program)


def test_a_full_disk_is_refused(lab: Lab, program: Program, tmp_path: Path) -> None:
    place = "/var/cache/apt/archives"
    fill = f"mount -t tmpfs -o size=4k tmpfs {place}; mkdir -p {place}/partial"
    fill += f"; head -c 4096 /dev/zero >{place}/full"
    with on_host(lab, "kvm2", f"{fill} 2>/dev/null; true", f"umount {place}"):
        said = refused_plan(program, tmp_path)
    assert "kvm2" in said
    assert "disk" in said
    assert_untouched(lab, program)


def test_a_vm_that_cannot_move_is_refused_by_name(lab: Lab, tmp_path: Path) -> None:
    local = altered(lab, tmp_path, config=(r"\n\s*shared_paths:[^\n]*", ""))
    said = refused_plan(local, tmp_path)
    assert "vm1 has its disk" in said
    assert_untouched(lab, local)
