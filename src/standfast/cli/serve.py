"""`serve`, and starting it detached."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from standfast.cli.session import Session, hosts_of, make_state_dir, verb
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from standfast.model.run import Run
    from standfast.run.clock import WallClock
    from standfast.run.serve import Attached

START_SECONDS = 10.0
"""How long a controller may take to begin."""

LOG_BYTES = 16 * 1024**2
"""A log that is longer is kept once more beside the new one."""

GONE_SECONDS = 1.0
"""How often it is looked whether the store's file is still there."""


@verb(name="serve")
@click.option("--until-idle", is_flag=True, help="End when no run is active.")
@click.option(
    "--watch-health",
    is_flag=True,
    help="Evacuate a host that your own check (commands: health) calls failing.",
)
def serve(session: Session, until_idle: bool, watch_health: bool) -> None:
    """Be the one process that acts: drive every active run.

    It may be killed at any time; the next one goes on from what was recorded. SIGTERM starts nothing new
    and leaves what is under way to the hosts.
    """
    from standfast.cli.logs import configure
    from standfast.cli.notify import couriers
    from standfast.cli.supervisor import Supervisor
    from standfast.run.clock import WallClock
    from standfast.run.serve import only_one_here, release_dead
    from standfast.run.serve import serve as drive

    configure(verbose=session.verbose)
    stop, clock, supervisor = threading.Event(), WallClock(), Supervisor()

    def asked_to_stop(*_: object) -> None:
        supervisor.stopping()
        stop.set()
        clock.wake()

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, asked_to_stop)
    make_state_dir(session.state_dir)
    with only_one_here(session.state_dir):
        release_dead(session.store, socket.gethostname())
        _stop_when_gone(session.store_path, stop, asked_to_stop)
        if watch_health:
            _watch_health(session, stop, clock)
        if not until_idle:  # the one that `apply` starts ends with its run
            _recommend_balance(session, stop)
        drive(
            session.store,
            lambda run: _attach(session, run, clock),
            until_idle=until_idle,
            holder=f"{socket.gethostname()}:{os.getpid()}",
            stop=stop,
            clock=clock,
            beside=couriers(session),
            alive=supervisor.alive,
        )


def _watch_health(session: Session, stop: threading.Event, clock: WallClock) -> None:
    """One watch for each cluster that has a check. Raises UsageError where none has."""
    from standfast.cli.healthwatch import HealthWatch

    watched = [cluster for cluster in session.config.clusters.values() if cluster.commands.health]
    if not watched:
        raise UsageError(
            "no_health_command",
            "--watch-health has nothing to watch",
            why="no cluster of the config has a command for it",
            do="Give one: commands: {health: [PROGRAM, '{host}']}.",
        )
    for cluster in watched:
        HealthWatch(session.store, cluster, session.outside(cluster), clock.wake).start(stop)


def _recommend_balance(session: Session, stop: threading.Event) -> None:
    """One watch for each cluster whose config asks for it."""
    from standfast.cli.balance import recommendation_path
    from standfast.cli.balancewatch import BalanceWatch

    if not session.config_path.exists():
        return
    for cluster in session.config.clusters.values():
        if cluster.balance_every_seconds is not None:
            file = recommendation_path(session, cluster.name)
            BalanceWatch(session.store, cluster, session.outside(cluster), file).start(stop)


def _stop_when_gone(path: Path, stop: threading.Event, ask: Callable[[], None]) -> None:
    """Stop when the store's file was removed or replaced: nobody would see what is recorded in it."""
    mine = path.stat()

    def look() -> None:
        while not stop.wait(GONE_SECONDS):
            try:
                there = os.path.samestat(mine, path.stat())
            except OSError:
                there = False
            if not there:
                ask()

    threading.Thread(target=look, name="store-there", daemon=True).start()


def _attach(session: Session, run: Run, clock: WallClock) -> Attached:
    """The run's cluster as the config has it now. Raises ConfigError, OutsideError."""
    from standfast.config.machine import machine_uuids
    from standfast.config.rules import resolve
    from standfast.run.serve import Attached
    from standfast.wiring import outside_for

    cluster = session.cluster(run.cluster)
    outside = outside_for(cluster, session.state_dir, hosts_of(run), clock)
    machine = machine_uuids()
    return Attached(outside, lambda snapshot: resolve(cluster.rules, snapshot, strict=False, machine=machine))


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
