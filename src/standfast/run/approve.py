"""From a plan to a run: the last look before anything is written, and the one row that begins it all."""

from __future__ import annotations

from standfast import codec
from standfast.model.cluster import Snapshot
from standfast.model.errors import DriftError, RefusedError
from standfast.model.ids import RunId
from standfast.model.plan import Plan
from standfast.model.run import Run
from standfast.plan import drift
from standfast.store.repository import Store


def check(plan: Plan, snapshot: Snapshot) -> None:
    """Refuse a plan that can't be carried out as it stands. Nothing is changed.

    Raises RefusedError (refusals in the plan, another cluster, nothing to do) and DriftError.
    """
    if plan.cluster != snapshot.cluster:
        raise RefusedError(
            "plan_other_cluster",
            f"this plan is for cluster {plan.cluster}, not for {snapshot.cluster}",
            do="Name the right cluster, or plan again.",
        )
    if plan.refusals:
        raise RefusedError(
            "plan_refused",
            f"this plan has {len(plan.refusals)} refusals",
            why=" ".join(str(reason) for reason in plan.refusals[:3]),
            do="Mend them and plan again, or leave those hosts out with --exclude.",
        )
    if not plan.steps:
        raise RefusedError(
            "nothing_to_do", "this plan has no host to work on", do="Scan again when updates are out."
        )
    differences = drift.compare(plan.basis, snapshot)
    if differences:
        more = f" (and {len(differences) - 3} more)" if len(differences) > 3 else ""
        raise DriftError(
            "plan_drifted",
            "the cluster is no longer as it was planned",
            why="; ".join(differences[:3]) + more,
            do="Plan again.",
        )


def approve(store: Store, plan: Plan, *, run: RunId, actor: str, now: float) -> Run:
    """Write the run. From here on it goes on whatever dies. Raises RefusedError while another is active."""
    return store.create_run(run, plan, codec.digest(plan), actor, now)
