"""`config check | show | schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say, show, show_json
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.config import ClusterConfig


@click.group()
def config() -> None:
    """Check and show the config."""


@config.add_command
@verb(name="check")
def check(session: Session) -> None:
    """Read the config and say whether it can be used. Asks no host anything.

    Which VMs there are is known when the hosts have been asked: `scan` and `plan` tell of rules for others.
    """
    loaded = session.config
    hosts = {name: _hosts(each) for name, each in loaded.clusters.items()}
    if session.json:
        show_json({"path": str(loaded.path), "clusters": hosts})
        return
    for name, each in loaded.clusters.items():
        count = plural(hosts[name], "host")
        show(f"{loaded.path}: cluster {name}, {each.platform}, {count}: can be used.")
        if each.simulated is not None and each.simulated.hosts != hosts[name]:
            words = (
                f"its world {each.simulated.world} is there already, so 'hosts' and 'vms' count for nothing"
            )
            say(f"Cluster {name}: {words}. Remove that file to have it made anew.")


def _hosts(cluster: ClusterConfig) -> int:
    """How many hosts it has. Raises ConfigError for a pin to a host of a world that has none of that name.

    A simulated cluster's hosts are not in the config, but in its world's file, or follow from its size.
    """
    from standfast.config.load import unknown_host
    from standfast.wiring import simulated_host_names

    if cluster.simulated is None:
        return len(cluster.hosts)
    known = simulated_host_names(cluster.simulated)
    for vm, hosts in cluster.rules.pins.items():
        for host in hosts:
            if host not in known:
                where = cluster.rules.origins.get(f"pins.{vm}", "")
                raise unknown_host(host, known, f"VM {vm!r} is pinned to", where)
    return len(known)


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
