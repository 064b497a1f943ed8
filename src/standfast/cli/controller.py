"""The controller's process on this machine: whether one acts, starting one detached, its log, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO

from standfast.cli.session import Session, make_state_dir
from standfast.model.errors import UsageError

START_SECONDS = 10.0
"""How long a controller may take to begin."""

LOG_BYTES = 16 * 1024**2
"""A log that is longer is kept once more beside the new one."""


def log_path(state_dir: Path) -> Path:
    """Where a detached `serve` writes."""
    return state_dir / "serve.log"


def acting(session: Session) -> bool:
    """Whether some process holds the lease now; one of this machine that has died does not."""
    lease = session.store.lease()
    if lease is None or lease.expires_at <= session.now():
        return False
    host, _, pid = lease.holder.rpartition(":")
    return host != socket.gethostname() or not pid.isdigit() or _serves(int(pid))


def serving_here(state_dir: Path) -> bool:
    """Whether a `serve` of this machine has this state, also before it has the lease.

    Read from the kernel's list of locks: to try the lock would be to keep one from it.
    """
    try:
        inode = (state_dir / "serve.lock").stat().st_ino
        locks = Path("/proc/locks").read_text(encoding="ascii")
    except OSError:
        return False
    return any(
        words[1] == "FLOCK" and words[-3].rpartition(":")[2] == str(inode)
        for words in (line.split() for line in locks.splitlines())
        if len(words) >= 8
    )


def start_detached(session: Session) -> subprocess.Popen[bytes] | None:
    """Start `serve --until-idle` apart from this terminal; None if some process acts already."""
    if acting(session):
        return None
    make_state_dir(session.state_dir)
    command = [
        *(sys.executable, "-m", "standfast.cli", "serve", "--until-idle"),
        *("--config", str(session.config_path.absolute())),
        *("--state-dir", str(session.state_dir.absolute())),
    ]
    with _open_log(log_path(session.state_dir)) as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
        )


def await_acting(session: Session, controller: subprocess.Popen[bytes]) -> None:
    """Wait until the controller just started acts, so that the next command finds it; a while at most."""
    until = time.monotonic() + START_SECONDS
    while not acting(session) and controller.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def _open_log(path: Path) -> IO[bytes]:
    """To append to, for the owner alone; a long one is put aside first. Raises UsageError."""
    try:
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_name(path.name + ".1"))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise UsageError(
            "state_dir_unusable",
            "the controller's log can't be written",
            where=str(path),
            why=error.strerror or str(error),
            do="Name another directory with --state-dir.",
        ) from error
    return os.fdopen(descriptor, "ab")


def stop_controller(state_dir: Path) -> None:
    """End the `serve` of this machine that holds the lease of `state_dir`, if any, and wait for it."""
    from standfast.store import Store

    path = state_dir / "standfast.db"
    if not path.exists():
        return
    store = Store.open(path, read_only=True)
    try:
        lease = store.lease()
    finally:
        store.close()
    host, _, pid = lease.holder.rpartition(":") if lease else ("", "", "")
    if host != socket.gethostname() or not pid.isdigit() or not _serves(int(pid)):
        return
    os.kill(int(pid), signal.SIGTERM)
    for _ in range(100):
        if not _serves(int(pid)):
            return
        time.sleep(0.1)
    os.kill(int(pid), signal.SIGKILL)


def _serves(pid: int) -> bool:
    """Whether that process is a `serve` of ours: numbers come again. A zombie has no command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in words and any(b"standfast" in word for word in words)


def log_tail(state_dir: Path) -> str:
    """The last line that a detached `serve` left, for an error."""
    try:
        lines = log_path(state_dir).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
