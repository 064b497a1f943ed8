"""`evacuate`: empty one host as fast as its links allow, and leave it cordoned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.config import ClusterConfig
    from standfast.model.cluster import Snapshot
    from standfast.model.plan import Plan


@verb(name="evacuate")
@click.argument("host")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option("--spend-reserve", is_flag=True, help="Though no room is left for the loss of another host.")
@click.option("--yes", is_flag=True, help="Skip the question.")
@click.option("--detach", is_flag=True, help="Do not watch.")
def evacuate(
    session: Session, host: str, cluster: str | None, spend_reserve: bool, yes: bool, detach: bool
) -> int:
    """Move every VM off HOST as fast as its links allow, and watch. For hardware that is failing.

    VMs of high priority (rules: priorities) go first, then the quickest. HOST stays cordoned until `standfast
    host return`. Exit codes as of `apply`; for VMs that can't go it is held, once the others have gone.
    """
    from standfast.cli.apply import begin, refuse_refused, refuse_second
    from standfast.cli.looking import look

    chosen = session.cluster(cluster)
    refuse_second(session, chosen.name)
    say(f"Looking at cluster {chosen.name} …")
    snapshot = look(session.outside(chosen), chosen, scan=False, refresh=False)
    plan = plan_of(snapshot, chosen, host, spend_reserve=spend_reserve)
    refuse_refused(plan, "")
    if not session.json:
        say(as_text(plan, snapshot))
    return begin(session, plan, question(plan), yes=yes, detach=detach, now=snapshot.taken_at)


def plan_of(snapshot: Snapshot, cluster: ClusterConfig, host: str, *, spend_reserve: bool) -> Plan:
    """The plan to empty that host, with as many moves at once as its own limits let. Raises ConfigError."""
    from standfast.cli.looking import host_ids
    from standfast.plan.evacuate import evacuation

    (about,) = host_ids(snapshot, (host,))
    at_once = max(cluster.policy.moves_at_once, snapshot.host(about).limits.outbound)
    policy = replace(cluster.policy, moves_at_once=at_once)
    return evacuation(snapshot, policy, about, now=snapshot.taken_at, spend_reserve=spend_reserve)


def as_text(plan: Plan, snapshot: Snapshot) -> str:
    """What is going to happen, for a reader."""
    from standfast.cli.plan import move_line
    from standfast.model.units import span
    from standfast.report.plain import cell

    (step,) = plan.steps
    lines = [f"{step.name}: {plural(len(step.moves), 'VM')} to move, about {span(step.seconds)}"]
    lines += [move_line(move, snapshot) for move in step.moves]
    lines += [f"Warning: {reason}" for reason in plan.warnings]
    return "\n".join(cell(line) for line in lines)


def question(plan: Plan) -> str:
    (step,) = plan.steps
    return f"Evacuate {step.name} with {plural(len(step.moves), 'move')}?"
