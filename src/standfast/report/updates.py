"""Versions before and after, told once for all hosts on which the same package changed in the same way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any


def updates(hosts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`[{"package", "before", "after", "hosts"}]` by package; hosts in the order of their turns."""
    found: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for host in hosts:
        for each in host["versions"]:
            found[each["package"], each["before"], each["after"]].append(host["name"])
    return [
        {"package": package, "before": before, "after": after, "hosts": names}
        for (package, before, after), names in sorted(found.items())
    ]


MANY = 4
"""More hosts than this, if they are all there are, are told as `all 14 hosts`."""


def where(names: Sequence[str], of: int) -> str:
    """On which of the run's `of` hosts."""
    return f"all {of} hosts" if len(names) == of > MANY else ", ".join(names)
