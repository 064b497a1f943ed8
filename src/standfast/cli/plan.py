"""`plan`: look, scan, plan, show, and write the plan file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.looking import measure_option
from standfast.cli.out import plural, say, show, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from standfast.config import RulesConfig
    from standfast.model.cluster import Snapshot
    from standfast.model.ids import HostId
    from standfast.model.plan import HostStep, Plan, PlannedMove, Wave
    from standfast.model.policy import Policy
    from standfast.plan.levers import Lever

CHANGES = 10
REFUSED = 5
FILE = click.Path(path_type=Path, dir_okay=False)
html_option = click.option(
    "--html", type=FILE, metavar="FILE", help="Write the plan as a page with pictures, too."
)


@verb(name="plan")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option(
    "--out",
    type=FILE,
    default=Path("standfast-plan.json"),
    show_default=True,
    help="Where the plan is written.",
)
@click.option("--hosts", metavar="A,B", help="Only these hosts are patched.")
@click.option("--order", metavar="A,B", help="These hosts go first, in this order.")
@click.option("--exclude", metavar="A,B", help="These hosts are left alone.")
@click.option(
    "--unmovable",
    "words",
    multiple=True,
    metavar="VM=WORD",
    help="If this VM can't be moved: skip its host, hold there, or consent to a clean shutdown and a start "
    "after the reboot (force: with its power cut if it does not heed that). May be given several times.",
)
@click.option("--finish-by", metavar="TIME", help="No host starts that may end later: 22:30, or ISO 8601.")
@click.option("--half-patched", is_flag=True, help="Accept moves from a newer hypervisor to an older one.")
@click.option("--snapshot", "from_file", type=FILE, help="Plan for this snapshot file, asking no host.")
@measure_option
@html_option
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 10 where there is something to do.")
def plan(
    session: Session,
    cluster: str | None,
    out: Path,
    hosts: str | None,
    order: str | None,
    exclude: str | None,
    words: tuple[str, ...],
    finish_by: str | None,
    half_patched: bool,
    from_file: Path | None,
    measure_seconds: int | None,
    html: Path | None,
    detailed_exitcode: bool,
) -> int:
    """Plan a run: order, moves, times, and what is refused and why. Changes nothing.

    Exit codes: 0; with --detailed-exitcode 10 if there is something to do; 5 if something is refused, so
    that the plan can't be applied.
    """
    from functools import partial

    from standfast.cli import unmovable
    from standfast.cli.looking import host_ids, split
    from standfast.cli.times import check_time, parse_time
    from standfast.codec import to_plain, write_file
    from standfast.files import check_writable
    from standfast.plan.levers import EFFORT, levers
    from standfast.plan.make import make_plan

    for option, names in (("--hosts", hosts), ("--order", order), ("--exclude", exclude)):
        if names is not None and not split(names):
            raise UsageError("no_hosts", f"{option} names no host", do="Name some, or leave it out.")
    if finish_by is not None:
        check_time(finish_by, option="--finish-by")
    given = unmovable.options(words)
    check_writable(out, "plan file", option="--out")
    if html is not None:
        check_writable(html, "page", option="--html")
    snapshot, policy, rules = look_or_read(session, cluster, from_file, measure_seconds)
    said = unmovable.said(rules, given, snapshot, by=session.actor())
    only = host_ids(snapshot, split(hosts)) if hosts is not None else None
    excluded = host_ids(snapshot, split(exclude))
    both = sorted(snapshot.host_name(host) for host in excluded & (only or frozenset()))
    if both:
        raise UsageError(
            "host_in_and_out",
            f"--hosts and --exclude both name {', '.join(both)}",
            do="Leave it out of one of the two.",
        )
    made_of = partial(
        make_plan,
        now=snapshot.taken_at,
        only=only,
        exclude=excluded,
        first=_first(snapshot, split(order), only, excluded),
        said=said,
        finish_by=parse_time(finish_by, snapshot.taken_at, option="--finish-by") if finish_by else None,
        half_patched=half_patched,
    )
    made = made_of(snapshot, policy)
    shorter = levers(snapshot, made, partial(made_of, effort=EFFORT))
    digest = write_file(out, "plan", made)
    if html is not None:
        write_page(html, made, snapshot, tuple(lever.sentence for lever in shorter[:1]))
    if session.json:
        show_json({"file": str(out), "digest": digest, "plan": to_plain(made), **_how_good(made, shorter)})
    else:
        show(as_text(made, snapshot, shorter))
        for sentence in unmovable.not_needed(made, said, snapshot):
            say(sentence)
        say(_next(made, out, digest))
    if made.refusals:
        return REFUSED
    return CHANGES if detailed_exitcode and (made.waves or made.rebalance) else 0


def write_page(path: Path, made: Plan, snapshot: Snapshot, more: tuple[str, ...] = ()) -> None:
    """The page with pictures. Raises UsageError where it can't be written."""
    from standfast.codec import digest
    from standfast.files import write_whole
    from standfast.report.html.planpage import plan_html

    write_whole(path, plan_html(made, snapshot, digest(made), more=more), "page")
    say(f"Wrote {path}.")


