"""`init`: reach each host, and only then write the config."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import ConfigError, StandfastError, UnreachableError

if TYPE_CHECKING:
    from standfast.config import ClusterConfig, HostConfig
    from standfast.model.cluster import Host

HELLO_SECONDS = 20.0


@verb(name="init")
@click.argument("uris", nargs=-1, required=True, metavar="URI…")
@click.option(
    "--cluster", default="main", show_default=True, metavar="NAME", help="What to call the cluster."
)
@click.option(
    "--ssh-config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="For `ssh -F`, instead of your own.",
)
@click.option(
    "--shared-path",
    "shared",
    multiple=True,
    metavar="DIR",
    help="Folder whose files are the same on every host.",
)
@click.option("--force-overwrite", is_flag=True, help="Replace a config that is there.")
def init(
    session: Session,
    uris: tuple[str, ...],
    cluster: str,
    ssh_config: Path | None,
    shared: tuple[str, ...],
    force_overwrite: bool,
) -> None:
    """Write the config from the hosts' libvirt URIs, such as qemu+ssh://root@kvm1/system.

    Every host is reached first, by ssh and by libvirt. Nothing is written if one does not answer, if its host
    key is unknown or changed, or if two URIs lead to one host. Changes nothing on the hosts.
    """
    from standfast.config import ClusterConfig
    from standfast.config.load import check_name, check_shared_path
    from standfast.config.write import check_place, refuse_existing, text, write

    path = session.config_path
    if not force_overwrite:
        refuse_existing(path)
    check_place(path)
    check_name(cluster, "--cluster")
    for each in shared:
        check_shared_path(each, "--shared-path")
    hosts = tuple(_host(uri) for uri in uris)
    _refuse_same_name(hosts)
    declared = ClusterConfig(
        name=cluster,
        platform="libvirt",
        hosts=hosts,
        ssh_config=ssh_config.absolute() if ssh_config else None,
        shared_paths=shared,
    )
    say(f"Asking {plural(len(hosts), 'host')} …")
    from standfast.run.observe import refuse_same_host

    seen = _ask_all(session, declared)
    refuse_same_host(seen)
    write(path, text(declared), overwrite=force_overwrite)
    if session.json:
        show_json({"config": str(path), "hosts": [{"name": host.name, "id": str(host.id)} for host in seen]})
        return
    for host in seen:
        say(f"  {host.name}: {host.hypervisor or 'answers'}")
    say(f"Wrote {path}. Look it over, then: standfast scan")


def _host(uri: str) -> HostConfig:
    """Raises ConfigError for what names no machine, or what a program would take for an option."""
    from standfast.config import HostConfig
    from standfast.config.addresses import URI_FORM, place_of

    place = place_of(uri)
    if not place.host:
        raise ConfigError("config_uri", f"{uri!r} names no machine", do=URI_FORM)
    return HostConfig(name=place.host, uri=uri, ssh=place.ssh)


def _refuse_same_name(hosts: tuple[HostConfig, ...]) -> None:
    names = [host.name for host in hosts]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError("config_host_twice", f"host {name!r} is given twice", do="Give each host once.")


def _ask_all(session: Session, cluster: ClusterConfig) -> list[Host]:
    """Every host as libvirt shows it. Raises what the first one in order had to say against it."""
    with ThreadPoolExecutor(min(32, len(cluster.hosts))) as executor:
        return list(executor.map(lambda host: _ask(session, cluster.only((host.name,))), cluster.hosts))


def _ask(session: Session, cluster: ClusterConfig) -> Host:
    """One host, by ssh and then by libvirt. Raises AuthError, UnreachableError, OutsideError."""
    from standfast.wiring import outside_for, ssh_targets

    (declared,) = cluster.hosts
    done = ssh_targets(cluster)[declared.name].run("exit 0", timeout_seconds=HELLO_SECONDS)
    if done.exit_code:
        raise StandfastError(
            "ssh_shell", "ssh leads to no shell", where=declared.name, why=done.stderr.strip()[-300:]
        )
    platform = outside_for(cluster, session.state_dir, {}).platform
    try:
        (host,) = platform.observe().hosts
    finally:
        platform.close()
    if not host.reachable:
        why = host.unreachable_why.removeprefix(f"{declared.name}: ").rstrip(".")
        raise UnreachableError("libvirt_unreachable", "libvirt can't be asked", where=declared.name, why=why)
    return host
