"""`network rehearse-failover`: one network goes away for a while, and the other is seen to carry both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from standfast.cli.failovers import keep, told
from standfast.cli.out import say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.failover import Paths, Rehearsal
    from standfast.model.wires import Carries, HostWires
    from standfast.updates.failover import SshFailover

MOST_TOLD = 6
LEAST, PER_HOST, MOST = 10, 5, 300


@verb(name="rehearse-failover")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option(
    "--network",
    type=click.Choice(["migration", "management"]),
    default="migration",
    show_default=True,
    help="Which network goes away.",
)
@click.option(
    "--seconds",
    type=click.IntRange(5, MOST),
    help=f"For how long; {LEAST} and {PER_HOST} more for each host if not said, so that each way is tried.",
)
@click.option("--yes", is_flag=True, help="Skip the question.")
def rehearse_failover(
    session: Session, cluster: str | None, network: str, seconds: int | None, yes: bool
) -> int:
    """Take one network away on every host for some seconds, and see whether the other carries both.

    Each host takes its device down and brings it back, held by systemd, whatever happens to this
    command. Meanwhile every host is asked, its libvirt too, and each way between hosts is measured.
    Refused while a run is active, a VM migrates, or anything would be cut that has no second path. Exit
    codes: 0 the other network carried both and all is back; 1 it did not; 5 refused, nothing was changed.
    """
    from standfast.cli.asking import consent
    from standfast.cli.netlook import net_look
    from standfast.model.wires import Carries
    from standfast.updates.failover import SshFailover

    name, look = net_look(session, cluster)
    if session.recorded:
        from standfast.cli.apply import refuse_second

        refuse_second(session, name)
    what = Carries(network)
    say(f"Looking at the network of cluster {name} …")
    wires = look.survey()
    devices = _devices(wires, what)
    failover = SshFailover(look, devices)
    _refuse_unsafe(failover.paths(all=True), devices, failover)
    length = seconds or min(MOST, LEAST + PER_HOST * len(devices))
    say(_announcement(what, devices, length))
    if not yes:
        consent("Take it away now?")

    def tell(words: str) -> None:
        if not session.json:
            say(words)

    def allow(paths: Mapping[str, Paths]) -> None:
        _refuse_unsafe(paths, devices, failover)

    found = _judged(failover.rehearse(name, what, length, tell, allow), wires)
    keep(session, found)
    _show(session, found)
    return 0 if found.held else 1


def _devices(wires: Sequence[HostWires], network: Carries) -> dict[str, str]:
    """What goes down on each host. Raises RefusedError."""
    from standfast.doctor.failover import against_wires, device_of

    if len(wires) < 2:
        _refuse(["One host alone has nobody to fail over to."])
    _refuse([sentence for host in wires for sentence in against_wires(host, network)])
    return {host.name: device_of(host, network) for host in wires}


def _refuse_unsafe(paths: Mapping[str, Paths], devices: Mapping[str, str], failover: SshFailover) -> None:
    from standfast.doctor.failover import against_paths

    _refuse(
        [
            sentence
            for name, each in paths.items()
            for sentence in against_paths(each, devices[name], failover.peers(name))
        ]
    )


def _refuse(why: list[str]) -> None:
    """Raises RefusedError if there is a reason."""
    from standfast.model.errors import RefusedError

    if not why:
        return
    more = f" And {len(why) - MOST_TOLD} more." if len(why) > MOST_TOLD else ""
    raise RefusedError(
        "failover_unsafe",
        "no failover is rehearsed here, and nothing was changed",
        why=" ".join(why[:MOST_TOLD]) + more,
        do="`standfast network survey` shows what carries what.",
    )


def _announcement(network: Carries, devices: Mapping[str, str], seconds: int) -> str:
    from standfast.doctor.wires import WORDS

    where = ", ".join(f"{device} of {name}" for name, device in devices.items())
    return (
        f"The {WORDS[network]} network will be away for {seconds} s: {where} will be set down. Each host "
        "brings it back by itself. Before, meanwhile and afterwards the links that are left are FULL for a "
        "second for each host. VMs stay where they are."
    )


def _judged(found: Rehearsal, wires: Sequence[HostWires]) -> Rehearsal:
    from standfast.doctor.failover import judged

    known = {host.name: host for host in wires}
    return replace(found, ways=tuple(judged(way, known.get(way.source)) for way in found.ways))


def _show(session: Session, found: Rehearsal) -> None:
    from standfast.doctor.failover import sentences

    if session.json:
        show_json(told(found))
        return
    show(as_text(found))
    for sentence in sentences(found):
        say(sentence)


def as_text(found: Rehearsal) -> str:
    """Two tables: ways between hosts, and hosts."""
    ways = [
        (
            way.source,
            way.target,
            _rate(way.before),
            _rate(way.during),
            _rate(way.after),
            way.carried_by or "-",
            "-" if way.silent_seconds is None else f"{way.silent_seconds:.2f} s",
            _fits(way.fits, way.half),
        )
        for way in found.ways
    ]
    hosts = [
        (
            host.host,
            host.device if host.gone else f"{host.device} (not down)",
            _word(host.reached),
            "-" if host.silent_seconds is None else f"{host.silent_seconds:.2f} s",
            _word(host.libvirt),
            str(host.vms) if host.same_vms else f"{host.vms} (others now)",
            _word(host.back),
        )
        for host in found.hosts
    ]
    head = ("FROM", "TO", "BEFORE", "MEANWHILE", "AFTER", "CARRIED BY", "LONGEST GAP", "BOTH FIT")
    return "\n\n".join(
        [
            table(head, ways),
            table(("HOST", "CUT", "REACHED", "LONGEST GAP", "LIBVIRT", "VMS", "BACK"), hosts),
        ]
    )


def _rate(bits: float | None) -> str:
    from standfast.model.units import rate

    return "-" if bits is None else rate(bits)


def _word(good: bool) -> str:
    return "yes" if good else "NO"


def _fits(fits: bool | None, half: bool | None) -> str:
    if fits is None:
        return "-"
    return "NO" if not fits else "yes" if half else "now, not for long"
