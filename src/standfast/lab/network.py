"""The lab's three bridges, the hosts' network namespaces and links, and how fast those are.

A host's namespace is a file (bind mount) in the host's directory: it outlives reboots of the container, so
the addresses and the bridge for guests are set from outside, once, and nothing inside has to configure them.
While a host is down its links are down, so that it does not answer. No packet is routed or translated
anywhere: a lab's networks end at its bridges.

Management and migration stand in for each other: everybody has a second, worse way to each of the two over
the other. It is used by who has lost the first, as when a whole network dies; who loses a single cable keeps
its first way, which leads nowhere, and is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from standfast.lab.errors import LabError
from standfast.lab.names import INNER_NAMES, Addresses, Names, Net, slots_of
from standfast.lab.system import run

GUEST_BRIDGE = "br-guest"
SHAPED = (Net.MANAGEMENT, Net.MIGRATION)
SECOND_WAY = 4000
"""Metric of the way over the other network: any other is better."""


def _ip(lines: Iterable[str], *, netns: Path | None = None, what: str) -> None:
    prefix: list[str | Path] = ["nsenter", f"--net={netns}"] if netns else []
    run([*prefix, "ip", "-batch", "-"], stdin="\n".join(lines) + "\n", what=what)


def links() -> list[str]:
    """Names of all interfaces in the machine's own namespace."""
    shown = json.loads(run(["ip", "-json", "link", "show"]).stdout or "[]")
    return [link["ifname"] for link in shown if "ifname" in link]


def taken_slots() -> frozenset[int]:
    """Address blocks in which this machine already has an address or a route."""
    networks: set[IPv4Network] = set()
    for interface in json.loads(run(["ip", "-4", "-json", "address", "show"]).stdout or "[]"):
        for info in interface.get("addr_info", ()):
            networks.add(IPv4Network(f"{info['local']}/{info['prefixlen']}", strict=False))
    for route in json.loads(run(["ip", "-4", "-json", "route", "show"]).stdout or "[]"):
        if route["dst"] != "default":
            networks.add(IPv4Network(route["dst"], strict=False))
    return slots_of(networks)


def make_bridges(names: Names, addresses: Addresses) -> None:
    """Bridges for management, migration and guests; the machine has an address in the first and the last."""
    lines = []
    for net in Net:
        bridge = names.bridge(net)
        lines.append(f"link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0")
        # Without this the kernel gives the bridge a link-local IPv6 address and talks on it.
        lines.append(f"link set {bridge} addrgenmode none")
        if net is not Net.MIGRATION:
            lines.append(f"address add {addresses.machine(net)}/24 dev {bridge}")
        lines.append(f"link set {bridge} up")
    management, beside = addresses.machine(Net.MANAGEMENT), names.bridge(Net.MIGRATION)
    lines.append(
        f"route add {addresses.network(Net.MANAGEMENT)} dev {beside} metric {SECOND_WAY} src {management}"
    )
    _ip(lines, what=f"Making the bridges of lab {names.lab}")
    # The bridge itself stays up when all of its hosts' links are gone; its way must not be taken then.
    run(_switch_on(f"ipv4/conf/{names.bridge(Net.MANAGEMENT)}/ignore_routes_with_linkdown"))


def _switch_on(setting: str) -> list[str]:
    """A command; `sysctl` is not on every machine."""
    return ["sh", "-c", f"echo 1 >/proc/sys/net/{setting}"]


def make_host_links(names: Names, addresses: Addresses, number: int, netns: Path) -> None:
    """The namespace of host ``number`` with an interface in each network and ``br-guest`` on the guests'
    one."""
    netns.parent.mkdir(parents=True, exist_ok=True)
    netns.touch()
    what = f"Making the network of host {number} of lab {names.lab}"
    quiet = _switch_on("ipv6/conf/all/disable_ipv6")  # inside the new namespace: the lab speaks IPv4 only
    run(["unshare", f"--net={netns}", *quiet], check=False)
    outer = []
    for net in Net:
        veth = names.outer_veth(net, number)
        outer += [
            f"link add {veth} type veth peer name {INNER_NAMES[net]} netns {netns}",
            f"link set {veth} addrgenmode none",
            f"link set {veth} master {names.bridge(net)}",
        ]
    _ip(outer, what=what)
    guest = INNER_NAMES[Net.GUEST]
    inner = [
        "link set lo up",
        f"link add {GUEST_BRIDGE} type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
    ]
    inner += [f"address add {addresses.member(net, number)}/24 dev {INNER_NAMES[net]}" for net in SHAPED]
    inner += [f"link set {name} up" for name in INNER_NAMES.values()]
    inner += [f"link set {guest} master {GUEST_BRIDGE}", f"link set {GUEST_BRIDGE} up"]
    for net, other in (SHAPED, SHAPED[::-1]):
        own, way = addresses.member(net, number), f"{addresses.network(net)} dev {INNER_NAMES[other]}"
        inner.append(f"route add {way} metric {SECOND_WAY} src {own}")
    _ip(inner, netns=netns, what=what)


def remove_links(names: Names) -> None:
    """Remove every interface of the lab in the machine's namespace; the hosts' ends go with them."""
    for link in links():
        if link.startswith(names.interface_prefix):
            run(["ip", "link", "delete", link], check=False)
    left = [link for link in links() if link.startswith(names.interface_prefix)]
    if left:
        raise LabError(
            f"The interfaces {', '.join(left)} cannot be removed; try `ip link delete {left[0]}` to see why."
        )


def set_link(names: Names, number: int, net: Net, *, up: bool) -> None:
    """Plug a host's cable in one network in or out. A boot plugs all of them in."""
    veth = names.outer_veth(net, number)
    _ip([f"link set {veth} {'up' if up else 'down'}"], what=f"Setting the link {veth}")


def shape(names: Names, number: int, netns: Path, net: Net, rate: int | None) -> None:
    """Limit both directions of a host's link to ``rate`` bit/s (None: no limit); works while it is in use."""
    inside: Sequence[str | Path] = ["nsenter", f"--net={netns}"]
    for prefix, device in (([], names.outer_veth(net, number)), (inside, INNER_NAMES[net])):
        if rate is None:
            run([*prefix, "tc", "qdisc", "delete", "dev", device, "root"], check=False)
            continue
        # A bucket must hold what arrives between two timer ticks (250 Hz) and at least some large (64 KiB)
        # packets.
        burst = max(256 * 1024, rate // 8 // 250)
        bucket = ["rate", f"{rate}bit", "burst", f"{burst}b", "latency", "50ms"]
        run(
            [*prefix, "tc", "qdisc", "replace", "dev", device, "root", "tbf", *bucket],
            what=f"Setting the speed of {device}",
        )


def shaping(names: Names, number: int, net: Net) -> str:
    """How a host's link in one network is limited, in the words of `tc`."""
    return run(["tc", "qdisc", "show", "dev", names.outer_veth(net, number)], check=False).stdout
