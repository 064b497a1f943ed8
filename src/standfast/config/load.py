"""One file in, one frozen `Config` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from standfast.config import text
from standfast.config.addresses import check_address, check_ssh, place_of
from standfast.config.probes import parse_probe
from standfast.config.problems import first_problem
from standfast.config.raw import RawCluster, RawConfig, RawHost
from standfast.config.raw_outward import receivers, silencers
from standfast.config.text import Document
from standfast.config.types import (
    ClusterConfig,
    CommandsConfig,
    Config,
    HostConfig,
    RulesConfig,
    SimConfig,
    address_of,
    nearest,
)
from standfast.model import window
from standfast.model.errors import ConfigError
from standfast.model.policy import Policy
from standfast.model.probes import VmProbe
from standfast.model.reasons import Code
from standfast.model.unmovable import Handling


def load(path: Path) -> Config:
    """Read a config. Raises ConfigError naming file and line; nothing outside the file is looked at."""
    document = text.read(path)
    if not isinstance(document.body, dict):
        raise ConfigError(
            "config_value",
            "the config must be a block of keys",
            where=document.where(()),
            do="It begins with `clusters:`.",
        )
    try:
        raw = RawConfig.model_validate(document.body)
    except ValidationError as error:
        raise first_problem(document, RawConfig, error) from error
    _refuse_bad_names(document, raw)
    _refuse_same_uri(document, raw)
    clusters = {name: _cluster(document, name, cluster) for name, cluster in raw.clusters.items()}
    return Config(path, clusters, receivers(document, ("notify",), raw.notify))


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a config."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RawConfig.model_json_schema()}


def _hosts(raw: RawConfig) -> Iterator[tuple[str, str, RawHost]]:
    for cluster_name, cluster in raw.clusters.items():
        for host_name, host in cluster.hosts.items():
            yield cluster_name, host_name, host


def _refuse_bad_names(document: Document, raw: RawConfig) -> None:
    """A name that breaks lines would break every table and log that shows it."""
    for cluster_name, cluster in raw.clusters.items():
        for name, path in [
            (cluster_name, ("clusters", cluster_name)),
            *((host, ("clusters", cluster_name, "hosts", host)) for host in cluster.hosts),
        ]:
            check_name(name, document.where(path))


def check_name(name: str, where: str = "") -> None:
    """Raises ConfigError for what can't be the name of a cluster or a host."""
    if not name.strip() or not name.isprintable():
        raise ConfigError(
            "config_name", f"{name!r} is no name", where=where, do="Use printable characters on one line."
        )


def _refuse_same_uri(document: Document, raw: RawConfig) -> None:
    seen: dict[str, str] = {}
    for cluster, name, host in _hosts(raw):
        key = host.uri.rstrip("/")
        if key and key in seen:
            raise ConfigError(
                "config_host_twice",
                f"hosts {seen[key]!r} and {name!r} are one: both have the uri {host.uri!r}",
                where=document.where(("clusters", cluster, "hosts", name, "uri")),
                do="Give each host its own, or take one of the two out.",
            )
        seen[key] = name


def _cluster(document: Document, name: str, raw: RawCluster) -> ClusterConfig:
    here: text.Path = ("clusters", name)
    if raw.platform == "libvirt" and not raw.hosts:
        raise ConfigError(
            "config_missing_key",
            f"cluster {name!r} has no hosts",
            where=document.where((*here, "hosts")),
            do="Add them under 'hosts', or let `standfast init URI…` write them.",
        )
    if (raw.simulated is not None) != (raw.platform == "simulated"):
        raise ConfigError(
            "config_platform",
            f"cluster {name!r} has platform {raw.platform!r}"
            + (" and a key 'simulated'" if raw.simulated else " and no key 'simulated'"),
            where=document.where((*here, "simulated" if raw.simulated else "platform")),
            do="Take 'simulated' out."
            if raw.simulated
            else "Say where its world is kept: simulated: {world: FILE}.",
        )
    if raw.simulated is not None and raw.hosts:
        raise ConfigError(
            "config_platform",
            f"cluster {name!r} is simulated and has a key 'hosts'",
            where=document.where((*here, "hosts")),
            do="Take it out: its hosts are made, as many as simulated: {hosts: N} says.",
        )
    base = document.file.absolute().parent
    hosts = tuple(_host(document, (*here, "hosts", each), each, raw) for each in raw.hosts)
    addresses = {host.name: address_of(host.ssh) for host in hosts}
    return ClusterConfig(
        name=name,
        platform=raw.platform,
        hosts=hosts,
        ssh_config=base / Path(raw.ssh_config).expanduser() if raw.ssh_config else None,
        host_kit=raw.host_kit,
        probes={vm: _probe(document, (*here, "probes", vm), said) for vm, said in raw.probes.items()},
        guest_timeouts=dict(raw.guest_timeouts),
        shared_paths=tuple(_absolute(document, here, index, raw) for index in range(len(raw.shared_paths))),
        rules=_rules(document, here, raw),
        policy=_policy(document, here, raw),
        simulated=_simulated(document, here, base, raw),
        commands=CommandsConfig(**raw.commands.model_dump()),
        balance_every_seconds=raw.balance.every_seconds if raw.balance is not None else None,
        silences=silencers(document, (*here, "silences"), raw.silences, addresses),
        origin=document.where(here),
    )


