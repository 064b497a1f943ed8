"""A controller's clock that was set back: what is timed goes on from now, and not when that time comes again.

Deadlines are wall time, because a controller that comes after a death has to know them. Rows prove it from
themselves: nothing can have begun later than now. Only what is longer ago than the clock was set back by is
not seen, and then no deadline is later by more than its own length.
"""

from __future__ import annotations

from standfast.model.units import span
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.store.changes import NewEvent, SetBack

TOLERANCE_SECONDS = 5.0
"""Two machines' clocks may differ by as much when one takes over from the other."""


def set_back(view: View) -> tuple[Action, ...]:
    """All times on record put as far back as the clock was, at least; empty where it was not."""
    by = view.run.latest_at - view.now
    if by <= TOLERANCE_SECONDS:
        return ()
    text = f"the controller's clock was set back by {span(by)} or more: what is waited for is timed from now"
    return (Action((SetBack(by),), (NewEvent("clock_set_back", text, data={"seconds": by}),)),)
