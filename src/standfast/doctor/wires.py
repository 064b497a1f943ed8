"""What a cluster's network is good for, from what its hosts say of their links. Pure.

Two networks may stand in for each other only while neither fills more than half: then the one that is left
can carry both. The checks are what should not be done in production, each with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from standfast.model.failover import Rehearsal
from standfast.model.units import rate
from standfast.model.wires import Carries, HostWires, Probed, Wire

HALF = 0.5
STALE_SECONDS = 180 * 86400
"""After which a rehearsal is to be repeated: networks are rebuilt by then."""
WORDS = {
    Carries.MANAGEMENT: "management",
    Carries.MIGRATION: "migration",
    Carries.STORAGE: "storage",
}


@dataclass(frozen=True, slots=True)
class Stand:
    """What happens on a host when `lost` dies and `left` has to carry its networks too. `fits`: the loads of
    both as seen fit into it; `half`: each fills at most half of the slower one, so it will also when busier.
    None: a speed is not known."""

    host: str
    lost: str
    left: str
    carried: tuple[Carries, ...]
    fits: bool | None
    half: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Check:
    """Something that should not be done in production, where it is done or can't be ruled out."""

    name: str
    hosts: tuple[str, ...]
    sentence: str
    reason: str


def stands(host: HostWires) -> Iterator[Stand]:
    """For each link that carries something: the link that is left, if there is one."""
    used = {what: host.links_of(what) for what in Carries}
    links = sorted({link for each in used.values() for link in each})
    for lost in links:
        carried = tuple(what for what in Carries if lost in used[what])
        for left in links:
            if left != lost:
                yield _stand(host, host.wires[lost], host.wires[left], carried)


def _stand(host: HostWires, lost: Wire, left: Wire, carried: tuple[Carries, ...]) -> Stand:
    names = " and ".join(WORDS[what] for what in carried)
    both = max(lost.sent + left.sent, lost.received + left.received)
    head = f"If {lost.name} dies, {left.name} would have to carry {names} too: {rate(both)} as seen now"
    if left.bits_per_second is None:
        return Stand(host.name, lost.name, left.name, carried, None, None, f"{head}, of a speed not told.")
    speed = left.bits_per_second
    slower = min(speed, lost.bits_per_second or speed)
    fits, half = both <= speed, max(lost.load, left.load) <= HALF * slower
    verdict = "both fit" if fits else "they do not fit"
    more = "" if half else f"; but one alone fills more than half of {rate(slower)}, and both do not for long"
    if Carries.MIGRATION in carried and fits:
        more += f", and a migration gets the {rate(speed - both)} that are left"
    return Stand(
        host.name, lost.name, left.name, carried, fits, half, f"{head}, of {rate(speed)}: {verdict}{more}."
    )


def checks(
    hosts: Sequence[HostWires], rehearsed: Sequence[Rehearsal] = (), now: float = 0.0
) -> tuple[Check, ...]:
    """What speaks against this network. `rehearsed`: the last rehearsal of each network that was tried; `now`
    is Unix time."""
    asked = [host for host in hosts if not host.silent]
    shown = {
        name for each in rehearsed if each.held and each.network is Carries.MIGRATION for name in each.names
    }
    return (
        *_silent(hosts),
        *_migration(asked),
        *_single(asked, shown),
        *_shared(asked),
        *_mtu(asked),
        *_over(asked),
        *_tried(asked, rehearsed, now),
    )


def _tried(asked: Sequence[HostWires], rehearsed: Sequence[Rehearsal], now: float) -> Iterator[Check]:
    """What the rehearsals have shown, or have not."""
    for each in rehearsed:
        if not each.held:
            yield Check(
                "failover_did_not_hold",
                tuple(sorted(each.names)),
                f"The rehearsal of {day(each.at)} without the {WORDS[each.network]} network went badly.",
                "So neither would a real loss. Rehearse again once it is mended.",
            )
    held = [each for each in rehearsed if each.held]
    known = {name for each in held for name in each.names}
    never = tuple(host.name for host in asked if host.name not in known)
    if never and len(asked) > 1:
        where = f" on {', '.join(never)}" if known else " here"
        yield Check(
            "failover_never_tried",
            never,
            f"That one network stands in for another was never tried{where}.",
            "A path that is used for the first time in an emergency is where wrong VLANs, MTUs and "
            "firewalls are found. `standfast network rehearse-failover` tries it.",
        )
    elif held and (last := max(each.at for each in held)) < now - STALE_SECONDS:
        yield Check(
            "failover_tried_long_ago",
            tuple(host.name for host in asked),
            f"That one network stands in for another was last tried on {day(last)}.",
            "Switches, VLANs and firewalls change. `standfast network rehearse-failover` tries it again.",
        )