def _first(
    snapshot: Snapshot, names: tuple[str, ...], only: frozenset[HostId] | None, excluded: frozenset[HostId]
) -> tuple[HostId, ...]:
    """The hosts of --order. Raises ConfigError, and UsageError for one that the other options leave out."""
    from standfast.cli.looking import host_ids

    ids = {name: next(iter(host_ids(snapshot, (name,)))) for name in names}
    for name, host in ids.items():
        if host in excluded or (only is not None and host not in only):
            raise UsageError(
                "order_left_out",
                f"--order names {name}, which is left out",
                do="Name in --order only hosts that are to be done.",
            )
    return tuple(ids.values())


def look_or_read(
    session: Session,
    cluster: str | None,
    from_file: Path | None,
    measure_seconds: int | None = None,
    *,
    scan: bool = True,
) -> tuple[Snapshot, Policy, RulesConfig | None]:
    """A cluster or a file of one, and the policy and the rules to plan with."""
    from dataclasses import replace

    from standfast.cli.history import learnt_of
    from standfast.cli.looking import look, measure, snapshot_from, warnings, with_untouched
    from standfast.model.policy import Policy

    if from_file is not None:
        if measure_seconds is not None:
            raise UsageError(
                "measure_file", "a file can't be measured", do="Leave --snapshot or --measure out."
            )
        given = session.config_path.exists()
        snapshot = snapshot_from(from_file)
        if cluster is not None and cluster != snapshot.cluster:
            raise UsageError(
                "snapshot_other_cluster",
                f"this snapshot is of cluster {snapshot.cluster!r}, not of {cluster!r}",
                where=str(from_file),
                do="Leave --cluster out, or name another snapshot.",
            )
        known = session.config.clusters if given else {}
        if snapshot.cluster not in known:
            return snapshot, Policy(), None
        return snapshot, known[snapshot.cluster].policy, known[snapshot.cluster].rules
    chosen = session.cluster(cluster)
    say(f"Looking at cluster {chosen.name} …")
    outside = session.outside(chosen)
    measure(outside, chosen, measure_seconds)
    snapshot = with_untouched(outside, look(outside, chosen, scan=scan, refresh=scan))
    for error in warnings(chosen, snapshot):
        say(f"Warning: {error}")
    return replace(snapshot, learnt=learnt_of(session, chosen.name)), chosen.policy, chosen.rules


def _next(made: Plan, out: Path, digest: str) -> str:
    import shlex

    wrote = f"Wrote {out} (digest {digest[:12]})."
    if made.refusals:
        return f"{wrote} It can't be applied while something is refused."
    if not made.waves and not made.rebalance:
        return f"{wrote} There is nothing to do."
    word = str(out) if not str(out).startswith("-") else f"./{out}"
    return f"{wrote} Carry it out: standfast apply {shlex.quote(word)}"


