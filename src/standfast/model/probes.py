"""What of a VM is asked, over and over, while it moves: a port, an echo or a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VmProbe:
    """`kind` is tcp, icmp or http; `host` a name or address, `path` of a page."""

    kind: str
    host: str
    port: int = 0
    path: str = "/"
