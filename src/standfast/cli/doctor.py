"""`doctor`: whether every host can be worked on and every VM can move; if not, why, and what mends it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import plural, say, show_json
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.doctor.findings import Finding
    from standfast.doctor.judge import Verdict

ERRORS = 5
AUTH = 6
MOST_AT_ONCE = 32


@verb(name="doctor")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option("--no-refresh", is_flag=True, help="Use the package lists that the hosts have.")
@click.option("--all", "everything", is_flag=True, help="List what is well too, host by host and VM by VM.")
@click.option(
    "--snapshot",
    "from_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Judge this snapshot file, asking no host: what only hosts can say is left out.",
)
def doctor(
    session: Session, cluster: str | None, no_refresh: bool, everything: bool, from_file: Path | None
) -> int:
    """Say whether every host can be worked on and every VM can move; if not, why, and what mends it.

    Asks each host for its rights, keys, packages, room and for programs that would interfere, compares the
    hosts, and tries the way from each host to each other: libvirt to libvirt, and data to the ports of
    migrations. Fetches the package lists on each host first; changes nothing else. The same questions are
    asked again right before a run works on a host.

    Exit codes: 0 if there is no error (warnings and notes may be); 5 if there are errors, so that a plan
    would be refused or a run held; 6 if keys or rights are among them.
    """
    from standfast.cli.diagnosis import print_verdict
    from standfast.doctor.judge import judge

    verdict = judge(_offline(session, from_file) if from_file else _asked(session, cluster, no_refresh))
    if session.json:
        show_json(as_dict(verdict))
    else:
        print_verdict(verdict, everything=everything)
    return exit_code(verdict)


def _asked(session: Session, cluster: str | None, no_refresh: bool) -> Any:
    from standfast.config.rules import resolve
    from standfast.doctor.look import look

    chosen = session.cluster(cluster)
    hosts = f"{plural(len(chosen.hosts), 'host')} of " if chosen.hosts else ""
    say(f"Examining {hosts}cluster {chosen.name} …")
    outside = session.outside(chosen)
    with ThreadPoolExecutor(MOST_AT_ONCE) as executor:
        return look(
            outside,
            chosen.policy,
            lambda snapshot: resolve(chosen.rules, snapshot, strict=False),
            executor,
            refresh=not no_refresh,
        )


def _offline(session: Session, from_file: Path) -> Any:
    from standfast.cli.looking import snapshot_from
    from standfast.doctor.judge import Case
    from standfast.model.policy import Policy

    snapshot = snapshot_from(from_file)
    known = session.config.clusters if session.config_path.exists() else {}
    policy = known[snapshot.cluster].policy if snapshot.cluster in known else Policy()
    return Case(snapshot, {}, policy, offline=True)


def exit_code(verdict: Verdict) -> int:
    """The documented one."""
    from standfast.doctor.findings import ACCESS, Severity

    errors = [finding for finding in verdict.findings if finding.severity is Severity.ERROR]
    if any(finding.code in ACCESS for finding in errors):
        return AUTH
    return ERRORS if errors else 0


def as_dict(verdict: Verdict) -> dict[str, Any]:
    """The verdict for a program."""
    from standfast.doctor.findings import Severity

    names = {each.host.id: each.host.name for each in verdict.hosts}
    severities = [finding.severity for finding in verdict.findings]
    return {
        "cluster": verdict.cluster,
        "taken_at": verdict.taken_at,
        "counts": {str(severity): severities.count(severity) for severity in Severity},
        "findings": [_finding(each) for each in verdict.whole],
        "hosts": [
            {
                "name": each.host.name,
                "id": str(each.host.id),
                "vms": each.vms,
                "findings": [_finding(finding) for finding in each.findings],
            }
            for each in verdict.hosts
        ],
        "vms": [
            {
                "name": each.name,
                "id": str(each.id),
                "host": names.get(each.host, str(each.host)),
                "state": str(each.state),
                "can_move": bool(each.targets),
                "targets": [names[target] for target in each.targets],
                "brownout_seconds": each.predicted.brownout_seconds if each.predicted else None,
                "blackout_seconds": each.predicted.blackout_seconds if each.predicted else None,
                "findings": [_finding(finding) for finding in each.findings],
            }
            for each in verdict.vms
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": str(finding.severity),
        "code": str(finding.code),
        "sentence": finding.reason.sentence,
        "mend": finding.reason.mend,
        "accepted": finding.accepted,
    }
