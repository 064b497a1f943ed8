"""Whether a network may be taken away for a rehearsal, and what the rehearsal showed. Pure.

Nothing may be cut that has no other way: it is found by looking routes up as they would be without the
device, for everybody who is known to be at the other end. What can't be told is taken for no.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network

from standfast.doctor.wires import HALF, WORDS
from standfast.model.failover import FailedWay, Paths, Rehearsal, Route
from standfast.model.units import rate, span
from standfast.model.wires import Carries, HostWires


def device_of(wires: HostWires, network: Carries) -> str:
    """The one device that carries it on that host; empty where that is none or several."""
    devices = wires.carries.get(network, ())
    return devices[0] if len(devices) == 1 else ""


def against_wires(wires: HostWires, network: Carries) -> Iterator[str]:
    """What the links of a host have against it."""
    name, device = wires.name, device_of(wires, network)
    if wires.silent:
        yield f"{name} could not be asked: {wires.silent}"
        return
    if not device:
        known = ", ".join(wires.carries.get(network, ())) or "nothing known"
        yield f"On {name} the {WORDS[network]} network is not on one device: {known}."
        return
    for other in Carries:
        if other is not network and device in wires.carries.get(other, ()):
            yield f"On {name} {device} carries {WORDS[other]} too: nothing would be left for it."
    mine = set(wires.links(device))
    beside = {
        link
        for other in (Carries.MANAGEMENT, Carries.MIGRATION)
        if other is not network
        for link in wires.links_of(other)
    }
    if mine & beside and device not in mine:
        yield f"On {name} both networks go over {', '.join(sorted(mine & beside))}: there is no second path."


def against_paths(paths: Paths, device: str, peers: Sequence[str]) -> Iterator[str]:
    """What would be lost with `device` and has no other way. `peers`: migration addresses of other hosts."""
    name = paths.host
    if paths.silent:
        yield f"{name} could not be asked: {paths.silent}"
        return
    if paths.state not in ("up", "unknown"):
        yield f"{device} of {name} is {paths.state} already."
    if not paths.libvirt:
        yield f"libvirt of {name} does not answer."
    if paths.uppers:
        what = ", ".join(paths.uppers)
        yield f"On {name} {what} would go down with {device}: VMs or other networks hang on it."
    if paths.keepers:
        yield f"On {name} runs {', '.join(paths.keepers)}, which may fence hosts when a network is away."
    if paths.movers:
        yield f"On {name} a VM is migrating: {', '.join(paths.movers)}."
    if paths.own_rules:
        yield f"{name} routes by rules of its own: what would be left can't be told."
    yield from _no_second_way(paths, device, peers)


def second_way(routes: tuple[Route, ...], address: str, lost: str) -> str:
    """The device by which that address would be reached without `lost`; empty where there is no way.

    Longest prefix first, then the lowest metric, as the kernel looks. Raises ValueError for no IP address.
    """
    wanted = ip_address(address)
    fitting = [
        (-network.prefixlen, route.metric, route)
        for route in routes
        if lost not in route.devices
        and (network := ip_network(route.to, strict=False)).version == wanted.version
        and wanted in network
    ]
    best = min(fitting, key=lambda each: each[:2], default=None)
    if best is None or best[2].kind != "unicast" or not best[2].devices:
        return ""
    return best[2].devices[0]


def _no_second_way(paths: Paths, device: str, peers: Sequence[str]) -> Iterator[str]:
    ends = {address for address in (*peers, paths.asker, *paths.far) if address}
    over = [address for address in sorted(ends) if paths.ways.get(address) == device or address in paths.far]
    lost = []
    for address in over:
        if ":" in address:  # its own IPv6 addresses leave a device that goes down
            yield f"{paths.host} talks to {address} by IPv6, and its own address goes away with {device}."
        elif not second_way(paths.routes, address, device):
            lost.append(address)
    if lost:
        yield f"Without {device} {paths.host} has no way to {', '.join(lost)}."
    for route in paths.routes:
        if device in route.devices and not route.link and route.to != "fe80::/64":
            if len(route.devices) > 1:
                yield f"On {paths.host} the route to {route.to} is spread over {', '.join(route.devices)}."
            elif not _covered(paths, route.to, device):
                yield f"Without {device} {paths.host} has no way to {route.to}."


def _covered(paths: Paths, network: str, device: str) -> bool:
    head = network.split("/")[0]
    return bool(second_way(paths.routes, head, device))


def judged(way: FailedWay, source: HostWires | None) -> FailedWay:
    """The same with whether both networks fit, by their loads on the sender before the network was taken."""
    if source is None or way.during is None:
        return way
    links = {link for what in (Carries.MANAGEMENT, Carries.MIGRATION) for link in source.links_of(what)}
    wires = [source.wires[link] for link in links]
    if not wires:
        return way
    both = max(sum(wire.sent for wire in wires), sum(wire.received for wire in wires))
    slower = min(way.during, way.before or way.during)
    half = max(wire.load for wire in wires) <= HALF * slower
    return replace(way, both=both, fits=both <= way.during, half=half)


def sentences(found: Rehearsal) -> Iterator[str]:
    """What it showed, worst first."""
    word = WORDS[found.network]
    for host in found.hosts:
        if not host.back:
            yield f"{host.host}: {host.device} is not as before. Look at it now. {host.trouble}".strip()
        elif host.trouble:
            yield f"{host.host}: {host.trouble}"
        if not host.gone:
            yield f"{host.host}: {host.device} was not seen to be down, so this shows nothing of it."
        if not host.reached:
            yield f"{host.host} was not reached while the {word} network was away."
        elif not host.libvirt:
            yield f"libvirt of {host.host} did not answer while the {word} network was away."
        if not host.same_vms:
            yield f"{host.host} does not run the VMs that it ran before."
    for way in found.ways:
        head = f"{way.source} -> {way.target}"
        if way.trouble:
            yield f"{head}: {way.trouble}"
        elif way.during is None:
            yield f"{head} was not tried: there was no time left. Give more --seconds."
        elif way.fits is False:
            yield f"{head}: the {rate(way.both or 0)} of both networks do not fit into {rate(way.during)}."
        elif way.half is False:
            yield f"{head}: both fit as seen now, but one alone fills more than half: not for long."
    if not found.held:
        yield f"So nothing says that the other network carries both while the {word} network is away."
    else:
        yield (
            f"The {word} network was away for {found.seconds} s and the other one carried both. For at most "
            f"{_silence(found)} nothing came through between two hosts."
        )


def _silence(found: Rehearsal) -> str:
    known = [way.silent_seconds for way in found.ways if way.silent_seconds is not None]
    return span(max(known)) if known else "a time that is not known"
