"""The controller as a service: its unit, judged by systemd's own tools, and what it does as one."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import CONFIG, Place

UNIT = Path(__file__).parents[2] / "packaging" / "standfast.service"
EXPOSURE_MAX = 2.5
STOP_SECONDS = 10.0

needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed"
)


@needs_systemd
def test_the_unit_exposes_little() -> None:
    command = [
        "systemd-analyze",
        "security",
        "--offline=true",
        f"--threshold={int(EXPOSURE_MAX * 10)}",
        str(UNIT),
    ]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Overall exposure level" in judged.stdout


@needs_systemd
def test_the_unit_has_no_mistakes(tmp_path: Path) -> None:
    """Its program is installed elsewhere, so another one stands in for it."""
    copy = tmp_path / "standfast.service"
    copy.write_text(UNIT.read_text().replace("/opt/standfast/bin/standfast", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (judged.returncode, judged.stderr) == (0, "")


def test_what_the_unit_calls_is_what_the_command_line_has(place: Place) -> None:
    [line] = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    program, *words = line.removeprefix("ExecStart=").split()
    assert program.endswith("/standfast")
    here = ["standfast.yaml" if word.startswith("/etc/") else word for word in words]
    here = ["state" if word.startswith("/var/lib/") else word for word in here]
    ended = place.run(*here, "--until-idle")
    assert (ended.out, ended.code) == ("", 0)


def test_the_service_says_that_it_is_up_and_lives_and_stops_in_time_with_work_under_way(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 4"))
    place.run("plan")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(place.path / "notify"))
        manager.settimeout(60.0)
        service = subprocess.Popen(
            [sys.executable, "-m", "standfast.cli", "serve"],
            cwd=place.path,
            env=os.environ
            | {
                "STANDFAST_CONFIG": str(place.path / "standfast.yaml"),
                "STANDFAST_STATE_DIR": str(place.path / "state"),
                "NOTIFY_SOCKET": str(place.path / "notify"),
                "WATCHDOG_USEC": "1000000",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert manager.recv(1024) == b"READY=1\nWATCHDOG=1"
            assert place.run("apply", "standfast-plan.json", "--yes", "--detach").code == 0
            assert [manager.recv(1024) for _ in range(3)] == [b"WATCHDOG=1"] * 3
            service.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            while manager.recv(1024) != b"STOPPING=1":
                pass
            assert service.wait(timeout=STOP_SECONDS) == 0
            assert time.monotonic() - asked < STOP_SECONDS
        finally:
            service.kill()
            service.wait()
    assert "running" in place.run("run", "list").out
    assert place.run("run", "cancel").code == 0
    place.run("run", "watch")
