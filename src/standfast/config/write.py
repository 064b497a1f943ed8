"""The config that `init` and the lab write: what was found out, in the order a reader expects."""

from __future__ import annotations

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from standfast.config.types import ClusterConfig, HostConfig
from standfast.files import check_writable, write_whole
from standfast.model.errors import RefusedError

_HEAD = "# `standfast config check` reads this, `standfast config schema` says what may stand in it.\n"


def text(cluster: ClusterConfig) -> str:
    """One cluster as YAML. Policy and rules are left to their defaults."""
    body: dict[str, Any] = {"platform": cluster.platform}
    if cluster.simulated is not None:
        keys = asdict(cluster.simulated) | {"world": str(cluster.simulated.world)}
        body["simulated"] = {key: value for key, value in keys.items() if value is not None}
    if cluster.ssh_config is not None:
        body["ssh_config"] = str(cluster.ssh_config)
    if cluster.host_kit:
        body["host_kit"] = True
    if cluster.shared_paths:
        body["shared_paths"] = list(cluster.shared_paths)
    if cluster.hosts:
        body["hosts"] = {host.name: _host(host) for host in cluster.hosts}
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096
    stream = io.StringIO()
    yaml.dump({"clusters": {cluster.name: body}}, stream)
    return _HEAD + stream.getvalue()


def _host(host: HostConfig) -> dict[str, Any]:
    keys = {
        "uri": host.uri,
        "ssh": host.ssh,
        "migration_address": host.migration_address,
        "memory_bytes": host.memory_bytes,
        "peer_uri": host.peer_uri,
        "fault_domain": host.fault_domain,
        "migration_speed": host.migration_bits_per_second,
        "moves_out": host.moves_out,
        "moves_in": host.moves_in,
    }
    return {key: value for key, value in keys.items() if value not in ("", None)}


def refuse_existing(path: Path) -> None:
    """Raises RefusedError if there is a config already."""
    if path.exists():
        raise RefusedError(
            "config_exists",
            "there is a config already",
            where=str(path),
            do="Name another file with --config, or replace it with --force-overwrite.",
        )


def write(path: Path, content: str, *, overwrite: bool = False) -> None:
    """Write whole or not at all, for the owner's eyes only. Raises RefusedError if the file is there, and
    StandfastError where it can't be written."""
    if not overwrite:
        refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content, "config", mode=0o600)


def check_place(path: Path) -> None:
    """Before long work is done for it: raises UsageError where no config can be written."""
    there = next((each for each in path.absolute().parents if each.exists()), Path("/"))
    check_writable(path if path.parent.exists() else there / path.name, "config", option="--config")
