"""A rehearsal: one network is taken away for some seconds, and what is seen of the other meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from standfast.model.wires import Carries


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a host's main table. `to` is a network as CIDR. `devices` are several where it is spread
    over several; `link`: made by the kernel for the addresses of the device itself. `kind` is `unicast`, or
    what refuses packets (`unreachable`, `blackhole` and the like)."""

    to: str
    devices: tuple[str, ...]
    metric: int = 0
    link: bool = False
    kind: str = "unicast"


@dataclass(frozen=True, slots=True)
class Paths:
    """How one host sees its ways at one moment. `ways`: address to device, empty where there is no way;
    `asker`: where we come from, as the host sees it.

    What follows `vms` is only known where all was asked: what lies on top of the device, whoever is at the
    other end of connections and mounts that go over it, what fences, VMs that migrate, whether the host
    routes by more than its main table.
    """

    host: str
    state: str = "missing"
    ways: Mapping[str, str] = field(default_factory=dict)
    asker: str = ""
    libvirt: bool = False
    vms: tuple[str, ...] = ()
    uppers: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    keepers: tuple[str, ...] = ()
    movers: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    addresses: tuple[str, ...] = ()
    own_rules: bool = False
    silent: str = ""


@dataclass(frozen=True, slots=True)
class FailedWay:
    """One way between two hosts, in bits per second before, while the network was away, and afterwards; None
    where nothing came through or it was not tried. `carried_by`: what the way left by meanwhile;
    `silent_seconds`: the longest time without an answer, from before until after; None: not known.

    `fits`: what both networks carried before fits into what came through; `half`: each would also if it grew
    to half of it (and not more). None: not known.
    """

    source: str
    target: str
    before: float | None = None
    during: float | None = None
    after: float | None = None
    carried_by: str = ""
    silent_seconds: float | None = None
    both: float | None = None
    fits: bool | None = None
    half: bool | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class FailedHost:
    """One host through a rehearsal. `reached`: by us, meanwhile; `silent_seconds`: the longest time in which
    it did not answer us. `back`: its device, ways, routes and addresses are as before."""

    host: str
    device: str
    gone: bool = False
    reached: bool = False
    silent_seconds: float | None = None
    libvirt: bool = False
    vms: int = 0
    same_vms: bool = False
    back: bool = False
    trouble: str = ""

    @property
    def well(self) -> bool:
        return (
            self.gone and self.reached and self.libvirt and self.same_vms and self.back and not self.trouble
        )


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was seen. `at` is Unix time, `seconds` how long the network was away."""

    cluster: str
    network: Carries
    at: float
    seconds: int
    hosts: tuple[FailedHost, ...] = ()
    ways: tuple[FailedWay, ...] = ()

    @property
    def held(self) -> bool:
        """Whether the other network carried both: every host was reached and is as before, every way that was
        tried led over another device, and at least one was."""
        tried = [way for way in self.ways if way.during is not None or way.trouble]
        carried = all(not way.trouble and way.during and way.after and self._other(way) for way in tried)
        return bool(tried) and carried and bool(self.hosts) and all(host.well for host in self.hosts)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(host.host for host in self.hosts)

    def _other(self, way: FailedWay) -> bool:
        lost = next((host.device for host in self.hosts if host.host == way.source), "")
        return bool(way.carried_by) and way.carried_by != lost


@dataclass(frozen=True, slots=True)
class Rehearsals:
    """Those of all clusters that are remembered, oldest first."""

    kept: tuple[Rehearsal, ...] = ()

    def last(self, cluster: str) -> tuple[Rehearsal, ...]:
        """The last one of each network of that cluster."""
        found = {each.network: each for each in self.kept if each.cluster == cluster}
        return tuple(found[network] for network in Carries if network in found)
