"""How good a plan is, in sentences: what no plan can beat, and how near this one is."""

from __future__ import annotations

from standfast.model.plan import Plan
from standfast.model.units import count, span


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
    head = f"No plan has these hosts done sooner than in {span(least)} ({binding})"
    if gap < 0.005:
        return f"{head}, and this one takes no longer."
    return f"{head}; this one takes {span(seconds)}, at most {gap:.0%} longer than need be."


def gap_fraction(plan: Plan) -> float:
    """By what share of the least possible time the plan is longer; 0.0: nobody could do better."""
    least = plan.bounds.seconds_at_least
    return max(0.0, plan.bounds.seconds / least - 1.0) if least > 0 else 0.0
