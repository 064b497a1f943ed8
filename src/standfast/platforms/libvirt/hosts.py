"""One host as the inventory declares it for libvirt."""

from __future__ import annotations

from dataclasses import dataclass, field

from standfast.model.cluster import MoveLimits


@dataclass(frozen=True, slots=True)
class LibvirtHost:
    """`uri` is how the controller reaches it, `peer_uri` how the other hosts' libvirt does (None: the same
    way, without parameters); `migration_address` is where guests' memory is sent to (empty: libvirt
    chooses). `memory_bytes` None: all that the host has."""

    name: str
    uri: str
    peer_uri: str | None = None
    migration_address: str = ""
    memory_bytes: int | None = None
    fault_domain: str = ""
    limits: MoveLimits = field(default_factory=MoveLimits)
    migration_bits_per_second: int | None = None
