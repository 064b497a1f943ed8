"""Whatever a VM, host, file or account is named: no shell takes the name for words of its own.

Each way in which a name comes near a shell is driven through the real one, with names made to break out of
quotes. A canary in each name would be made if any part of it were ever run. The script transport itself is
driven in tests/unit/transports/test_ssh_words.py, the host kit in test_hostkit.py.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from standfast.platforms.libvirt.fence import script
from standfast.platforms.libvirt.uri import ssh_wrapper
from standfast.transports import command
from standfast.transports.ssh import SshTarget
from standfast.wiring import about_host

CANARY = "canary"
BREAKS = (
    f"$(touch {CANARY})",
    f"`touch {CANARY}`",
    f"; touch {CANARY} #",
    f"'; touch {CANARY}; '",
    f'"; touch {CANARY}; "',
    f"\n touch {CANARY}\n",
    f"| touch {CANARY}",
    f"& touch {CANARY} &",
    f"> {CANARY}",
    "${IFS}",
    "\\",
    "*",
    "~",
    "%s%n",
    "-rf",
    "é\u202e",
)
LETTERS = some.characters(codec="utf-8", exclude_characters="\0")
NAMES = some.lists(some.sampled_from(BREAKS) | some.text(LETTERS, max_size=4), min_size=1, max_size=4).map(
    "".join
)
IN_ONE_FOLDER = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where everything runs; programs that tell their arguments stand in for ssh and virsh."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("ssh", "virsh", "tell"):
        (programs / name).write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    yield tmp_path
    assert not (tmp_path / CANARY).exists()


def told(*argv: str, input: str | None = None) -> list[str]:
    # As bytes: read as text, a carriage return would become a newline.
    given = None if input is None else input.encode()
    done = subprocess.run(argv, input=given, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


@given(NAMES)
@IN_ONE_FOLDER
def test_the_file_that_ssh_is_configured_by(folder: Path, name: str) -> None:
    wrapper = ssh_wrapper(Path("/etc") / name.replace("/", "_"), f"root@{name}")
    try:
        words = told(str(wrapper), "kvm1", name)
    finally:
        wrapper.unlink()
    assert words[:2] == ["-F", str(Path("/etc") / name.replace("/", "_"))]
    assert words[-2:] == ["kvm1", name]


@given(NAMES)
@IN_ONE_FOLDER
def test_a_destination_that_a_person_is_to_type(folder: Path, name: str) -> None:
    if name.startswith("-") or ":" in name or "@" in name or "[" in name or "]" in name:
        return
    typed = SshTarget("kvm1", f"root@{name}").by_hand
    assert told("sh", "-c", f"tell {typed}") == [f"root@{name}"]


@given(NAMES)
@IN_ONE_FOLDER
def test_a_host_in_a_command_of_the_operators(folder: Path, name: str) -> None:
    words = about_host(("tell", "--host={host}", "{host}"), name)
    assert told(*words) == [f"--host={name}", name]
    assert command.run(words, timeout_seconds=20).exit_code == 0


@given(NAMES, some.sampled_from(["prepare", "start", "migrate"]))
@IN_ONE_FOLDER
def test_a_vm_that_libvirts_hook_is_told_of(folder: Path, name: str, operation: str) -> None:
    state = folder / "var/lib/standfast"
    state.mkdir(parents=True, exist_ok=True)
    (state / "cordon").write_text(
        f"run=01J0000000000000000000000A\nadmit={name.splitlines()[0] if name else ''}\n"
    )
    hook = folder / "hook"
    hook.write_text(script("hook.sh"))
    xml = f"<domain>\n<name>{name}</name>\n<uuid>{name}</uuid>\n</domain>\n"
    done = subprocess.run(
        ["sh", str(hook), name, operation, "begin", "-"],
        input=xml,
        env=os.environ | {"STANDFAST_ROOT": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1)
    assert done.stderr == "" or done.stderr.startswith("standfast: this host is cordoned by run 01J")
