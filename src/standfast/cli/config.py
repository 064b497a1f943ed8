"""`config check | show | schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, show, show_json
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.config import ClusterConfig


@click.group()
def config() -> None:
    """Check and show the config."""


@config.add_command
@verb(name="check")
def check(session: Session) -> None:
    """Read the config and say whether it can be used. Asks no host anything."""
    loaded = session.config
    hosts = {name: _hosts(each) for name, each in loaded.clusters.items()}
    if session.json:
        show_json({"path": str(loaded.path), "clusters": hosts})
        return
    for name, each in loaded.clusters.items():
        count = plural(hosts[name], "host")
        show(f"{loaded.path}: cluster {name}, {each.platform}, {count}: can be used.")


def _hosts(cluster: ClusterConfig) -> int:
    return cluster.simulated.hosts if cluster.simulated else len(cluster.hosts)


@config.add_command
@verb(name="show")
def show_(session: Session) -> None:
    """Print the config as it is understood, defaults filled in, as JSON."""
    from standfast.codec import to_plain

    loaded = session.config
    show_json(
        {
            "path": str(loaded.path),
            "clusters": {name: to_plain(each) for name, each in loaded.clusters.items()},
        }
    )


@config.add_command
@verb(name="schema")
def schema(session: Session) -> None:
    """Print the JSON Schema of the config, for editors."""
    from standfast.config.load import schema as json_schema

    show_json(json_schema())
