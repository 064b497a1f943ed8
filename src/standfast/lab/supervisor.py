"""The process that keeps one host's container: it boots it, and boots it again when it reboots.

``python -m standfast.lab.supervisor --host-dir DIR``, in a session of its own, so that it outlives the
command that built the lab. It knows nothing but the host's directory: the order (what to run), and three
files that any hand may write: ``boot-seconds``, ``fail-next-boot`` and ``power`` (``on`` or ``cut``).
Standard library only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from standfast.lab.paths import HostPaths
from standfast.lab.processes import start_time

REBOOT_EXIT = 133  # how systemd-nspawn says that the container rebooted; anything else is a power-off
_POLL_SECONDS = 0.1
# Puts itself into each control group up to "--" and becomes the command after it.
_ENTER_CGROUPS = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done; shift; exec "$@"'


class _Stop(Exception):
    """SIGTERM arrived: end the container and go."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: the container's command, its links outside, and the control groups to run it in."""

    argv: list[str]
    links: list[str]
    cgroups: list[str]


class Supervisor:
    """One host's life, from power-on to power-off and round again."""

    def __init__(self, paths: HostPaths) -> None:
        self._paths = paths
        self._order = Order(**json.loads(paths.order.read_text(encoding="utf-8")))
        self._boots = 0

    def run(self) -> None:
        """Boot, wait, boot again, until SIGTERM."""
        try:
            while True:
                again = self._boot_once()
                if again:
                    self._say("rebooting")
                    self._wait_boot_time()
                else:
                    self._wait_power_on()
        except _Stop:
            self._say("stopped")

    def _boot_once(self) -> bool:
        """Run the container until it ends; whether it wants to be booted again."""
        if self._paths.fail_next_boot.exists():
            self._paths.fail_next_boot.unlink(missing_ok=True)
            self._say("failed")
            return False
        self._paths.power.unlink(missing_ok=True)  # a press from before this boot means nothing now
        self._links("up")
        self._boots += 1
        self._say("running")
        argv = ["/bin/sh", "-c", _ENTER_CGROUPS, "sh", *self._order.cgroups, "--", *self._order.argv]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            code = self._wait_child(child)
        finally:
            self._kill_container(child)
            self._links("down")
        if code != REBOOT_EXIT:
            self._say("off")
        return code == REBOOT_EXIT

    def _wait_child(self, child: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return child.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if self._pressed("cut"):
                    self._kill_container(child)

    def _wait_boot_time(self) -> None:
        try:
            seconds = float(self._paths.boot_seconds.read_text(encoding="ascii"))
        except (OSError, ValueError):
            seconds = 0.0
        time.sleep(max(0.0, seconds))

    def _wait_power_on(self) -> None:
        while not self._pressed("on"):
            time.sleep(_POLL_SECONDS)

    def _pressed(self, word: str) -> bool:
        try:
            pressed = self._paths.power.read_text(encoding="ascii").strip() == word
        except OSError:
            return False
        if pressed:
            self._paths.power.unlink(missing_ok=True)
        return pressed

    def _kill_container(self, child: subprocess.Popen[bytes]) -> None:
        """Cut the power: the container's first process dies and the kernel ends all others of it."""
        if child.poll() is not None:
            return
        children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text(encoding="ascii").split()
        for pid in [*map(int, children), child.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        child.wait()

    def _links(self, direction: str) -> None:
        lines = "".join(f"link set {link} {direction}\n" for link in self._order.links)
        subprocess.run(["ip", "-force", "-batch", "-"], input=lines, text=True, check=False)

    def _say(self, state: str) -> None:
        print(f"supervisor: {state}, boot {self._boots}", flush=True)
        temporary = self._paths.status.with_suffix(".new")
        temporary.write_text(json.dumps({"state": state, "boots": self._boots}), encoding="ascii")
        temporary.replace(self._paths.status)


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    raise _Stop


def main() -> int:
    """Take over the host's directory and supervise until SIGTERM."""
    parser = argparse.ArgumentParser(description="Keep one lab host running.")
    parser.add_argument("--host-dir", type=Path, required=True)
    paths = HostPaths(parser.parse_args().host_dir)
    signal.signal(signal.SIGTERM, _on_terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    who = {"pid": os.getpid(), "start_time": start_time(os.getpid())}
    paths.pid.write_text(json.dumps(who), encoding="ascii")
    Supervisor(paths).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
