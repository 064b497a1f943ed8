"""A yes-or-no question on a terminal, which Ctrl-C ends at any instant."""

from __future__ import annotations

import os
import select
import signal
import sys

import click

from standfast.cli.out import interactive, say
from standfast.model.errors import RefusedError


def agrees(question: str) -> bool:
    """Whether whoever sits at the terminal says yes; return alone means no. Called from the main thread.

    Raises click.Abort for Ctrl-C and for Ctrl-D.
    """
    while True:
        try:
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            _wait_for_typing()
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            raise click.Abort from None
        if not line:  # Ctrl-D
            raise click.Abort
        match line.strip().lower():
            case "y" | "yes":
                return True
            case "" | "n" | "no":
                return False
        click.echo("Please answer y or n.", err=True)


def consent(question: str) -> None:
    """Returns if whoever sits there says yes. Raises RefusedError where nobody does: silence is no consent.

    Ctrl-C is no answer either, and passed on.
    """
    if not interactive():
        raise RefusedError(
            "not_confirmed",
            "nobody is there to be asked",
            why="this is no terminal",
            do="Say --yes if it shall begin without the question.",
        )
    try:
        agreed = agrees(question)
    except click.Abort:
        say("\nNothing was changed.")
        raise
    if not agreed:
        raise RefusedError("declined", "the answer was no, so nothing was changed")


def _wait_for_typing() -> None:
    """Until a line can be read without waiting. A signal ends the wait, whenever it comes.

    `input()` alone sleeps through a Ctrl-C that comes when the question is out but the read has not begun:
    Python notes the signal and looks at its note only after the read, which nothing ends any more. The
    wakeup descriptor is written to by the signal itself, so there is no such gap.
    """
    reading, woken = os.pipe()
    os.set_blocking(woken, False)
    before = signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    try:
        select.select([sys.stdin, reading], [], [])
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(woken)
