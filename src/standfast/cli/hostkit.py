"""`host kit`: what makes a host ready for accounts that are not root."""

from __future__ import annotations

from pathlib import Path

import click

from standfast.cli.session import Session, verb
from standfast.model.errors import UsageError

PATCH, MOVE = "standfast-patch", "standfast-move"


@verb(name="kit")
@click.option(
    "--patch-account", default=PATCH, show_default=True, metavar="NAME", help="Patches and reboots."
)
@click.option("--move-account", default=MOVE, show_default=True, metavar="NAME", help="Reaches libvirt.")
@click.option(
    "--patch-key",
    "patch_keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Public key file let in as the patching account (may be given again).",
)
@click.option(
    "--move-key",
    "move_keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Public key file let in as the moving account: the controller's and each host's.",
)
def kit(
    session: Session,
    patch_account: str,
    move_account: str,
    patch_keys: tuple[Path, ...],
    move_keys: tuple[Path, ...],
) -> None:
    """Print a shell script that makes a host ready for accounts that are not root.

    Run it on each host: standfast host kit --patch-key K.pub --move-key K.pub | ssh root@kvm1 sh
    """
    from importlib.metadata import version

    from standfast.platforms.libvirt import fence
    from standfast.transports.hostkit import Script, installer
    from standfast.updates import scripts

    every = [Script(text, reads_names) for text, reads_names in scripts.kit()]
    every += [Script(text) for text in (*fence.kit(), HELLO)]
    click.echo(
        installer(
            every,
            version=version("standfast"),
            patch=patch_account,
            move=move_account,
            patch_keys=[key for file in patch_keys for key in _keys(file)],
            move_keys=[key for file in move_keys for key in _keys(file)],
        ),
        nl=False,
    )


HELLO = "exit 0"
"""What `init` runs to see that a host answers."""


def _keys(file: Path) -> list[str]:
    """Public keys of a file, one a line. Raises UsageError; a private key is never printed."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError("kit_key", "this public key can't be read", where=str(file), why=why) from error
    if any("PRIVATE KEY" in line for line in lines):
        raise UsageError("kit_key", "this is a private key", where=str(file), do="Give the .pub file.")
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise UsageError("kit_key", "this file holds no public key", where=str(file))
    return found
