"""Many migrations in few figures: percentiles, the worst first."""

from __future__ import annotations

import math
from collections.abc import Sequence

from standfast.eventlogs.seen import Ending, Seen

SHARES = (0.5, 0.95, 0.99)
SPANS = ("brownout_seconds", "blackout_seconds", "total_seconds")


def worst_first(seen: Sequence[Seen]) -> list[Seen]:
    """By black-out, then total, longest first; failed ones and those without figures last."""

    def badness(one: Seen) -> tuple[bool, float, float]:
        return (
            one.ending is Ending.FAILED,
            -(one.blackout_seconds if one.blackout_seconds is not None else -1.0),
            -(one.total_seconds if one.total_seconds is not None else -1.0),
        )

    return sorted(seen, key=badness)


def percentiles(seen: Sequence[Seen], span: str) -> dict[str, float] | None:
    """`p50`, `p95`, `p99`, `max` and how many moves they are of; None where no log tells that span.

    A percentile is a value that was seen: the smallest that at least that share of all does not exceed.
    """
    values = sorted(
        v for one in seen if one.ending is Ending.COMPLETED and (v := getattr(one, span)) is not None
    )
    if not values:
        return None
    told = {f"p{share * 100:g}": values[math.ceil(share * len(values)) - 1] for share in SHARES}
    return told | {"max": values[-1], "moves": len(values)}
