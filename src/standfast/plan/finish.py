"""The time to finish by: which hosts of a plan will probably not be begun any more."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.model.plan import HostStep, Plan
from standfast.model.reasons import Code, Reason
from standfast.model.units import span

P95_FACTOR = 1.5
"""p95 over p50 of a turn, for plans that don't say."""


def p95_seconds(step: HostStep) -> float:
    """p95 of the host's whole turn, from the begin of its wave."""
    return step.p95_seconds or P95_FACTOR * step.seconds


def too_late(plan: Plan) -> Iterator[Reason]:
    """One warning for each host whose turn may end later than the plan is to finish by, if it begins now."""
    if plan.finish_by is None:
        return
    begin = plan.created_at
    for wave in plan.waves:
        for step in wave.hosts:
            if begin + p95_seconds(step) > plan.finish_by:
                yield Reason(
                    Code.FINISH_BY,
                    f"{step.name} will probably not be begun: its turn may take {span(p95_seconds(step))}, "
                    "past the time to finish by.",
                    "Begin earlier, or leave it for the next window.",
                    host=step.host,
                )
        begin += wave.seconds + wave.soak_seconds
