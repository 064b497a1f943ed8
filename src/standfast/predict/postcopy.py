"""Post-copy: the guest moves after one pass and fetches what was dirtied meanwhile from its old host.

It always converges and its black-out does not depend on how busy memory is; the price is a tail during which
the guest waits for pages, and during which the loss of either host or of the link loses the guest. That is
why Standfast names it and does not choose it.
"""

from __future__ import annotations

from dataclasses import dataclass

from standfast.predict.engine import Engine, Path
from standfast.predict.rounds import Guest, copy


@dataclass(frozen=True, slots=True)
class PostCopy:
    """Seconds: copying before, dark, and the tail in which the guest runs but waits for pages."""

    brownout_seconds: float
    blackout_seconds: float
    tail_seconds: float
    page_wait_seconds: float
    """What one access to a page that is still on the old host costs."""


def post_copy(guest: Guest, path: Path, engine: Engine) -> PostCopy:
    """One pass of pre-copy, then the switch: device state and the bitmap of what is still to come."""
    rate = path.bytes_per_second
    one_pass = copy(guest, path, engine, patience_seconds=0.0)
    bitmap = guest.memory_bytes / engine.page_bytes / 8
    blackout = engine.stop_seconds + (guest.state_bytes + bitmap) / rate
    return PostCopy(
        brownout_seconds=engine.setup_seconds + one_pass.first_seconds,
        blackout_seconds=blackout,
        tail_seconds=one_pass.left_bytes / rate,
        page_wait_seconds=path.round_trip_seconds + engine.page_bytes / rate,
    )
