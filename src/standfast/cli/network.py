"""`network`: its group, and `what-if`: what another migration network would change for each host and VM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.failover import rehearse_failover
from standfast.cli.netlook import probe, survey
from standfast.cli.out import plural, say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.cluster import Snapshot
    from standfast.model.moves import Prediction
    from standfast.model.policy import Policy
    from standfast.predict.whatif import Link, VmChange, WhatIf

MOST_NAMED = 8


@click.group()
def network() -> None:
    """Say what the migration network does for moves."""


@network.add_command
@verb(name="what-if")
@click.option("--migration-speed", "speed", required=True, metavar="SPEED", help="Such as 10G or 25G.")
@click.option("--jumbo", is_flag=True, help="With an MTU of 9000 from end to end.")
@click.option(
    "--shared",
    is_flag=True,
    help="Not dedicated: it also stands in for another network, so that half of it counts.",
)
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option(
    "--snapshot",
    "from_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Ask this of a snapshot file, and no host.",
)
def what_if(
    session: Session, speed: str, jumbo: bool, shared: bool, cluster: str | None, from_file: Path | None
) -> None:
    """Predict every move over another migration network beside what it is now. Changes nothing.

    Tells how long each host's drain would take, each VM's brown-out and black-out, and where more bandwidth
    does not help. Each VM is predicted with the link to itself; a drain shares it. Room and rules are not
    asked.
    """
    from standfast.plan.blackout import budget_seconds
    from standfast.predict.whatif import what_if as compare

    link = _link(speed, jumbo=jumbo, shared=shared)
    snapshot, policy = _look(session, cluster, from_file)
    budgets = {vm.id: budget_seconds(vm, policy) for vm in snapshot.vms}
    found = compare(snapshot, link, budgets, at_once=policy.moves_at_once)
    if session.json:
        show_json(as_dict(snapshot, found))
        return
    show(as_text(snapshot, found))
    for sentence in sentences(snapshot, found):
        say(sentence)


def _link(speed: str, *, jumbo: bool, shared: bool) -> Link:
    from standfast.model.errors import UsageError
    from standfast.model.units import parse_rate
    from standfast.predict.whatif import Link

    try:
        bits = parse_rate(speed)
    except ValueError as error:
        raise UsageError("speed_unreadable", "--migration-speed can't be read", why=str(error)) from error
    if bits <= 0:
        raise UsageError(
            "speed_unreadable", "--migration-speed has to be above zero", do="Write it as 10G or 25G."
        )
    return Link(bits, jumbo_frames=jumbo, shared=shared)


def _look(session: Session, cluster: str | None, from_file: Path | None) -> tuple[Snapshot, Policy]:
    from dataclasses import replace

    from standfast.cli.history import learnt_of
    from standfast.cli.looking import look, snapshot_from
    from standfast.model.errors import UsageError
    from standfast.model.policy import Policy

    if from_file is None:
        chosen = session.cluster(cluster)
        taken = look(session.outside(chosen), chosen, scan=False, refresh=False, strict=False)
        return replace(taken, learnt=learnt_of(session, chosen.name)), chosen.policy
    taken = snapshot_from(from_file)
    if cluster is not None and cluster != taken.cluster:
        raise UsageError(
            "snapshot_other_cluster",
            f"this snapshot is of cluster {taken.cluster!r}, not of {cluster!r}",
            where=str(from_file),
            do="Leave --cluster out, or name another snapshot.",
        )
    known = session.config.clusters if session.config_path.exists() else {}
    return taken, known[taken.cluster].policy if taken.cluster in known else Policy()


def as_text(snapshot: Snapshot, found: WhatIf) -> str:
    """Two tables: hosts with their drains, VMs with their brown-out and black-out."""
    hosts = [
        (each.host.name, str(each.vms), _span(each.now_seconds), _span(each.then_seconds))
        for each in found.hosts
    ]
    vms = [
        (
            each.vm.name,
            snapshot.host_name(each.vm.host),
            _told(each.now, each.now.brownout_seconds),
            _told(each.then, each.then.brownout_seconds),
            _told(each.now, each.now.blackout_seconds),
            _told(each.then, each.then.blackout_seconds),
        )
        for each in found.vms
    ]
    head = ("VM", "HOST", "BROWN-OUT NOW", "THEN", "BLACK-OUT NOW", "THEN")
    return "\n\n".join(
        [
            table(("HOST", "VMS", "DRAIN NOW", "THEN"), hosts) if hosts else "No hosts.",
            table(head, vms) if vms else "No running VMs.",
        ]
    )


def _span(seconds: float | None) -> str:
    from standfast.model.units import span

    return "no end" if seconds is None else span(seconds)


def _told(predicted: Prediction, seconds: float) -> str:
    return _span(seconds if predicted.converges else None)


def sentences(snapshot: Snapshot, found: WhatIf) -> list[str]:
    """What can't be read off the tables: where bandwidth does not help, and what was assumed."""
    said = []
    unknown = [each.host.name for each in found.hosts if not each.host.migration_bits_per_second]
    if unknown:
        said.append(
            f"The migration speed of {_names(unknown)} is not in the config: 1 Gbit/s was assumed as of now."
        )
    never = [each.vm.name for each in found.vms if not each.then.converges]
    if never:
        said.append(f"Even then this does not end without being slowed or forced: {_names(never)}.")
    kept = [each for each in found.vms if each.then.converges and not each.blackout_helped]
    fixed = [each for each in kept if each.fixed_blackout_seconds > each.now.switch_seconds]
    if fixed:
        said.append(
            "More bandwidth does not shorten these black-outs, most of which is stopping and starting, not "
            f"copying: {_vms(fixed)}."
        )
    filled = [each for each in kept if each not in fixed]
    if filled:
        said.append(
            "More bandwidth shortens the brown-out, not these black-outs: the hypervisor stops a VM as soon "
            f"as what is left fits into its downtime limit, on any link: {_vms(filled)}. A lower black-out "
            "budget would make use of it."
        )
    advised = [each for each in found.vms if each.advice]
    said += [f"{each.vm.name} as things are: {' '.join(each.advice)}" for each in advised[:MOST_NAMED]]
    if len(advised) > MOST_NAMED:
        said.append(f"There are {len(advised) - MOST_NAMED} more such VMs: --json has what helps each.")
    if found.link.beyond_one_stream:
        said.append("One migration can't fill that link: a single thread sends about 49 Gbit/s at most.")
    if found.link.shared:
        said.append("Half of the link was counted: the other half is for the network that it stands in for.")
    return said


