"""`run list | show | watch | report`, and the operators' verbs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import say, show, show_json, table
from standfast.cli.report import compare, report
from standfast.cli.session import Session, verb
from standfast.cli.steer import RUN
from standfast.cli.steer import VERBS as STEERING

if TYPE_CHECKING:
    from standfast.store import RunSummary


@click.group()
def run() -> None:
    """List, watch, steer and report runs. RUN is an id, its beginning, or `last` (the default)."""


@run.add_command
@verb(name="list")
@click.option("--cluster", metavar="NAME", help="Runs of this cluster only.")
def list_(session: Session, cluster: str | None) -> None:
    """List runs, newest first."""
    session.check_cluster(cluster)
    found = session.store.runs(cluster) if session.recorded else ()
    if session.json:
        show_json({"runs": [_summary(each) for each in found]})
    elif not found:
        whose = "There are" if cluster is None else f"Cluster {cluster} has"
        where = f" in {session.state_dir}" if session.state_given is not None else ""
        say(f"{whose} no runs yet{where}. `standfast plan`, then `standfast apply PLAN` begins one.")
    else:
        show(table(("RUN", "CLUSTER", "STATE", "HOSTS", "BEGAN", "BY"), [_row(each) for each in found]))


def _summary(each: RunSummary) -> dict[str, object]:
    return {
        "run": str(each.id),
        "cluster": each.cluster,
        "state": str(each.state),
        "created_at": each.created_at,
        "ended_at": each.ended_at,
        "hosts_total": each.hosts_total,
        "hosts_done": each.hosts_done,
        "approved_by": each.approved_by,
    }


def _row(each: RunSummary) -> tuple[str, ...]:
    began = datetime.fromtimestamp(each.created_at).astimezone().strftime("%Y-%m-%d %H:%M")
    hosts = f"{each.hosts_done}/{each.hosts_total}"
    return (str(each.id), each.cluster, str(each.state), hosts, began, each.approved_by)


@run.add_command
@verb(name="show")
@RUN
@click.option(
    "--svg",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write it as a picture, with the last events.",
)
def show_(session: Session, run: str, svg: Path | None) -> None:
    """Show where a run is now, and what it waits for."""
    from standfast.cli import screen
    from standfast.cli.watcher import Watch
    from standfast.codec import to_plain
    from standfast.files import check_writable

    if svg is not None:
        check_writable(svg, "picture", option="--svg")
    seen, _ = Watch(session, session.find_run(run), alone_since=1.0).look()
    if svg is not None:
        from standfast.cli.picture import write_svg

        write_svg(svg, seen)
    if session.json:
        plain = to_plain(seen.run)
        plain.pop("plan")
        show_json(plain | {"live": seen.live, "controller": seen.controller, "controller_alive": seen.alive})
        return
    show("\n".join(screen.header(seen)))
    rows = screen.lanes(seen, sorted(seen.run.hosts, key=lambda row: row.position))
    show(table(("HOST", "PHASE", "LAST"), rows))
    for part in (*map("  ".join, screen.flights(seen)), *screen.blocks(seen)):
        show(part)


@run.add_command
@verb(name="watch")
@RUN
@click.option("-o", "--output", type=click.Choice(["ndjson"]), help="Stream events, one JSON object a line.")
@click.option("--until-held", is_flag=True, help="End with exit code 4 when the run waits for the operator.")
def watch(session: Session, run: str, output: str | None, until_held: bool) -> int:
    """Watch a run to its end. Ctrl-C only detaches.

    Exit codes: 0 completed; 3 degraded, cancelled or abandoned; 4 waits for the operator.
    """
    from standfast.cli.watch import style_of
    from standfast.cli.watch import watch as follow
    from standfast.cli.watcher import Watch
    from standfast.report.facts import report_dict

    style = style_of(session, output)
    watcher = Watch(session, session.find_run(run), on_hold=until_held or style != "live")
    code = follow(watcher, style=style, to_stdout=not session.json)
    if session.json and style != "ndjson":
        show_json(report_dict(session.store.run(watcher.run), watcher.events))
    return code


run.add_command(report)
run.add_command(compare)

for each in STEERING:
    run.add_command(each)