def _probe(document: Document, where: tuple[str | int, ...], said: str) -> VmProbe:
    try:
        return parse_probe(said)
    except ValueError as error:
        raise ConfigError("config_value", str(error), where=document.where(where)) from None


def _readable(read: Callable[[str], object], said: str, where: str, how: str) -> None:
    """Raises ConfigError where a maintenance window, or its time zone, can't be read."""
    try:
        read(said)
    except ValueError as error:
        raise ConfigError("config_value", str(error), where=where, do=how) from None


def _policy(document: Document, here: text.Path, raw: RawCluster) -> Policy:
    policy = Policy(**raw.policy.model_dump())
    known = {str(code): code for code in Code if code.startswith(("host_", "way_", "unequal_"))}
    for index, said in enumerate(policy.windows):
        _readable(window.parse, said, document.where((*here, "policy", "windows", index)), window.HOW)
    where = document.where((*here, "policy", "windows_timezone"))
    _readable(window.zone_of, policy.windows_timezone, where, "Write a name as `Europe/Berlin`.")
    for index, word in enumerate(policy.accepted_findings):
        if word not in known:
            raise ConfigError(
                "config_value",
                f"{word!r} is no finding about hosts that could be accepted",
                where=document.where((*here, "policy", "accepted_findings", index)),
                do=nearest(word, known, "There are"),
            )
    return policy


def _simulated(document: Document, here: text.Path, base: Path, raw: RawCluster) -> SimConfig | None:
    if raw.simulated is None:
        return None
    keys = raw.simulated.model_dump()
    world = str(keys.pop("world"))
    if not Path(world).name or not world.isprintable():
        raise ConfigError(
            "config_value",
            f"world {world!r} names no file",
            where=document.where((*here, "simulated", "world")),
            do="Write it as world: world.json.",
        )
    return SimConfig(base / Path(world).expanduser(), **keys)


def _absolute(document: Document, here: text.Path, index: int, raw: RawCluster) -> str:
    path = raw.shared_paths[index]
    check_shared_path(path, document.where((*here, "shared_paths", index)))
    return path


def check_shared_path(path: str, where: str = "") -> None:
    """Raises ConfigError for what is no whole path."""
    if not path.startswith("/") or not path.isprintable():
        raise ConfigError(
            "config_value",
            f"shared path {path!r} does not begin with '/'"
            if not path.startswith("/")
            else f"shared path {path!r} holds a character that can't be printed",
            where=where,
            do="Write the whole path, as the hosts see it.",
        )


def _rules(document: Document, here: text.Path, raw: RawCluster) -> RulesConfig:
    rules = raw.rules
    origins = {
        f"{kind}.{name}": document.where((*here, "rules", kind, name))
        for kind, names in (
            ("anti_affinity", rules.anti_affinity),
            ("pins", rules.pins),
            ("unmovable", rules.unmovable),
            ("priorities", rules.priorities),
        )
        for name in names
    }
    origins["controller"] = document.where((*here, "rules", "controller"))
    for vm, hosts in rules.pins.items():
        for host in hosts:
            if raw.hosts and host not in raw.hosts:
                raise unknown_host(host, set(raw.hosts), f"VM {vm!r} is pinned to", origins[f"pins.{vm}"])
    return RulesConfig(
        rules.anti_affinity,
        rules.pins,
        rules.memory_ceiling,
        rules.reserve_hosts,
        rules.priorities,
        unmovable={vm: Handling(word) for vm, word in rules.unmovable.items()},
        controller=rules.controller,
        origins=origins,
    )


def unknown_host(host: str, known: set[str], what: str, where: str) -> ConfigError:
    """A rule names a host that the cluster has not."""
    return ConfigError(
        "config_rule_host",
        f"{what} an unknown host {host!r}",
        where=where,
        do=nearest(host, known, "Its hosts are"),
    )


def _host(document: Document, path: text.Path, name: str, cluster: RawCluster) -> HostConfig:
    raw = cluster.hosts[name]
    if cluster.platform == "libvirt" and not raw.uri:
        raise ConfigError(
            "config_missing_key",
            f"host {name!r} has no key 'uri'",
            where=document.where(path),
            do=f"Add it: uri: qemu+ssh://root@{name}/system.",
        )
    ssh = raw.ssh or (place_of(raw.uri, document.where((*path, "uri"))).ssh if raw.uri else "")
    if cluster.platform == "libvirt" and not ssh:
        raise ConfigError(
            "config_missing_key",
            f"host {name!r} has no key 'ssh', and its uri names no machine",
            where=document.where((*path, "uri")),
            do="Add it: ssh: root@HOST.",
        )
    _refuse_bad_addresses(document, path, raw, ssh)
    return HostConfig(
        name=name,
        uri=raw.uri,
        ssh=ssh,
        migration_address=raw.migration_address,
        memory_bytes=raw.memory_bytes,
        peer_uri=raw.peer_uri,
        fault_domain=raw.fault_domain,
        migration_bits_per_second=raw.migration_speed,
        moves_out=raw.moves_out,
        moves_in=raw.moves_in,
    )


def _refuse_bad_addresses(document: Document, path: text.Path, raw: RawHost, ssh: str) -> None:
    for key, uri in (("uri", raw.uri), ("peer_uri", raw.peer_uri)):
        if uri:
            place_of(uri, document.where((*path, key)))
    if ssh:
        check_ssh(ssh, document.where((*path, "ssh")))
    if raw.migration_address:
        check_address(raw.migration_address, document.where((*path, "migration_address")))
