"""How many migrations at once fill a host's link.

Beyond that each takes longer and all end no sooner: the memory that guests write meanwhile is sent again. Of
12 VMs sent over 10 Gbit/s from one host to another, one after the other took 206 s, two at a time 253 s,
four 269 s (OSIC OpenStack, 40 evacuations each).
"""

from __future__ import annotations

import math

from standfast.model.cluster import Host, MoveLimits
from standfast.predict.precopy import DEFAULT_BITS_PER_SECOND

ONE_STREAM_BITS_PER_SECOND = 10_000_000_000
"""What one migration fills at least: a single TCP connection, fed by a single thread of QEMU."""


def streams(host: Host) -> int:
    """Migrations at once, each way, that the host's link is worth; 1 at least."""
    speed = host.migration_bits_per_second or DEFAULT_BITS_PER_SECOND
    return max(1, math.ceil(speed / ONE_STREAM_BITS_PER_SECOND))


def limits(host: Host) -> MoveLimits:
    """The host's own limits where somebody has set them, else no more than its link is worth."""
    if host.limits.wanted:
        return host.limits
    worth = streams(host)
    return MoveLimits(min(host.limits.outbound, worth), min(host.limits.inbound, worth))
