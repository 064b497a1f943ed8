"""`network survey` and `network probe`: what the hosts' networks are, and what really comes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.doctor.wires import Check, Stand
    from standfast.model.failover import Rehearsal
    from standfast.model.wires import HostWires, Probed
    from standfast.updates.netlook import SshNetLook


@verb(name="survey")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
def survey(session: Session, cluster: str | None) -> int:
    """Say what each host's links carry, what happens when one dies, and what should not be so.

    Asks each host by SSH and measures the load of its links for two seconds. Changes nothing. Exit code 1 if
    a host could not be asked.
    """
    from standfast.cli.failovers import last_of, told
    from standfast.doctor.wires import checks, stands

    name, look = net_look(session, cluster)
    hosts, rehearsed = look.survey(), last_of(session, name)
    found = checks(hosts, rehearsed, session.now())
    falls = [each for host in hosts for each in stands(host)]
    if session.json:
        show_json(
            {
                "hosts": [_host(host) for host in hosts],
                "failovers": [asdict(each) for each in falls],
                "checks": [asdict(each) for each in found],
                "rehearsed": [told(each) for each in rehearsed],
            }
        )
    else:
        show(_survey_text(hosts, falls, found, rehearsed))
    return 1 if any(host.silent for host in hosts) else 0


@verb(name="probe")
@click.option("--cluster", metavar="NAME", help="Which cluster, if the config has several.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 60),
    default=3,
    show_default=True,
    help="How long data is sent on each way.",
)
def probe(session: Session, cluster: str | None, seconds: int) -> int:
    """Measure throughput and path MTU from each host to the next one, on the migration network.

    One way at a time, in a ring, so that each host sends once and receives once: the links are FULL for that
    long, and other traffic on them waits. Exit code 1 if a way could not be tried.
    """
    from standfast.doctor.wires import about_probe

    _, look = net_look(session, cluster)
    hosts = look.survey()

    def tell(source: str, target: str) -> None:
        say(f"{source} -> {target}: sending for {seconds} s …")

    found = look.probe(seconds, tell if not session.json else lambda source, target: None)
    meanings = list(about_probe(found, hosts))
    if session.json:
        show_json({"ways": [asdict(each) for each in found], "sentences": meanings})
    else:
        show(_probe_text(found))
        for sentence in meanings:
            say(sentence)
    return 1 if any(each.trouble for each in found) else 0


def net_look(session: Session, cluster: str | None) -> tuple[str, SshNetLook]:
    """The cluster's name, and who looks at its network. Raises ConfigError, UsageError."""
    from standfast.model.errors import UsageError
    from standfast.updates.netlook import SshNetLook
    from standfast.wiring import ssh_targets

    chosen = session.cluster(cluster)
    if chosen.platform == "simulated":
        raise UsageError(
            "network_simulated",
            f"the network of cluster {chosen.name!r} can't be looked at: it is simulated",
            do="Name a cluster of real hosts with --cluster.",
        )
    addresses = {host.name: host.migration_address for host in chosen.hosts}
    return chosen.name, SshNetLook(ssh_targets(chosen), addresses)


def _survey_text(
    hosts: Sequence[HostWires],
    falls: Sequence[Stand],
    found: Sequence[Check],
    rehearsed: Sequence[Rehearsal],
) -> str:
    from standfast.doctor.wires import WORDS, day
    from standfast.model.units import rate

    rows = []
    for host in hosts:
        for wire in host.wires.values():
            carried = [
                str(what)
                for what, devices in host.carries.items()
                if wire.name in devices or wire.name in host.links_of(what)
            ]
            if carried:
                speed = "not told" if wire.bits_per_second is None else rate(wire.bits_per_second)
                state = "" if wire.up else " (down)"
                rows.append(
                    (host.name, wire.name + state, speed, str(wire.mtu), rate(wire.load), ", ".join(carried))
                )
    parts = [table(("HOST", "LINK", "SPEED", "MTU", "LOAD", "CARRIES"), rows) if rows else "No links."]
    if falls:
        parts.append("\n".join(f"{each.host}: {each.sentence}" for each in falls))
    well = [each for each in rehearsed if each.held]
    if well:
        parts.append(
            "\n".join(
                f"The loss of the {WORDS[each.network]} network was rehearsed on {day(each.at)}: it held."
                for each in well
            )
        )
    if found:
        parts.append(
            "\n".join(f"- {each.sentence}" + (f" {each.reason}" if each.reason else "") for each in found)
        )
    else:
        parts.append("Nothing speaks against this network.")
    return "\n\n".join(parts)


def _probe_text(found: Sequence[Probed]) -> str:
    from standfast.model.units import rate

    rows = [
        (
            each.source,
            each.target,
            "-" if each.trouble else rate(each.bits_per_second),
            str(each.mtu) if each.mtu else "-",
            each.trouble,
        )
        for each in found
    ]
    return table(("FROM", "TO", "COMES THROUGH", "MTU", ""), rows) if rows else "There are no two hosts."


def _host(host: HostWires) -> dict[str, Any]:
    return {
        "name": host.name,
        "silent": host.silent,
        "links": [asdict(wire) | {"load": wire.load} for wire in host.wires.values()],
        "carries": {str(what): list(devices) for what, devices in host.carries.items()},
    }
