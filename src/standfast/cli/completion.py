"""`completion SHELL`."""

from __future__ import annotations

import click

from standfast.cli.out import show
from standfast.cli.session import Session, verb


@verb(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(session: Session, shell: str) -> None:
    """Print shell completion.

    For bash: `standfast completion bash > /etc/bash_completion.d/standfast`.
    """
    from click.shell_completion import get_completion_class

    from standfast.cli.root import cli

    kind = get_completion_class(shell)
    assert kind is not None, shell
    show(kind(cli, {}, "standfast", "_STANDFAST_COMPLETE").source())
