"""Data to stdout, words to stderr; errors in one sentence or in the one JSON shape."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from standfast.model.errors import StandfastError
from standfast.report.plain import cell, visible


def say(text: str) -> None:
    """Progress and diagnostics, on stderr."""
    click.echo(text, err=True)


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
        say(f"standfast: {visible(str(error))}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns parted by two spaces; no box, so that it can be cut and grepped."""
    lines = [[cell(each) for each in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def plural(number: int, word: str, many: str = "") -> str:
    """`1 host`, `3 hosts`."""
    return f"{number} {word if number == 1 else many or word + 's'}"


def interactive() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
