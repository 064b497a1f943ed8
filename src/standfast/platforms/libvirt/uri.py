"""Connection URIs: reaching `qemu+ssh://` with the same strictness as our own ssh calls."""

from __future__ import annotations

import hashlib
import os
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from standfast.model.errors import ConfigError
from standfast.transports.ssh import ALIVE_COUNT, ALIVE_SECONDS, CONNECT_SECONDS, private_directory

KEEP_SECONDS = 60
"""How long a connection is kept after its last user: what comes next (`apply` after `plan`, the controller
after `apply`) need not shake hands again."""


def ssh_wrapper(ssh_config: Path | None, host: str) -> Path:
    """A script that libvirt runs in place of `ssh` (URI parameter `command`); made if it isn't there.

    It asks no questions and takes on no unknown host key. All of libvirt's connections to one `host`
    (`[user@]name[:port]`) share one; with our own ssh calls they share none, so that a connection which is
    given up there does not take libvirt's along.
    """
    key = hashlib.sha256(f"{ssh_config}\n{host}".encode()).hexdigest()[:14]
    options = (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        f"ConnectTimeout={CONNECT_SECONDS}",
        f"ServerAliveInterval={ALIVE_SECONDS}",
        f"ServerAliveCountMax={ALIVE_COUNT}",
        "ControlMaster=auto",
        f"ControlPath={private_directory() / f'lv{key}'}",
        f"ControlPersist={KEEP_SECONDS}",
        "LogLevel=ERROR",
    )
    chosen = ["-F", str(ssh_config)] if ssh_config else []
    words = ["ssh", *chosen, *(part for option in options for part in ("-o", option))]
    # libvirt starts it without our environment, by which an ssh_config may name the keys of a service.
    place = os.environ.get("CREDENTIALS_DIRECTORY", "")
    told = f"export CREDENTIALS_DIRECTORY={shlex.quote(place)}\n" if place else ""
    text = f'#!/bin/sh\n{told}exec {" ".join(map(shlex.quote, words))} "$@"\n'
    path = private_directory() / f"libvirt-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o700)
        fresh.replace(path)
    return path


def connection_uri(uri: str, ssh_config: Path | None) -> str:
    """`uri` as it is opened: over ssh with our wrapper unless it names a `command` itself.

    Raises ConfigError for what is no URI.
    """
    parts = urlsplit(uri)
    if not parts.scheme:
        raise ConfigError(
            "libvirt_uri", f"{uri!r} is no libvirt URI", do="Write it as qemu+ssh://root@HOST/system."
        )
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not parts.scheme.endswith("+ssh") or any(name == "command" for name, _ in query):
        return uri
    query += [("command", str(ssh_wrapper(ssh_config, parts.netloc)))]
    if not any(name == "no_tty" for name, _ in query):
        query += [("no_tty", "1")]
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote, safe="/")))


def peer_uri(peer: str | None, uri: str, migration_address: str) -> str:
    """How a source's libvirt reaches a target's: as declared, else as the controller does, else by address.

    Parameters that only make sense on the controller (`command`, `no_tty`, key files) are left out.
    """
    if peer:
        return peer
    parts = urlsplit(uri)
    if parts.hostname:
        return urlunsplit(parts._replace(query=""))
    return f"qemu+ssh://root@{bracketed(migration_address)}/system"


def bracketed(address: str) -> str:
    """An IPv6 address in brackets, as URIs want it; anything else as it is."""
    return f"[{address}]" if ":" in address and not address.startswith("[") else address
