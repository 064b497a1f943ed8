"""A click group that imports a verb only when it is asked for, and knows all their one-line helps."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class ReaderGoneError(Exception):
    """Whoever read our output has gone. Not an OSError: click would make exit code 1 of it."""


class LazyGroup(click.Group):
    """`verbs` maps a name to (`module:attribute`, one-line help); nothing is imported for a listing."""

    def __init__(self, *args: Any, verbs: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs = verbs

    def invoke(self, ctx: click.Context) -> Any:
        """Raises ReaderGoneError where the output can't be written any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGoneError from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        module, attribute = self.verbs[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with the nearest verb named for one that there isn't."""
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.verbs, n=1)
            hint = f" Did you mean '{close[0]}'?" if close else f" Commands: {', '.join(self.verbs)}."
            raise click.UsageError(f"There is no command '{args[0]}'.{hint}", ctx)
        return super().resolve_command(ctx, args)
