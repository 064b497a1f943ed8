"""A real Alertmanager on loopback for tests: Debian's own, installed or only unpacked.

The package would start a service, so where it isn't installed it is fetched and unpacked into a cache, and
run with its files over /usr/share in a mount namespace of its own (it looks for its templates there).
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "prometheus-alertmanager"
CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"
STARTED_SECONDS = 20.0
OVER_USR_SHARE = (
    'mount -t overlay -o lowerdir="$1"/usr/share:/usr/share overlay /usr/share && shift && exec "$@"'
)


class NoAlertmanagerError(Exception):
    """Why this machine can't have one."""


@functools.cache
def command() -> tuple[str, ...]:
    """How to run it here. Raises NoAlertmanagerError."""
    if installed := shutil.which(PACKAGE):
        return (installed,)
    if os.geteuid() != 0 or not shutil.which("apt-get") or not shutil.which("unshare"):
        raise NoAlertmanagerError(f"{PACKAGE} is not installed, and unpacking it needs root on Debian")
    root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "standfast-tests" / PACKAGE
    program = root / "usr/bin" / PACKAGE
    if not program.exists():
        _unpack(root)
    return ("unshare", "-m", "sh", "-c", OVER_USR_SHARE, "sh", str(root), str(program))


def _unpack(root: Path) -> None:
    """Fetch the package with the machine's own apt. Several at once do no harm: the last rename stands."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as where:
        for before in ([], ["apt-get", "update", "-q"]):
            if before:
                subprocess.run(before, capture_output=True, check=False)
            got = subprocess.run(
                ["apt-get", "download", "-o", "APT::Sandbox::User=root", PACKAGE],
                cwd=where,
                capture_output=True,
                text=True,
                check=False,
            )
            if got.returncode == 0:
                break
        else:
            raise NoAlertmanagerError(f"apt-get download {PACKAGE} failed: {got.stderr.strip()[-200:]}")
        (package,) = Path(where).glob("*.deb")
        subprocess.run(["dpkg", "-x", str(package), f"{where}/root"], check=True)
        shutil.rmtree(root, ignore_errors=True)
        Path(where, "root").rename(root)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningAlertmanager:
    """One that can be stopped and started again with what it remembers."""

    def __init__(self, folder: Path, *options: str, ready_status: int = 200) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._options = options
        self._ready_status = ready_status
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "alertmanager.yml").write_text(CONFIG, encoding="utf-8")

    def start(self) -> None:
        words = (
            *command(),
            f"--config.file={self._folder / 'alertmanager.yml'}",
            f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=",
            *self._options,
        )
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTED_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words_left = (self._folder / "log").read_text(errors="replace")[-600:]
                self.stop()
                raise NoAlertmanagerError(f"it did not start: {words_left}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == self._ready_status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code == self._ready_status
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(10)
            self._process = None


@contextmanager
def running(folder: Path, *options: str) -> Iterator[RunningAlertmanager]:
    """A fresh one, ended on the way out. Raises NoAlertmanagerError."""
    alertmanager = RunningAlertmanager(folder, *options)
    alertmanager.start()
    try:
        yield alertmanager
    finally:
        alertmanager.stop()