def _how_good(made: Plan, shorter: Sequence[Lever]) -> dict[str, object]:
    """`{"bounds": …, "shorter": […]}` beside the plan: seconds, and shares of the least possible time."""
    from standfast.codec import to_plain
    from standfast.report.plan_words import gap_fraction, moves_sentence, time_sentence

    bounds = {
        "moves_at_least": made.bounds.moves_at_least,
        "moves": made.bounds.moves,
        "seconds_at_least": made.bounds.seconds_at_least,
        "seconds": made.bounds.seconds,
        "gap_fraction": gap_fraction(made),
        "sentences": [each for each in (moves_sentence(made), time_sentence(made)) if each],
    }
    return {"bounds": bounds, "shorter": [to_plain(lever) for lever in shorter]}


def as_text(made: Plan, snapshot: Snapshot, shorter: Sequence[Lever] = ()) -> str:
    """The plan for a reader; `shorter` is what would shorten it, the best first."""
    from standfast.report.plain import cell

    lines = [
        f"Cluster {made.cluster}: {plural(len(snapshot.hosts), 'host')}, {plural(len(snapshot.vms), 'VM')}."
    ]
    for wave in made.waves:
        lines += _wave(wave, made.steps, snapshot)
    if made.rebalance:
        lines += ["Then VMs are spread:", *(move_line(move, snapshot) for move in made.rebalance)]
    lines += [
        f"Left alone: {alone.name}: {alone.reason or 'nothing pending and no reboot needed.'}"
        for alone in made.left_alone
        if alone.reason not in made.refusals  # those are told below
    ]
    lines += [f"REFUSED: {reason}" for reason in made.refusals]
    lines += [f"Warning: {reason}" for reason in made.warnings]
    lines += _figures(made) if made.waves else []
    lines += [f"What would shorten it most: {shorter[0].sentence}"] if shorter else []
    return "\n".join(cell(line) for line in lines)


def _wave(wave: Wave, steps: Sequence[HostStep], snapshot: Snapshot) -> list[str]:
    """Its hosts, numbered over the whole plan; said where several go together, and for how long it soaks."""
    from standfast.model.units import span

    lines = [line for step in wave.hosts for line in _step(steps.index(step) + 1, step, snapshot)]
    if len(wave.hosts) > 1:
        names = ", ".join(step.name for step in wave.hosts)
        lines.insert(0, f"Together: {names}, about {span(wave.seconds)}")
    if wave.soak_seconds > 0:
        lines.append(f"Then {span(wave.soak_seconds)} in which {wave.hosts[0].name} has to stay well.")
    return lines


def _step(number: int, step: HostStep, snapshot: Snapshot) -> list[str]:
    from standfast.cli.unmovable import lines
    from standfast.model.units import span

    reboot = "reboot" if step.reboot else "reboot if they ask for one"
    updates = plural(len(step.pending), "update")
    return [
        f"{number}. {step.name}: {updates}, {reboot}, about {span(step.seconds)}",
        *(f"   {each}" for each in step.pending),
        *(move_line(move, snapshot) for move in step.moves),
        *lines(step),
    ]


def move_line(move: PlannedMove, snapshot: Snapshot) -> str:
    """One move for a reader."""
    from standfast.model.units import span

    way = f"{snapshot.host_name(move.source)} -> {snapshot.host_name(move.target)}"
    told = move.predicted
    times = f"brown-out {span(told.brownout_seconds)}, black-out {span(told.blackout_seconds)}"
    return f"   move {move.vm_name}: {way} ({times})"


def _figures(made: Plan) -> list[str]:
    from standfast.model.units import span
    from standfast.report.plan_words import moves_sentence, time_sentence

    seconds, p95 = made.predicted_seconds, made.predicted_p95_seconds
    told = [
        f"{moves_sentence(made)} "
        f"At most {made.bounds.peak_memory_fraction:.0%} of a host's memory is held at any time.",
        f"Predicted: {span(seconds)}, 95 times in 100 below {span(p95)}.",
        time_sentence(made),
    ]
    return [line for line in told if line]
