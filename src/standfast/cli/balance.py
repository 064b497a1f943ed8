"""`balance`: which moves would make hosts evenly used; shown, and written for `apply` where asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say, show, show_json
from standfast.cli.plan import CHANGES, FILE, REFUSED, html_option, write_page
from standfast.cli.session import Session, verb
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from standfast.model.cluster import Snapshot
    from standfast.model.plan import Balance, Plan, PlannedMove

MOST_HOSTS = 20
"""Hosts shown in a table; of more, the fullest and the emptiest."""


@verb(name="balance")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option("--out", type=FILE, help="Write the plan to this file, for `standfast apply`.")
@click.option(
    "--aggressiveness",
    type=click.IntRange(1, 5),
    help="How even: 1 (only the worst) to 5. 3 is the policy's rebalance_threshold_points.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 50),
    metavar="POINTS",
    help="The same said as a number: percent points of standard deviation.",
)
@click.option("--most-moves", type=click.IntRange(1), metavar="N", help="No more moves than that.")
@click.option("--snapshot", "from_file", type=FILE, help="Balance this snapshot file, asking no host.")
@click.option("--recommended", is_flag=True, help="Show what `serve` recommended last, asking no host.")
@html_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 where there is something to do.")
def balance(
    session: Session,
    cluster: str | None,
    out: Path | None,
    aggressiveness: int | None,
    threshold: float | None,
    most_moves: int | None,
    from_file: Path | None,
    recommended: bool,
    html: Path | None,
    detailed_exitcode: bool,
) -> int:
    """Show which VMs to move so that hosts are evenly used, and what that costs. Changes nothing.

    Rules that are broken as things stand are mended first, whatever the threshold.

    With --out the moves are written as a plan that `standfast apply` carries out. Exit codes: 0; with
    --detailed-exitcode 10 if there is something to do; 5 if it is refused.
    """
    from standfast.codec import to_plain, write_file
    from standfast.files import check_writable

    if aggressiveness is not None and threshold is not None:
        raise UsageError(
            "balance_twice",
            "--aggressiveness and --threshold say the same in two ways",
            do="Leave one of them out.",
        )
    if recommended and (aggressiveness or threshold is not None or most_moves or from_file or html):
        raise UsageError(
            "balance_recommended",
            "--recommended shows what was planned before, so it can't be planned otherwise",
            do="Leave --recommended out.",
        )
    if out is not None:
        check_writable(out, "plan file", option="--out")
    if html is not None:
        check_writable(html, "page", option="--html")
    if recommended:
        made = _recommended(session, cluster)
    else:
        made, snapshot = _made(session, cluster, aggressiveness, threshold, most_moves, from_file)
        if html is not None:
            write_page(html, made, snapshot)
    digest = write_file(out, "plan", made) if out is not None else None
    if session.json:
        written = {"file": str(out), "digest": digest} if out is not None else {}
        show_json({**written, "plan": to_plain(made)})
    else:
        show(as_text(made))
        say(_next(made, out, digest))
    if made.refusals:
        return REFUSED
    return CHANGES if detailed_exitcode and made.rebalance else 0


def _made(
    session: Session,
    cluster: str | None,
    aggressiveness: int | None,
    threshold: float | None,
    most_moves: int | None,
    from_file: Path | None,
) -> tuple[Plan, Snapshot]:
    from standfast.cli.plan import look_or_read
    from standfast.plan.balance import balance_plan, goal_points

    snapshot, policy, _ = look_or_read(session, cluster, from_file, scan=False)
    goal = threshold if threshold is not None else goal_points(policy, aggressiveness)
    made = balance_plan(snapshot, policy, now=snapshot.taken_at, goal=goal, most_moves=most_moves)
    return made, snapshot


def recommendation_path(session: Session, cluster: str) -> Path:
    """Where `serve` writes what it recommends."""
    return session.state_dir / f"balance-{cluster}.json"


def _recommended(session: Session, cluster: str | None) -> Plan:
    """The last recommendation. Raises UsageError where there is none."""
    from standfast.codec import read_file
    from standfast.model.plan import Plan

    name = session.cluster(cluster).name
    path = recommendation_path(session, name)
    if not path.exists():
        raise UsageError(
            "balance_none",
            f"nothing was recommended for cluster {name!r} yet",
            do="`standfast serve` looks every so often where the config says balance: {every_seconds: 600}.",
        )
    return read_file(path, "plan", Plan)


def as_text(made: Plan) -> str:
    """What would be done and what for, for a reader."""
    from standfast.model.units import size, span
    from standfast.report.plain import cell
    from standfast.report.plan_words import evenness, goal_sentence

    assert made.balance is not None, "a plan to balance says how even hosts are"
    told, moves = made.balance, made.rebalance
    lines = [f"Cluster {made.cluster}: {plural(len(told.loads), 'host')} that take VMs. {evenness(told)}"]
    lines += [f"REFUSED: {reason}" for reason in made.refusals]
    if moves:
        lines += _table(told)
        lines += [_move_line(move, made) for move in moves]
        lines.append(
            f"{plural(len(moves), 'move')}, {size(told.wire_bytes)} over the network, about "
            f"{span(made.predicted_seconds)}, 95 times in 100 below {span(made.predicted_p95_seconds)}. "
            f"At most {made.bounds.peak_memory_fraction:.0%} of a host's memory is held at any time."
        )
    lines += [goal_sentence(told)] if not made.refusals else []
    lines += [f"Warning: {reason}" for reason in made.warnings]
    return "\n".join(cell(line) for line in lines)


def _table(told: Balance) -> list[str]:
    from standfast.cli.out import table

    loads = sorted(told.loads, key=lambda load: (-load.before, load.name))
    left_out = len(loads) - MOST_HOSTS
    if left_out > 0:
        loads = [*loads[: MOST_HOSTS // 2], *loads[-MOST_HOSTS // 2 :]]
    rows = [
        (load.name, f"{load.before:.0%}", f"{load.after:.0%}", _bar(load.before), _bar(load.after))
        for load in loads
    ]
    lines = table(("HOST", "BEFORE", "AFTER", "", ""), rows).split("\n")
    if left_out > 0:
        lines.insert(1 + MOST_HOSTS // 2, f"… {plural(left_out, 'host')} between …")
    return [line.rstrip() for line in lines]


def _bar(share: float) -> str:
    """Ten steps of a bar, so that a glance is enough."""
    full = max(0, min(10, round(10 * share)))
    return "#" * full + "." * (10 - full)


def _move_line(move: PlannedMove, made: Plan) -> str:
    from standfast.model.units import size, span

    names = dict(made.basis.names)
    memory = {vm: number for vm, _, number in made.basis.placement}
    told = move.predicted
    return (
        f"   move {move.vm_name} ({size(memory.get(move.vm, 0))}): {names.get(move.source, move.source)} -> "
        f"{names.get(move.target, move.target)} (brown-out {span(told.brownout_seconds)}, "
        f"black-out {span(told.blackout_seconds)})"
    )


def _next(made: Plan, out: Path | None, digest: str | None) -> str:
    import shlex

    if out is None or digest is None:
        if made.refusals or not made.rebalance:
            return "Nothing was changed."
        return "Nothing was changed. To have it done: standfast balance --out PLAN, then standfast apply PLAN"
    wrote = f"Wrote {out} (digest {digest[:12]})."
    if made.refusals:
        return f"{wrote} It can't be applied while something is refused."
    if not made.rebalance:
        return f"{wrote} There is nothing to do."
    word = str(out) if not str(out).startswith("-") else f"./{out}"
    return f"{wrote} Carry it out: standfast apply {shlex.quote(word)}"
