"""A controller's clock that was set: what is timed goes on from now, neither late at once nor hours later.

Deadlines are wall time, because a controller that comes after a death has to know them. One that lives sees
its clock being set, forward or back, by a second clock that nobody can set. One that comes later sees from
rows that it was set back: nothing can have begun later than now. Then what is longer ago than the clock was
set back by is not seen, and no deadline is later by more than its own length; a clock set forward while no
controller lived is taken for the time that has passed.
"""

from __future__ import annotations

from standfast.model.units import span
from standfast.run.actions import Action
from standfast.run.seen import View
from standfast.store.changes import NewEvent, SetBack

TOLERANCE_SECONDS = 5.0
"""Two machines' clocks may differ by as much when one takes over from the other; less does no harm."""


def shift(view: View) -> tuple[Action, ...]:
    """All times on record put as far back or forward as the clock was; empty where it was not."""
    jumped = view.seen.clock_jumped_seconds
    if jumped > TOLERANCE_SECONDS:
        return _put(-jumped, f"forward by {span(jumped)}")
    by = max(-jumped, view.run.latest_at - view.now)
    return _put(by, f"back by {span(by)}") if by > TOLERANCE_SECONDS else ()


def _put(by: float, how: str) -> tuple[Action, ...]:
    text = f"the controller's clock was set {how}: what is waited for goes on from there"
    return (Action((SetBack(by),), (NewEvent("clock_set", text, data={"back_by_seconds": by}),)),)
