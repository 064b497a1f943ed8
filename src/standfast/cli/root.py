"""The root command and `main`, which turns every end of a verb into words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from standfast.cli.lazy import LazyGroup, ReaderGoneError
from standfast.cli.out import show_error
from standfast.cli.session import Session, global_options
from standfast.model.errors import StandfastError, UsageError

INTERRUPTED = 130
BROKEN_PIPE = 141

VERBS = {
    "init": ("standfast.cli.init:init", "Write the config from the hosts' addresses."),
    "scan": ("standfast.cli.scan:scan", "Say what is pending on each host, and whether it needs a reboot."),
    "doctor": ("standfast.cli.doctor:doctor", "Say what keeps hosts from work and VMs from moving."),
    "plan": ("standfast.cli.plan:plan", "Plan a run: order, moves, times, and what is refused and why."),
    "rehearse": ("standfast.cli.rehearse:rehearse", "Carry a plan out on a simulated twin of the cluster."),
    "apply": ("standfast.cli.apply:apply", "Carry a plan out, and watch."),
    "run": ("standfast.cli.run:run", "List, watch, steer and report runs."),
    "balance": ("standfast.cli.balance:balance", "Say which moves would make hosts evenly used."),
    "evacuate": ("standfast.cli.evacuate:evacuate", "Empty one host as fast as its links allow."),
    "host": ("standfast.cli.steer:host", "Give single hosts back; make hosts ready for other accounts."),
    "serve": ("standfast.cli.serve:serve", "Be the one process that acts."),
    "snapshot": ("standfast.cli.snapshot:snapshot", "Save and show what a cluster looks like."),
    "notify": ("standfast.cli.notify:notify", "Try out those who are told of runs."),
    "history": ("standfast.cli.history:history", "How right the predictions of former moves were."),
    "network": ("standfast.cli.network:network", "What the migration network does for moves."),
    "events": ("standfast.cli.events:events", "Read migrations out of hypervisors' logs."),
    "state": ("standfast.cli.state:state", "Back up, restore and verify what is kept of runs."),
    "config": ("standfast.cli.config:config", "Check and show the config."),
    "lab": ("standfast.cli.lab:lab", "A real cluster on this machine, to try it out."),
    "demo": ("standfast.cli.demo:demo", "The whole job on a lab cluster, with proof."),
    "completion": ("standfast.cli.completion:completion", "Print shell completion."),
}

EPILOG = """\
Options may also stand behind the command. Exit codes: 0 done; 1 failed; 2 usage or config; 3 finished but
degraded; 4 waits for the operator; 5 refused, nothing changed; 6 keys or rights; 130 ended by Ctrl-C (a run
goes on).
"""


@click.group(
    cls=LazyGroup,
    verbs=VERBS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="standfast", message="standfast %(version)s")
@global_options(hidden=False)
@click.pass_context
def cli(context: click.Context) -> None:
    """Patch every host of a cluster while every VM stands fast."""
    context.ensure_object(Session)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script."""
    sys.exit(call(list(sys.argv[1:] if arguments is None else arguments)))


def call(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    session = Session()
    try:
        result = cli.main(args=arguments, prog_name="standfast", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (ReaderGoneError, BrokenPipeError):
        return _reader_gone()
    except Exception as error:  # noqa: BLE001  (the last frame: nothing above can tell it better)
        # An option that can't be read may come before `--json`; the demo's `--json FILE` is another one.
        return _failed(
            error, session, as_json=session.json or ("--json" in arguments and "demo" not in arguments)
        )
    return result if isinstance(result, int) else 0


def _reader_gone() -> int:
    """Whoever read our output has gone, as `head` does: end as if SIGPIPE had ended us, and say nothing.

    Python would complain once more when it flushes at exit.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return BROKEN_PIPE


def _failed(error: Exception, session: Session, *, as_json: bool) -> int:
    """Tell a failure; returns its exit code."""
    if isinstance(error, click.ClickException) and not as_json:
        error.show()
        return error.exit_code
    told = _typed(error)
    if session.verbose and not isinstance(error, (StandfastError, click.ClickException)):
        import traceback

        traceback.print_exception(error)
    show_error(told, as_json=as_json)
    return told.exit_code


def _typed(error: Exception) -> StandfastError:
    if isinstance(error, StandfastError):
        return error
    if isinstance(error, click.ClickException):
        return UsageError("usage", error.format_message().rstrip("."))
    if isinstance(error, OSError):
        return StandfastError(
            "system",
            "this machine said no",
            where=str(error.filename or ""),
            why=error.strerror or str(error),
        )
    return StandfastError(
        "internal",
        "Standfast itself failed; runs under way are not touched by that",
        why=f"{type(error).__name__}: {error}",
        do="Run it again with -v and report what it prints.",
    )
