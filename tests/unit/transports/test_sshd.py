"""Against a real sshd on loopback: every way in which a connection can be refused, and a stuck one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from standfast.model.errors import AuthError, UnreachableError
from standfast.transports.ssh import SshTarget

SSHD = "/usr/sbin/sshd"
pytestmark = pytest.mark.skipif(
    not Path(SSHD).exists() or shutil.which("ssh") is None or os.geteuid() != 0,
    reason="needs openssh-server and root",
)


@dataclass(frozen=True)
class Daemon:
    """A running sshd with the files that reach it."""

    folder: Path
    port: int

    def target(self, *, known: str = "known", key: str = "key", name: str = "h1") -> SshTarget:
        config = self.folder / f"config-{known}-{key}-{name}"
        config.write_text(
            f"Host {name}\n  HostName 127.0.0.1\n  Port {self.port}\n  User root\n"
            f"  IdentityFile {self.folder / key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {self.folder / known}\n  GlobalKnownHostsFile /dev/null\n"
        )
        return SshTarget(name, name, config, connect_seconds=3)


def keygen(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    kind, text = path.with_name(path.name + ".pub").read_text().split()[:2]
    return f"{kind} {text}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("sshd")
    folder.chmod(0o700)
    Path("/run/sshd").mkdir(exist_ok=True)
    port = free_port()
    host_key, other_key = keygen(folder / "host"), keygen(folder / "other")
    (folder / "authorized").write_text(keygen(folder / "key") + "\n")
    keygen(folder / "stranger")
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host_key}\n")
    (folder / "changed").write_text(f"[127.0.0.1]:{port} {other_key}\n")
    (folder / "none").write_text("")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {folder / 'authorized'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"KbdInteractiveAuthentication no\nPidFile {folder / 'pid'}\n"
    )
    daemon = subprocess.Popen([SSHD, "-D", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield Daemon(folder, port)
    daemon.terminate()
    daemon.wait()


def test_a_script_runs_and_its_code_comes_back(sshd: Daemon) -> None:
    target = sshd.target()
    done = target.run('printf "%s|" "$@"; cat; exit 3', "it's", "$x\n", input="in", timeout_seconds=20)
    assert (done.stdout, done.exit_code) == ("it's|$x\n|in", 3)
    started = time.monotonic()
    assert target.run("echo again", timeout_seconds=20).stdout == "again\n"
    assert time.monotonic() - started < 1.0
    assert target.control_path.exists()
    target.drop()
    assert not target.control_path.exists()


def test_an_unknown_host_key_is_not_taken_on(sshd: Daemon) -> None:
    target = sshd.target(known="none")
    with pytest.raises(AuthError) as caught:
        target.run("true", timeout_seconds=20)
    assert caught.value.code == "host_key_unknown"
    assert (sshd.folder / "none").read_text() == ""


def test_a_changed_host_key_is_told_apart(sshd: Daemon) -> None:
    with pytest.raises(AuthError) as caught:
        sshd.target(known="changed").run("true", timeout_seconds=20)
    assert caught.value.code == "host_key_changed"


def test_a_wrong_key(sshd: Daemon) -> None:
    with pytest.raises(AuthError) as caught:
        sshd.target(key="stranger").run("true", timeout_seconds=20)
    assert caught.value.code == "auth_failed"


def test_a_closed_port(sshd: Daemon) -> None:
    target = Daemon(sshd.folder, free_port()).target(name="closed")
    with pytest.raises(UnreachableError) as caught:
        target.run("true", timeout_seconds=20)
    assert caught.value.code == "connection_refused"


def test_a_server_that_never_speaks(sshd: Daemon) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = Daemon(sshd.folder, silent.getsockname()[1]).target(name="silent")
        with pytest.raises(UnreachableError) as caught:
            target.run("true", timeout_seconds=20)
    assert caught.value.code == "connection_timeout"


def test_a_stuck_script_is_left_at_its_deadline_and_the_next_call_works(sshd: Daemon) -> None:
    target = sshd.target()
    started = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        target.run("sleep 30", timeout_seconds=1)
    assert caught.value.code == "deadline"
    assert time.monotonic() - started < 5
    assert target.run("echo ok", timeout_seconds=20).stdout == "ok\n"
    target.drop()


def test_a_cut_connection_is_replaced(sshd: Daemon) -> None:
    target = sshd.target()
    target.run("true", timeout_seconds=20)
    with pytest.raises(UnreachableError):
        # The shell's parent is the sshd that serves this connection: what a rebooting host does to it.
        target.run("kill -9 $PPID; sleep 5", timeout_seconds=20)
    assert target.run("echo ok", timeout_seconds=20).stdout == "ok\n"
    target.drop()
