"""Operators' verbs: `run pause | resume | replan | skip | retry | cancel | abandon`, and `host return`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from standfast.cli.hostkit import kit
from standfast.cli.out import say, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from standfast.model.ids import HostId, RunId
    from standfast.model.run import Run, Verb

RUN = click.argument("run", default="last", metavar="[RUN]")
"""An id, the beginning of one that only one run has, or `last`."""

HEARD_SECONDS = 10.0
"""How long the outcome of a word is waited for; a controller ticks more often."""


def say_to(session: Session, run: str, word: str, then: str, host: str | None = None) -> None:
    """Leave an operator's word, see that somebody takes it up, and say what became of it.

    Raises RefusedError (exit code 5) where it makes no sense now: nothing was changed then.
    """
    from standfast.model.run import Verb

    wanted = session.find_run(run)  # first, since the store is made where there is none
    found = session.store.run(wanted)
    about = None if host is None else host_of(found, host)
    _leave(session, found, Verb(word), then, about, host)


def _leave(session: Session, run: Run, word: Verb, then: str, about: HostId | None, name: str | None) -> None:
    from standfast.cli.controller import await_acting, start_detached
    from standfast.model.run import RunState, Verb
    from standfast.run.verdicts import against

    heard: tuple[str, bool] | None = None
    why_not = "" if run.ended else against(run, word, about)
    if why_not and not run.commands:  # words that nobody has taken up yet may change that
        # A run whose controller has died goes on when somebody says so.
        alone = word is Verb.RESUME and run.state is RunState.RUNNING
        started = alone and start_detached(session) is not None
        if not started:
            raise no_sense(run.id, f"{word} changes nothing: {why_not}")
        heard = ("it goes on", True)
    else:
        left = session.store.command(run.id, word, session.actor(), session.now(), about)
        controller = start_detached(session)
        started = controller is not None
        if controller is not None:
            await_acting(session, controller)  # so that the next word finds it
        heard = _heard(session, left)
    if heard is not None and not heard[1]:
        raise no_sense(run.id, heard[0])
    if session.json:
        told = {"run": str(run.id), "verb": str(word), "host": name, "controller_started": started}
        show_json(told | {"outcome": None if heard is None else heard[0]})
        return
    if heard is not None:
        say(f"Run {run.id}: {heard[0].rstrip('.')}.")
    else:
        say(f"Said {word} to run {run.id}: {then}")
        say("Nobody has taken it up yet. `standfast run watch` shows when.")
    if started:
        say("No controller was running: started one to take it up.")


def _heard(session: Session, command: int) -> tuple[str, bool] | None:
    deadline = time.monotonic() + HEARD_SECONDS
    while time.monotonic() < deadline:
        found = session.store.outcome(command)
        if found is not None:
            return found
        time.sleep(0.1)
    return None


def no_sense(run: RunId, what: str) -> RefusedError:
    return RefusedError(
        "makes_no_sense", what, where=f"run {run}", do="`standfast run show` says where it is now."
    )


def host_of(run: Run, name: str) -> HostId:
    """The id of the run's host of that name. Raises ConfigError (exit code 2) for one that it has not."""
    from standfast.config.types import nearest

    names = {row.name: row.host for row in run.hosts}
    if name not in names:
        raise ConfigError(
            "host_not_in_run",
            f"{name!r} is no host of this run",
            where=f"run {run.id}",
            do=nearest(name, names, "Its hosts are"),
        )
    return names[name]


@verb(name="pause")
@RUN
def pause(session: Session, run: str) -> None:
    """Start nothing new; moves and host work under way go on."""
    say_to(session, run, "pause", "nothing new starts. `standfast run resume` goes on.")


@verb(name="resume")
@RUN
def resume(session: Session, run: str) -> None:
    """Go on with a paused or held run, and try held hosts again."""
    say_to(session, run, "resume", "it goes on. `standfast run watch` shows how.")


@verb(name="replan")
@RUN
def replan(session: Session, run: str) -> None:
    """Plan the hosts that still wait anew, from what is there now."""
    say_to(session, run, "replan", "the hosts that still wait are planned anew.")


@verb(name="skip")
@click.argument("host")
@RUN
def skip(session: Session, host: str, run: str) -> None:
    """Go on without HOST. One that has been begun is handed back first.

    A host that is held after its patch stays empty and cordoned until `host return`.
    """
    say_to(session, run, "skip", "the run goes on without it.", host)


@verb(name="retry")
@click.argument("host")
@RUN
def retry(session: Session, host: str, run: str) -> None:
    """Try HOST again, which is held, or was skipped, given back unpatched or given up."""
    say_to(session, run, "retry", "it is tried again.", host)


@verb(name="cancel")
@RUN
def cancel(session: Session, run: str) -> None:
    """Go to the next safe point, give back what was borrowed, end."""
    say_to(session, run, "cancel", "it goes to the next safe point, then gives back what it borrowed.")


@verb(name="abandon")
@RUN
def abandon(session: Session, run: str) -> None:
    """Act no more, and list what is still changed."""
    say_to(session, run, "abandon", "it acts no more. `standfast run report` lists what is still changed.")


@click.group()
def host() -> None:
    """Give single hosts back; make hosts ready for accounts that are not root."""


@host.add_command
@verb(name="return")
@click.argument("host")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
def return_(session: Session, host: str, cluster: str | None) -> None:
    """Take back the cordon that a run has left on HOST, so that it takes VMs again.

    That is a host that was evacuated, given up (`run skip`) or left by a run that was abandoned.
    """
    from standfast.model.run import Verb

    where = session.cluster(cluster).name
    runs = [session.store.run(run) for run in session.store.runs_of(where, host)]
    if not runs:
        raise ConfigError(
            "host_in_no_run",
            f"no run of cluster {where!r} has a host {host!r}",
            do="See `standfast run list`.",
        )
    active = [run for run in runs if not run.ended]
    owing = [run for run in runs if run.row(host_of(run, host)).cordon_taken]
    if not active and not owing:
        raise RefusedError(
            "makes_no_sense",
            f"return changes nothing: no run has its cordon on {host}",
            do="`standfast doctor` says whose cordon is on a host.",
        )
    chosen = (active or owing)[0]
    about = host_of(chosen, host)
    _leave(session, chosen, Verb.RETURN, "its cordon is taken back.", about, host)


host.add_command(kit)

VERBS = (pause, resume, replan, skip, retry, cancel, abandon)