def day(at: float) -> str:
    """The date (UTC) of a Unix time."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _silent(hosts: Sequence[HostWires]) -> Iterator[Check]:
    for host in hosts:
        if host.silent:
            yield Check("not_asked", (host.name,), f"{host.name} could not be asked: {host.silent}", "")


def _migration(hosts: Sequence[HostWires]) -> Iterator[Check]:
    without = tuple(host.name for host in hosts if not host.carries.get(Carries.MIGRATION))
    if without and len(hosts) > 1:
        yield Check(
            "migration_unknown",
            without,
            f"Which link carries migrations is not known on {', '.join(without)}.",
            "Without migration_address in the config, libvirt takes what the other host's name resolves to.",
        )


def _single(hosts: Sequence[HostWires], shown: set[str]) -> Iterator[Check]:
    """`shown`: hosts whose second path a rehearsal has shown."""
    alone = []
    for host in hosts:
        links = {link for what in Carries for link in host.links_of(what)}
        if len(links) == 1:
            alone.append(host.name)
    if alone:
        yield Check(
            "single_shared_link",
            tuple(alone),
            f"One link carries everything on {', '.join(alone)}.",
            "A migration fills the link that it gets, and then management (and whoever decides that a host "
            "is dead) waits behind it; and one cable takes the host away.",
        )
    elif paths := tuple(host.name for host in hosts if _no_second_path(host) and host.name not in shown):
        yield Check(
            "no_second_path",
            paths,
            f"Migration has one link and no other to fall back to on {', '.join(paths)}.",
            "When that link dies the host can't be emptied, which is when it has to be.",
        )


def _no_second_path(host: HostWires) -> bool:
    """No bond under it: another network may take over only by hand."""
    return len(host.links_of(Carries.MIGRATION)) == 1


def _shared(hosts: Sequence[HostWires]) -> Iterator[Check]:
    both = tuple(
        host.name
        for host in hosts
        if set(host.links_of(Carries.STORAGE)) & set(host.links_of(Carries.MIGRATION))
    )
    if both:
        yield Check(
            "migration_over_storage",
            both,
            f"Migration and storage share a link on {', '.join(both)}.",
            "While memory is copied the disks of every VM on the host wait.",
        )


def _over(hosts: Sequence[HostWires]) -> Iterator[Check]:
    over = tuple(
        host.name
        for host in hosts
        if (mine := set(host.links_of(Carries.MIGRATION))) and mine == set(host.links_of(Carries.MANAGEMENT))
    )
    if over:
        yield Check(
            "migration_over_management",
            over,
            f"Migration goes over the management network on {', '.join(over)}.",
            "Memory goes there unencrypted in plain TCP, and a full link delays the words that steer hosts.",
        )


def _mtu(hosts: Sequence[HostWires]) -> Iterator[Check]:
    for what in Carries:
        sizes: dict[int, list[str]] = {}
        for host in hosts:
            for device in host.carries.get(what, ()):
                for name in (device, *host.links(device)):
                    sizes.setdefault(host.wires[name].mtu, []).append(f"{host.name} {name}")
        if len(sizes) > 1:
            told = "; ".join(f"{mtu} on {', '.join(sorted(set(who)))}" for mtu, who in sorted(sizes.items()))
            yield Check(
                "unequal_mtu",
                tuple(sorted({each.split()[0] for who in sizes.values() for each in who})),
                f"The MTU of the {WORDS[what]} network is not the same everywhere: {told}.",
                "Large packets vanish where it is smaller: connections open, and hang once data flows.",
            )


def about_probe(probed: Sequence[Probed], hosts: Sequence[HostWires]) -> Iterator[str]:
    """What the figures of a probe mean, where they are not what the links promise."""
    known = {host.name: host for host in hosts}
    for each in probed:
        if each.trouble:
            continue
        devices = [
            known[name].wires[device]
            for name in (each.source, each.target)
            if name in known
            for device in known[name].carries.get(Carries.MIGRATION, ())
        ]
        way = f"{each.source} -> {each.target}"
        speeds = [wire.bits_per_second for wire in devices if wire.bits_per_second]
        if speeds and each.bits_per_second < 0.8 * min(speeds):
            yield (
                f"{way}: {rate(each.bits_per_second)} come through of {rate(min(speeds))}. Migrations will "
                f"have no more than that: say migration_speed in the config."
            )
        if not each.mtu:
            yield f"{way}: no packet of 1280 bytes or more came back over UDP: the path's MTU is not known."
        elif devices and each.mtu < min(wire.mtu for wire in devices) and each.mtu < 9000:
            least = min(wire.mtu for wire in devices)
            yield f"{way}: packets of {each.mtu} bytes come through, those of the links' {least} do not."
