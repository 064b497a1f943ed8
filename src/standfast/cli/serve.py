"""`serve`: the one process that acts."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.session import Session, hosts_of, make_state_dir, verb
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from standfast.model.run import Run
    from standfast.run.clock import WallClock
    from standfast.run.serve import Attached

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
