"""Data to stdout, words to stderr; errors in one sentence or in the one JSON shape."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from standfast.model.errors import StandfastError
from standfast.model.units import count
from standfast.report.plain import table, visible

__all__ = ["interactive", "plural", "say", "show", "show_error", "show_json", "table"]


def say(text: str) -> None:
    """Progress and diagnostics, on stderr."""
    click.echo(visible(text), err=True)


def show(text: str) -> None:
    """What was asked for, on stdout."""
    click.echo(text)


def show_json(value: Any) -> None:
    """One object at exit, on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_error(error: StandfastError, *, as_json: bool) -> None:
    """The same failure for a reader or a program."""
    if as_json:
        show_json(error.as_dict())
    else:
        say(f"standfast: {error}")


plural = count


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
