"""`apply`: check that the plan still fits, ask, record the run, see that a controller acts, and watch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say, show, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import DriftError, RefusedError, UsageError

if TYPE_CHECKING:
    from standfast.model.cluster import Snapshot
    from standfast.model.ids import RunId
    from standfast.model.plan import Plan

MOST_TOLD = 5


@verb(name="apply")
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Skip the question.")
@click.option("--detach", is_flag=True, help="Do not watch.")
@click.option(
    "--consent", metavar="A,B", help="Shut these VMs down where the plan would hold, and start them again."
)
@click.option("--finish-by", metavar="TIME", help="No host starts that may end later: 22:30, or ISO 8601.")
def apply(
    session: Session, plan: Path, yes: bool, detach: bool, consent: str | None, finish_by: str | None
) -> int:
    """Carry the plan in file PLAN out, and watch. Ctrl-C only detaches: the run goes on.

    Refused, with nothing changed (exit code 5), if the plan file was edited, if the plan has refusals, if a
    run is active, if the cluster is no longer as planned, or if the answer to the question is no. Other exit
    codes: 0 completed; 3 degraded or cancelled; 4 waits for the operator; 130 ended by Ctrl-C: at the
    question nothing was changed, later the run goes on.
    """
    from dataclasses import replace

    from standfast.cli.looking import split
    from standfast.cli.times import check_time, parse_time
    from standfast.cli.unmovable import consented
    from standfast.codec import read_file
    from standfast.model.plan import Plan

    if finish_by is not None:
        check_time(finish_by, option="--finish-by")
    wanted = read_file(plan, "plan", Plan)
    if consent is not None:
        wanted = consented(wanted, split(consent), by=session.actor(), at=session.now())
    now = refuse_stale(session, wanted)
    if not wanted.steps and not wanted.rebalance:
        say(f"There is nothing to do: {_why_nothing(wanted)}.")
        if session.json:
            show_json({"run": None, "state": "nothing_to_do"})
        return 0
    if finish_by is not None:
        wanted = replace(wanted, finish_by=parse_time(finish_by, now, option="--finish-by"))
    return begin(session, wanted, _question(wanted), yes=yes, detach=detach, now=now)


def _why_nothing(plan: Plan) -> str:
    if plan.balance is not None:
        return "its hosts are used as evenly as was asked for, or nothing helps"
    return "no host has updates pending or needs a reboot"


def begin(session: Session, plan: Plan, question: str, *, yes: bool, detach: bool, now: float) -> int:
    """Ask, record the run, see that a controller acts, and watch; returns the exit code.

    `now` is the cluster's own time. Raises RefusedError where nobody agrees or another run is active.
    """
    from standfast.cli.asking import consent
    from standfast.cli.controller import await_acting, start_detached
    from standfast.cli.watch import style_of, watch
    from standfast.cli.watcher import Watch
    from standfast.codec import digest

    if not yes:
        consent(question)
    run = _create(session, plan, digest(plan), now)
    controller = start_detached(session)
    say(f"Run {run} has begun.")
    if detach:
        if controller is not None:
            await_acting(session, controller)
        if session.json:
            show_json({"run": str(run), "state": "running", "controller_started": controller is not None})
        else:
            show(str(run))
            say(f"Watch it: standfast run watch {run}")
        return 0
    style = style_of(session, None)
    watcher = Watch(session, run, on_hold=style != "live", controller=controller)
    code = watch(watcher, style=style, to_stdout=False)
    _report(session, run, detached=code == 130)
    return code


def _question(plan: Plan) -> str:
    from standfast.model.plan import PlanKind

    hosts, moves = plural(len(plan.steps), "host"), plural(len(plan.moves), "move")
    from standfast.cli.unmovable import question

    if plan.kind is PlanKind.BALANCE:
        return f"Balance the hosts of cluster {plan.cluster} with {moves}?"
    return f"Patch {hosts} of cluster {plan.cluster} with {moves}{question(plan)}?"


def refuse_stale(session: Session, plan: Plan) -> float:
    """Look at the cluster again; returns its own time. Raises RefusedError, DriftError, UsageError."""
    from standfast.cli.looking import look
    from standfast.model.plan import PlanKind

    refuse_unfit(plan)
    cluster = session.cluster(plan.cluster)
    refuse_second(session, plan.cluster)
    say(f"Looking whether cluster {cluster.name} is still as planned …")
    scan = plan.kind is not PlanKind.BALANCE  # what is pending on hosts is nothing to such a plan
    snapshot = look(session.outside(cluster), cluster, scan=scan, refresh=False)
    refuse_drift(plan, snapshot)
    return snapshot.taken_at


def refuse_unfit(plan: Plan) -> None:
    """Raises UsageError for a plan of another release, RefusedError for one that has refusals."""
    from standfast.model.plan import SCHEMA_VERSION, PlanKind

    if plan.schema_version != SCHEMA_VERSION:
        raise UsageError(
            "plan_other_release",
            "this plan is of another release",
            why=f"it has schema version {plan.schema_version}, not {SCHEMA_VERSION}",
            do="Plan again: standfast plan.",
        )
    mend = "Mend that, or leave the host out (`standfast plan --exclude HOST`), and plan again."
    if plan.kind is PlanKind.BALANCE:
        mend = "Mend that, and balance again."
    refuse_refused(plan, mend)


def refuse_drift(plan: Plan, snapshot: Snapshot) -> None:
    """Raises DriftError where the cluster is not as it was planned for."""
    from standfast.model.plan import PlanKind
    from standfast.plan.drift import compare

    changed = compare(plan.basis, snapshot)
    if changed:
        balance = plan.kind is PlanKind.BALANCE
        raise DriftError(
            "plan_drift",
            f"cluster {plan.cluster} is no longer as planned",
            why=_some(changed),
            do="Balance again: standfast balance --out PLAN." if balance else "Plan again: standfast plan.",
        )


def refuse_refused(plan: Plan, do: str) -> None:
    """Raises RefusedError for a plan that has refusals."""
    if plan.refusals:
        raise RefusedError(
            "plan_refused",
            f"the plan for {plan.cluster} can't be applied: something is refused",
            why=_some([str(reason) for reason in plan.refusals]),
            do=do,
        )


def refuse_second(session: Session, cluster: str) -> None:
    """Told before drift is: while a run is at work, its cluster is never as planned."""
    active = [each.id for each in session.store.runs(cluster) if each.ended_at is None]
    if active:
        raise RefusedError(
            "run_active",
            f"cluster {cluster} has a run that has not ended",
            why=f"run {active[0]} is still active",
            do=f"`standfast run watch {active[0]}` shows it, `standfast run cancel {active[0]}` ends it.",
        )


def _some(sentences: list[str] | tuple[str, ...]) -> str:
    """The first few, and how many more there are."""
    more = len(sentences) - MOST_TOLD
    return " ".join(sentences[:MOST_TOLD]) + (f" And {more} more." if more > 0 else "")


def _create(session: Session, plan: Plan, digest: str, now: float) -> RunId:
    from ulid import ULID

    from standfast.model.ids import RunId

    run = RunId(str(ULID()))
    session.store.create_run(run, plan, digest, session.actor(), now)
    return run


def _report(session: Session, run: RunId, *, detached: bool) -> None:
    """The one object, or the report of a run that has ended."""
    from standfast.report.facts import report_dict
    from standfast.report.words import report_text

    found, events = session.store.run(run), session.store.events(run)
    if session.json:
        show_json(report_dict(found, events) | {"detached": detached})
    elif found.ended:
        show(report_text(found, events))
