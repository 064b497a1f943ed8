"""The command line: a thin client. One file per group of verbs; other rooms are imported inside functions."""

from __future__ import annotations

from standfast.cli.root import cli, main

__all__ = ["cli", "main"]
