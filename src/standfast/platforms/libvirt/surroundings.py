"""What libvirt does not tell of a host, or not everywhere: its mounts, bridges and network devices.

libvirt lists network devices only where udev and its optional drivers are there, and never which file systems
are mounted. A short script over SSH tells both on every Linux.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

SCRIPT = """
LC_ALL=C
export LC_ALL
sed 's/^/mount|/' /proc/mounts
for type in bridge openvswitch; do ip -o link show type "$type" 2>/dev/null | sed 's/^/bridge|/'; done
ip -o link show 2>/dev/null | sed 's/^/device|/'
echo end
"""

_LINK = re.compile(r"^\d+: ([^:@]+)")

_GUESTS = re.compile(r"^(lo|vnet\d+|tap.*|macvtap\d+)$")
"""Devices that come and go with guests."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Mount points with their file system types; names of bridges and of all network devices."""

    mounts: Mapping[str, str] = field(default_factory=dict)
    bridges: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()


def parse_surroundings(text: str) -> Surroundings | None:
    """The answer to `SCRIPT`; None where it is cut."""
    lines = text.splitlines()
    if not lines or lines[-1] != "end":
        return None
    marked: dict[str, list[str]] = {}
    for line in lines[:-1]:
        mark, _, rest = line.partition("|")
        marked.setdefault(mark, []).append(rest)
    return Surroundings(
        mounts=_mounts(marked.get("mount", [])),
        bridges=_links(marked.get("bridge", [])),
        devices=frozenset(name for name in _links(marked.get("device", [])) if not _GUESTS.match(name)),
    )


def _mounts(lines: list[str]) -> dict[str, str]:
    """proc_mounts(5); a later mount on the same point hides the one before."""
    found = {}
    for line in lines:
        parts = line.split(" ")
        if len(parts) >= 3:
            found[_unescaped(parts[1])] = parts[2]
    return found


def _unescaped(text: str) -> str:
    r"""Space, tab, newline and backslash are written `\040`, `\011`, `\012`, `\134`."""
    return re.sub(r"\\(040|011|012|134)", lambda match: chr(int(match[1], 8)), text)


def _links(lines: list[str]) -> frozenset[str]:
    """Names in `2: eth0@if7: <…>` (ip -o link)."""
    return frozenset(match[1] for line in lines if (match := _LINK.match(line)))
