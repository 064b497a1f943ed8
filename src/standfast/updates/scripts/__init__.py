"""POSIX shell that runs on hosts. They need no Python, only what every Debian has, and virsh.

Where sockets are needed there is a little Perl, of Debian's essential perl-base: a part called `NAME.pl` is
put into the shell variable `NAME_pl`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_PARTS = {
    "look": ("common", "look"),
    "scan": ("common", "scan"),
    "health": ("common", "health"),
    "begin": ("common", "begin"),
    "unit": ("common", "guard", "unit"),
    "exam": ("common", "exam"),
    "listen": ("common", "listen.pl", "listen"),
    "connect": ("common", "connect.pl", "connect"),
    "close": ("common", "close"),
    "survey": ("common", "survey"),
    "serve": ("common", "probe.pl", "serve"),
    "send": ("common", "probe.pl", "send"),
    "beat": ("common", "probe.pl", "beat"),
    "paths": ("common", "paths"),
    "cut": ("common", "cut"),
    "away": ("common", "away"),
    "uncut": ("common", "uncut"),
}

NAMES = tuple(_PARTS)


@cache
def script(name: str) -> str:
    """A whole script: its parts one after another. KeyError for one that doesn't exist."""
    return "\n".join(map(_part, _PARTS[name]))


def _part(name: str) -> str:
    folder = files("standfast.updates.scripts")
    if not name.endswith(".pl"):
        return folder.joinpath(f"{name}.sh").read_text(encoding="utf-8")
    text = folder.joinpath(name).read_text(encoding="utf-8")
    return f"{name.removesuffix('.pl')}_pl=$(cat <<'END_OF_PERL'\n{text}END_OF_PERL\n)"


def kit() -> tuple[tuple[str, bool], ...]:
    """All of these, for an account that is not root; each with whether its input is only read as names."""
    return tuple((script(name), name in ("exam", "connect", "survey", "paths")) for name in NAMES)
