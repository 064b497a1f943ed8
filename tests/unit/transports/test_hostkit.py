"""The host kit: only its own scripts run, with arguments of ours, whatever the account's key is used for."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from standfast.model.errors import UsageError
from standfast.transports.hostkit import Script, digest, installer, order

FOLDER = Path(__file__).parents[3] / "src/standfast/transports/kit"
TELLS = Script('echo "ran:$*"; cat')
GOES_IN = Script("a guard")
READS = Script('echo "names:"; cat', reads_names=True)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtWvBlDAtpbKqiN3NQi7ukBBFv4fwXDXUWWmwbkpjdx ops"

Host = Callable[[bytes], "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """The program with a kit of three scripts, run as sudo would."""
    for script in (TELLS, GOES_IN, READS):
        (tmp_path / digest(script.text)).write_text(script.text)
    (tmp_path / f"{digest(READS.text)}.data").touch()
    (tmp_path / "evil").write_text("echo evil")

    def run(text: bytes) -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | {"STANDFAST_KIT": str(tmp_path)}
        command = ["sh", str(FOLDER / "standfast-host")]
        return subprocess.run(command, input=text, env=environment, capture_output=True, check=False)

    return run


def test_a_script_of_the_kit_runs_with_its_arguments_and_what_goes_into_it(host: Host) -> None:
    ran = host(order(TELLS.text, ("begin", "a-b.service", "1"), GOES_IN.text))
    assert (ran.stdout, ran.returncode) == (b"ran:begin a-b.service 1\na guard", 0)
    assert host(order(TELLS.text, (), None)).stdout == b"ran:\n"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        order("echo of another release", (), None),
        order(TELLS.text, (), "#!/bin/sh\nrm -rf /"),
        order(TELLS.text, (), GOES_IN.text)[:-2],
        f"{digest(TELLS.text)[:-3]}".encode(),
        b"evil\n",
        b"../../../../bin/sh\n",
        f"{digest(TELLS.text)} $(id)\n".encode(),
        f"{digest(TELLS.text)} a;id\n".encode(),
        f"{digest(TELLS.text)} ../../etc/passwd\n".encode(),
        f"{digest(TELLS.text)} *\n".encode(),
    ],
)
def test_anything_else_is_refused_and_nothing_runs(host: Host, text: bytes) -> None:
    refused = host(text)
    assert (refused.returncode, refused.stdout) == (77, b"")
    assert refused.stderr.startswith(b"standfast-host: ")


@given(some.text(some.characters(exclude_categories=["Cs"])))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_go_through_a_script_that_reads_names_unharmed(host: Host, text: str) -> None:
    ran = host(order(READS.text, (), text))
    assert ran.stdout == b"names:\n" + text.encode()


@pytest.mark.parametrize("argument", ["", "a b", "$(id)", "a\nb", "/etc", "é", "'"])
def test_an_argument_that_would_be_refused_is_not_sent(argument: str) -> None:
    with pytest.raises(UsageError):
        order(TELLS.text, (argument,), None)


@pytest.mark.parametrize(
    "asked",
    [None, "", "id", "sh -c 'id'", "virsh -c qemu:///system destroy vm1", "/usr/bin/nc -U /run/docker.sock"],
)
def test_a_key_for_libvirt_opens_nothing_else(asked: str | None) -> None:
    environment = {"PATH": os.environ["PATH"]} | ({} if asked is None else {"SSH_ORIGINAL_COMMAND": asked})
    command = ["sh", str(FOLDER / "standfast-libvirt")]
    refused = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (refused.returncode, refused.stdout) == (77, b"")


def made(**changed: object) -> str:
    settings: dict[str, object] = {"version": "1", "patch": "p", "move": "m", "patch_keys": [KEY]}
    return installer([TELLS, READS], **(settings | changed))  # type: ignore[arg-type]


def test_the_installer_is_one_shell_script_that_holds_the_scripts_whole(tmp_path: Path) -> None:
    text = made()
    assert subprocess.run(["sh", "-n"], input=text, text=True, check=False).returncode == 0
    # Played with a `place` that writes into a folder, and nothing else of it.
    wanted = text[text.index("place /usr/local/lib") : text.index("visudo -cqf")]
    play = f'place() {{ base64 -d >"{tmp_path}/${{1##*/}}"; }}\n{wanted}'
    subprocess.run(["sh", "-eu"], input=play, text=True, check=True)
    for script in (TELLS, READS):
        assert (tmp_path / digest(script.text)).read_text() == script.text
    assert (tmp_path / f"{digest(READS.text)}.data").exists()
    assert not (tmp_path / f"{digest(TELLS.text)}.data").exists()
    rule = (tmp_path / "sudoers.standfast").read_text()
    assert rule.splitlines()[-1] == 'p ALL=(root) NOPASSWD: /usr/local/sbin/standfast-host ""'
    if visudo := shutil.which("visudo"):
        assert subprocess.run([visudo, "-cqf", tmp_path / "sudoers.standfast"], check=False).returncode == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"patch": "root"},
        {"patch": "a b"},
        {"patch": "p\nid"},
        {"move": "p"},
        {"patch_keys": ["-----BEGIN OPENSSH PRIVATE KEY-----"]},
        {"move_keys": [f"{KEY}\nid"]},
    ],
)
def test_what_is_no_account_and_no_key_is_refused(changed: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        made(**changed)
