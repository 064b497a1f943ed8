"""What a migration is made of besides the guest: the hypervisor's habits, the path, the limits.

Figures are QEMU's (migration/options.c, migration/ram.c, migration/migration.c); the fixed costs are defaults
that a history replaces.
"""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1024**3


@dataclass(frozen=True, slots=True)
class AutoConverge:
    """The guest loses vCPU time once more than `trigger` of what is sent is dirtied anew, twice."""

    trigger: float = 0.50
    initial: float = 0.20
    increment: float = 0.10
    most: float = 0.99


@dataclass(frozen=True, slots=True)
class Path:
    """The way between two hosts. `bytes_per_second`: goodput of one stream, its share of the link.

    `switchover_bytes_per_second`: what QEMU is told it may count upon (avail-switchover-bandwidth); None: it
    takes the rate of the last 100 ms. `unsteady`: relative standard deviation of that rate.
    """

    bytes_per_second: float
    switchover_bytes_per_second: float | None = None
    unsteady: float = 0.02
    round_trip_seconds: float = 0.0005


@dataclass(frozen=True, slots=True)
class Engine:
    """How rounds go. The defaults are QEMU 8 and later on KVM."""

    page_bytes: int = 4096
    header_bytes: float = 8.0
    """Per page; multifd's packets make it 10.5."""
    zero_bytes: float = 9.0
    """What a zero page costs: header and fill byte; 8 in newer streams."""
    chunk_bytes: float | None = GIB
    """Pages are protected anew per chunk, just before it is sent (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2). None:
    all at each synchronisation (older kernels, software emulation)."""
    check_seconds: float = 0.05
    """How often QEMU looks whether what is left fits into the downtime limit: MAX_WAIT of ram_save_iterate;
    0.1 under a rate limit of QEMU's own."""
    pages_per_second: float = 1.5e6
    """How fast pages are looked at; counts where most are zero, and on a link beyond 50 Gbit/s."""
    downtime_limit_seconds: float = 0.3
    auto_converge: AutoConverge | None = None
    setup_seconds: float = 0.05
    """Before the first page."""
    stop_seconds: float = 0.02
    """Of the black-out, what does not depend on memory: stop, device state, resume."""

    def sending_bytes_per_second(self, path: Path) -> float:
        """On the wire while pages with content are sent: one thread does it, however fast the link is."""
        return min(path.bytes_per_second, self.pages_per_second * (self.page_bytes + self.header_bytes))
