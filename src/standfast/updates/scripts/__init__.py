"""POSIX shell that runs on hosts. They need no Python, only what every Debian has, and virsh."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_PARTS = {
    "look": ("common", "look"),
    "scan": ("common", "scan"),
    "health": ("common", "health"),
    "begin": ("common", "begin"),
    "unit": ("common", "guard", "unit"),
}

NAMES = tuple(_PARTS)


@cache
def script(name: str) -> str:
    """A whole script: its parts one after another. KeyError for one that doesn't exist."""
    folder = files("standfast.updates.scripts")
    return "\n".join(folder.joinpath(f"{part}.sh").read_text(encoding="utf-8") for part in _PARTS[name])
