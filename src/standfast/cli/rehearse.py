"""`rehearse`: the whole plan on a simulated twin of the cluster, told as a run is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from standfast.cli.out import plural, say, show, show_json
from standfast.cli.session import Session, verb
from standfast.model.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from standfast.model.cluster import Snapshot
    from standfast.model.plan import Plan
    from standfast.model.run import Run
    from standfast.rehearsal import Rehearsed, Trouble

FILE = click.Path(path_type=Path, dir_okay=False)
BROKEN = 1
TELL_EVERY_SECONDS = 5.0


@verb(name="rehearse")
@click.argument("plan", type=FILE)
@click.option("--snapshot", "from_file", type=FILE, metavar="FILE", help="A saved cluster: ask no host.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other spans of hosts and VMs.")
@click.option("--fail-patch", metavar="A,B", help="The packages of these hosts fail to install, once.")
@click.option("--fail-boot", metavar="A,B", help="These hosts don't come back from their reboot.")
@click.option("--fail-move", metavar="A,B", help="The next move of these VMs fails.")
@click.option("--html", "page", type=FILE, metavar="FILE", help="Write the report as one page with pictures.")
def rehearse(
    session: Session,
    plan: Path,
    from_file: Path | None,
    seed: int,
    fail_patch: str | None,
    fail_boot: str | None,
    fail_move: str | None,
    page: Path | None,
) -> int:
    """Carry the plan in file PLAN out on a simulated twin of the cluster, and report as of a run.

    Hosts are asked what they look like, as by `plan`; nothing is changed on them, and no run is recorded.
    The real controller drives the twin in virtual time: patches, reboots and moves take about as long as
    planned, as the seed draws it. Refused as by `apply` (exit code 5). Other exit codes: 0 completed;
    1 a promise would have been broken; 3 degraded; 4 would wait for the operator.
    """
    from standfast.codec import read_file
    from standfast.files import check_writable
    from standfast.model.plan import Plan
    from standfast.rehearsal import rehearse as carry_out

    if page is not None:
        _refuse_same(page, plan, from_file)
        check_writable(page, "report", option="--html")
    wanted = read_file(plan, "plan", Plan)
    snapshot = fitting(session, wanted, from_file)
    if not wanted.steps and not wanted.rebalance:
        say("There is nothing to rehearse: the plan has no hosts and no moves.")
        if session.json:
            show_json({"run": None, "state": "nothing_to_do"})
        return 0
    trouble = _trouble(snapshot, fail_patch, fail_boot, fail_move)
    say(f"Rehearsing on a simulated twin of {wanted.cluster}: no real host, no real VM …")
    found = carry_out(
        wanted,
        snapshot,
        seed=seed,
        trouble=trouble,
        told=_Teller(len(wanted.steps)),
        actor=f"nobody: rehearsed on a simulated twin by {session.actor()}",
    )
    _tell(session, found, seed, page)
    return exit_code(found)


def _refuse_same(page: Path, *inputs: Path | None) -> None:
    """Raises UsageError where the page would take the place of what was given."""
    if any(given is not None and page.resolve() == given.resolve() for given in inputs):
        raise UsageError(
            "output_is_input",
            "the report can't be written over the file that it is made from",
            where=str(page),
            do="Name another with --html.",
        )


def fitting(session: Session, plan: Plan, from_file: Path | None) -> Snapshot:
    """The cluster as it is now or in that file. Raises UsageError, RefusedError and DriftError as `apply`."""
    from standfast.cli.apply import refuse_drift, refuse_unfit
    from standfast.cli.looking import look, snapshot_from

    refuse_unfit(plan)
    if from_file is not None:
        snapshot = snapshot_from(from_file)
        if snapshot.cluster != plan.cluster:
            raise ConfigError(
                "snapshot_other_cluster",
                f"this snapshot is of cluster {snapshot.cluster!r}, and the plan of {plan.cluster!r}",
                where=str(from_file),
                do="Name a snapshot of the same cluster.",
            )
    else:
        cluster = session.cluster(plan.cluster)
        say(f"Looking at cluster {cluster.name} …")
        snapshot = look(session.outside(cluster), cluster, scan=True, refresh=False)
    refuse_drift(plan, snapshot)
    return snapshot


def _trouble(
    snapshot: Snapshot, fail_patch: str | None, fail_boot: str | None, fail_move: str | None
) -> Trouble:
    """Names made into ids. Raises ConfigError for one that the cluster has not."""
    from standfast.cli.looking import host_ids, split
    from standfast.config.types import nearest
    from standfast.rehearsal import Trouble

    vms = {vm.name: vm.id for vm in snapshot.vms}
    for name in split(fail_move):
        if name not in vms:
            raise ConfigError(
                "vm_unknown",
                f"cluster {snapshot.cluster!r} has no VM {name!r}",
                do=nearest(name, vms, "Its VMs are"),
            )
    return Trouble(
        patches=sorted(host_ids(snapshot, split(fail_patch))),
        reboots=sorted(host_ids(snapshot, split(fail_boot))),
        moves=[vms[name] for name in split(fail_move)],
    )


class _Teller:
    """Says now and then how far it has come, where it takes longer than that."""

    def __init__(self, hosts: int) -> None:
        self._hosts, self._last = hosts, time.monotonic()

    def __call__(self, run: Run, seconds: float) -> None:
        from standfast.model.run import ENDED_PHASES
        from standfast.model.units import span

        now = time.monotonic()
        if now - self._last >= TELL_EVERY_SECONDS:
            self._last = now
            done = sum(row.phase in ENDED_PHASES for row in run.hosts)
            say(f"{done} of {plural(self._hosts, 'host')} done after {span(seconds)} of the run")


def _tell(session: Session, found: Rehearsed, seed: int, page: Path | None) -> None:
    """The report of the run, then what is of the rehearsal alone."""
    from standfast.files import write_whole
    from standfast.report.facts import report_dict
    from standfast.report.html import report_html
    from standfast.report.words import report_text

    if page is not None:
        write_whole(page, report_html(found.run, found.events), "report")
        say(f"Wrote {page}.")
    if session.json:
        about = {
            "seed": seed,
            "seconds": found.seconds,
            "broken": list(found.broken),
            "not_given_back": list(found.not_given_back),
        }
        show_json(report_dict(found.run, found.events) | {"rehearsal": about})
        return
    if page is None:
        show(report_text(found.run, found.events))
    show("\n".join(verdict(found)))


def verdict(found: Rehearsed) -> list[str]:
    """What the twin's own record says, in sentences."""
    from standfast.model.units import span

    plan = found.run.plan
    lines = [f"REHEARSED on a simulated twin: {span(found.seconds)}, planned {span(plan.predicted_seconds)}."]
    lines += [f"A PROMISE WOULD HAVE BEEN BROKEN: {sentence}." for sentence in found.broken]
    if not found.broken:
        lines.append("By the twin's own record no promise was broken.")
    if found.run.ended:
        lines += [f"Not given back: {sentence}." for sentence in found.not_given_back]
    else:
        lines.append("A real run would wait for you here.")
    return lines


def exit_code(found: Rehearsed) -> int:
    """As of `run watch`, and 1 where a promise would have been broken."""
    from standfast.cli.screen import EXIT_CODES

    return BROKEN if found.broken else EXIT_CODES.get(found.run.state, 1)