def _vms(changes: list[VmChange]) -> str:
    return _names([each.vm.name for each in changes])


def _names(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {plural(more, 'more', 'more')}" if more > 0 else "")


def as_dict(snapshot: Snapshot, found: WhatIf) -> dict[str, Any]:
    """Everything for a program; null for what has no end."""
    return {
        "cluster": snapshot.cluster,
        "migration_bits_per_second": found.link.bits_per_second,
        "jumbo_frames": found.link.jumbo_frames,
        "shared": found.link.shared,
        "hosts": [
            {
                "name": each.host.name,
                "id": str(each.host.id),
                "vms": each.vms,
                "now_bits_per_second": each.host.migration_bits_per_second,
                "drain_now_seconds": _rounded(each.now_seconds),
                "drain_then_seconds": _rounded(each.then_seconds),
            }
            for each in found.hosts
        ],
        "vms": [
            {
                "name": each.vm.name,
                "id": str(each.vm.id),
                "host": snapshot.host_name(each.vm.host),
                "now": _prediction(each.now),
                "then": _prediction(each.then),
                "fixed_blackout_seconds": round(each.fixed_blackout_seconds, 4),
                "blackout_helped": each.blackout_helped,
                "advice": list(each.advice),
            }
            for each in found.vms
        ],
        "sentences": sentences(snapshot, found),
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _prediction(predicted: Prediction) -> dict[str, Any]:
    return {
        "converges": predicted.converges,
        "brownout_seconds": round(predicted.brownout_seconds, 3),
        "brownout_p95_seconds": round(predicted.brownout_p95_seconds, 3),
        "blackout_seconds": round(predicted.blackout_seconds, 4),
        "blackout_p95_seconds": round(predicted.blackout_p95_seconds, 4),
        "basis": predicted.basis,
    }


network.add_command(survey)
network.add_command(probe)
network.add_command(rehearse_failover)
