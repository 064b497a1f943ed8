"""Hosts whose ssh account is not root: what is asked of them goes through one program that sudo allows.

The program (`kit/standfast-host`) runs the scripts of its release, which root has installed, by their
digests. Whoever has the account's key can do what Standfast does, in the same ways and behind the same guard,
and nothing else. The other account (`kit/standfast-libvirt`) can open libvirt's connection and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from standfast.model.errors import UsageError

COMMAND = "sudo -n /usr/local/sbin/standfast-host"
LIBVIRT_COMMAND = "/usr/local/sbin/standfast-libvirt"
FOLDER = "/usr/local/lib/standfast"

_ARGUMENT = re.compile(r"[A-Za-z0-9._:@%+,=-]+")
_ACCOUNT = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_KEY = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\n\r\0]*)?")


@dataclass(frozen=True, slots=True)
class Script:
    """One script of the kit. `reads_names`: what goes into it is read as data and may be anything."""

    text: str
    reads_names: bool = False


def digest(text: str) -> str:
    """The name of a script on a host."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def order(script: str, args: Sequence[str], input: str | None) -> bytes:
    """What `standfast-host` is fed to run `script` with `args` and `input`.

    Raises UsageError for an argument that it would refuse: none of ours holds more than names of units, UUIDs
    and numbers.
    """
    for each in args:
        if not _ARGUMENT.fullmatch(each):
            raise UsageError("kit_argument", f"{each!r} can't be passed to a host with a kit")
    return (" ".join((digest(script), *args)) + "\n" + (input or "")).encode("utf-8", "surrogateescape")


def installer(
    scripts: Sequence[Script],
    *,
    version: str,
    patch: str,
    move: str,
    patch_keys: Sequence[str] = (),
    move_keys: Sequence[str] = (),
) -> str:
    """A shell script that installs the kit on a host: accounts, programs, sudo rule, keys.

    Raises UsageError for what is no name of an account, or no public key.
    """
    for account in (patch, move):
        if not _ACCOUNT.fullmatch(account) or account == "root":
            raise UsageError("kit_account", f"{account!r} is no name for an account that is not root")
    if patch == move:
        raise UsageError("kit_account", "patching and moving need an account each", why=f"both are {patch!r}")
    head = _part("install.sh")
    for word, value in (("VERSION", version), ("PATCH-ACCOUNT", patch), ("MOVE-ACCOUNT", move)):
        head = head.replace(word, value, 1)
    lines = [head.rstrip("\n")]
    for script in scripts:
        path = f"{FOLDER}/{digest(script.text)}"
        lines += _place(path, 0o644, script.text)
        lines += _place(f"{path}.data", 0o644, "") if script.reads_names else []
    for name in ("standfast-host", "standfast-libvirt"):
        lines += _place(f"/usr/local/sbin/{name}", 0o755, _part(name))
    lines += _place("/etc/sudoers.standfast", 0o440, _part("sudoers").replace("ACCOUNT", patch))
    lines += [
        "visudo -cqf /etc/sudoers.standfast",
        "mv -f /etc/sudoers.standfast /etc/sudoers.d/standfast",
    ]
    keys = [("patch", COMMAND, key) for key in patch_keys]
    keys += [("move", LIBVIRT_COMMAND, key) for key in move_keys]
    for account, command, key in keys:
        if not _KEY.fullmatch(key):
            raise UsageError("kit_key", f"{key[:40]!r} is no public key", do="Give the .pub file.")
        line = f'restrict,command="{command}" {key}'
        lines.append(f'key "${account}" {shlex.quote(line)}')
    return "\n".join(lines) + "\n"


def _part(name: str) -> str:
    return files("standfast.transports").joinpath("kit", name).read_text(encoding="utf-8")


def _place(path: str, mode: int, text: str) -> list[str]:
    data = base64.encodebytes(text.encode("utf-8", "surrogateescape")).decode("ascii").rstrip("\n")
    return [f"place {path} {mode:o} <<'END'", *([data] if data else []), "END"]
