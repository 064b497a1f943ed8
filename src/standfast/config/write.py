"""The config that `init` and the lab write: what was found out, in the order a reader expects."""

from __future__ import annotations

import io
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from standfast.config.types import ClusterConfig, HostConfig
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
    """Write atomically, for the owner's eyes only. Raises RefusedError if the file is there, OSError."""
    if not overwrite:
        refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(content)
    part.replace(path)
