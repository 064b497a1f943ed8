"""Where a host is, as written: connection URIs, ssh destinations, addresses.

Whatever a program would take for one of its options, or a shell for its own, is refused here, before any host
is asked. The characters are those that OpenSSH refuses in a host's and a user's name (ssh.c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from standfast.model.errors import ConfigError

_BAD_HOST = re.compile(r"^-|[\s'\"`$\\;&<>|(){},@/]|[^ -~\u00a0-\U0010ffff]")
_BAD_USER = re.compile(r"^-|[\s'\"`;&<>|(){}]|\\\Z|[^ -~\u00a0-\U0010ffff]")

SSH_FORM = "Write it as root@HOST or ssh://root@HOST:PORT."
URI_FORM = "Write it as qemu+ssh://root@HOST/system."


@dataclass(frozen=True, slots=True)
class Place:
    """The machine in a URI, as written there: an IPv6 address without brackets, a name in its own case."""

    scheme: str
    host: str
    user: str = ""
    port: int | None = None

    @property
    def ssh(self) -> str:
        """For ssh; empty where the URI names no machine. The port counts only where it is ssh's."""
        if not self.host:
            return ""
        user = f"{self.user}@" if self.user else ""
        if self.port and self.scheme.endswith("+ssh"):
            return f"ssh://{user}{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"
        return f"{user}{self.host}"


def place_of(uri: str, where: str = "") -> Place:
    """The machine in a libvirt connection URI; an empty host where it names none. Raises ConfigError."""
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _no_uri(uri, where, str(error)) from error
    if any(letter.isspace() or not letter.isprintable() for letter in uri):
        raise _no_uri(uri, where, "it holds a space or a character that can't be printed")
    if not parts.scheme.startswith("qemu"):
        raise ConfigError("config_uri", f"{uri!r} is no libvirt URI of a QEMU host", where=where, do=URI_FORM)
    user, _, host = parts.netloc.rpartition("@")
    host = re.sub(r":\d*$", "", host) if not host.endswith("]") else host
    place = Place(parts.scheme, unquote(host.strip("[]")), unquote(user), port)
    if _BAD_HOST.search(place.host) or _BAD_USER.search(place.user):
        raise ConfigError("config_uri", f"{uri!r} names no machine", where=where, do=URI_FORM)
    return place


def _no_uri(uri: str, where: str, why: str) -> ConfigError:
    return ConfigError("config_uri", f"{uri!r} is no URI", where=where, why=why, do=URI_FORM)


def check_ssh(destination: str, where: str = "") -> None:
    """Raises ConfigError for what is no `[user@]host[:port]` or `ssh://[user@]host[:port]`."""
    user, _, host = destination.removeprefix("ssh://").rpartition("@")
    match = re.fullmatch(r"(?:\[(?P<six>[^][]+)\]|(?P<name>[^][]+?))(?::(?P<port>\d+))?", host)
    bare = (match["six"] or match["name"]) if match else ""
    port = int(match["port"]) if match and match["port"] and ":" not in (match["name"] or "") else 1
    if not bare or _BAD_HOST.search(bare) or _BAD_USER.search(user) or not 0 < port < 65536:
        raise ConfigError(
            "config_value", f"{destination!r} is no machine to ssh to", where=where, do=SSH_FORM
        )


def check_address(address: str, where: str = "") -> None:
    """Raises ConfigError for what is neither an address nor a name."""
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not bare or _BAD_HOST.search(bare) or "[" in bare or "]" in bare:
        raise ConfigError(
            "config_value",
            f"{address!r} is neither an address nor the name of a machine",
            where=where,
            do="Write the address alone, as in 10.0.0.1.",
        )
