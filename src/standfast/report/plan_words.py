"""How good a plan is, in sentences: what no plan can beat, and how near this one is."""

from __future__ import annotations

from standfast.model.plan import Balance, Plan
from standfast.model.units import count, size, span


def moves_sentence(plan: Plan) -> str:
    """How many moves, and with how many no plan does."""
    moves, least = plan.bounds.moves, plan.bounds.moves_at_least
    last = len(plan.rebalance)
    spread = f", {last} of them to spread VMs at the end" if last else ""
    return f"{count(moves, 'move')}{spread}; no plan for these hosts needs fewer than {least}."


def time_sentence(plan: Plan) -> str:
    """The bound on time that binds, and how near the plan is to it; empty without bounds on time."""
    least, seconds = plan.bounds.seconds_at_least, plan.bounds.seconds
    if not plan.bounds.times or least <= 0:
        return ""
    binding = plan.bounds.times[0].sentence.rstrip(".")
    gap = gap_fraction(plan)
    head = f"At the times predicted, no plan has these hosts done sooner than in {span(least)} ({binding})"
    if gap < 0.005:
        return f"{head}, and this one takes no longer."
    return f"{head}; this one takes {span(seconds)}, at most {gap:.0%} longer than need be."


def gap_fraction(plan: Plan) -> float:
    """By what share of the least possible time the plan is longer; 0.0: nobody could do better."""
    least = plan.bounds.seconds_at_least
    return max(0.0, plan.bounds.seconds / least - 1.0) if least > 0 else 0.0


EVEN_POINTS = ((2.0, "even"), (5.0, "nearly even"), (10.0, "uneven"))
"""Up to which deviation which word is used; beyond: very uneven."""


def evenness(told: Balance) -> str:
    """How evenly memory is used before and after: `Memory use is very uneven: 12 % to 97 % …`"""
    before = _even(told, [load.before for load in told.loads], told.points_before)
    if told.points_after == told.points_before:
        return f"Memory use is {before}."
    after = _even(told, [load.after for load in told.loads], told.points_after)
    return f"Memory use is {before}; afterwards {after}."


def _even(told: Balance, loads: list[float], points: float) -> str:
    word = next((word for most, word in EVEN_POINTS if points <= most), "very uneven")
    if not told.loads:
        return word
    return f"{word} ({min(loads):.0%} to {max(loads):.0%}, standard deviation {points:.1f} points)"


def goal_sentence(told: Balance) -> str:
    """What is mended, whether the goal is reached, what keeps the plan from it, and how near it is to the
    least possible."""
    mended = ""
    if told.mending_moves:
        verb = "mends" if told.mending_moves == 1 else "mend"
        mended = f"{told.mending_moves} of the moves {verb} what is against the rules as things stand. "
    return mended + _goal(told)


def _goal(told: Balance) -> str:
    goal = f"{told.goal_points:g} points"
    if told.why_no_more:
        head = f"The goal of {goal} is not reached. {told.why_no_more}"
    elif not told.memory_bytes:
        return f"The goal is {goal}: nothing is worth moving."
    else:
        head = f"The goal of {goal} is reached."
    if not told.memory_bytes_at_least:
        return head
    least, moved = size(told.memory_bytes_at_least), size(told.memory_bytes)
    return f"{head} {moved} of memory are moved; nobody gets there with less than {least}."
