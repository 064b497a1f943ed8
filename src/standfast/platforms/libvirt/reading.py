"""One host read whole: its networks, storage and domains, in a handful of calls.

Every tick asks for states and flags of all domains at once. What is long and seldom changes (a domain's XML,
the host's capabilities, its networks and pools) is kept, and read again when an event says that it changed,
when a domain starts or stops, and after a while in any case, since not every change has an event.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from standfast.model.cluster import Cpu
from standfast.model.errors import OutsideError, RefusedError, UnreachableError
from standfast.model.ids import HostId, VmId
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.capabilities import PoolXml, parse_capabilities, parse_pool
from standfast.platforms.libvirt.cpus import CpuExpander
from standfast.platforms.libvirt.domain import Definition, bridge, parse_domain
from standfast.platforms.libvirt.surroundings import Surroundings

LookAround = Callable[[str], Surroundings | None]
"""By the host's name; None where it can't be asked at all, UnreachableError where it does not answer now."""

OLDEST_LIBVIRT = 6_005_000
"""6.5.0: the first that runs every hook in /etc/libvirt/hooks/qemu.d, on which the cordon rests."""

XML_SECONDS = 30.0
PLACES_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class DomainReading:
    """One domain on one host. `state` and `reason` are virDomainState and its reason, as numbers."""

    definition: Definition
    active: bool
    state: int
    reason: int
    persistent: bool
    autostart: bool
    managed_save: bool
    cpu: Cpu | None
    snapshots: bool = False


@dataclass(frozen=True, slots=True)
class HostReading:
    """One host at one instant."""

    id: HostId
    memory_bytes: int
    cpu: Cpu | None
    libvirt_version: int
    hypervisor_version: int
    hypervisor: str
    machine_types: frozenset[str]
    networks: frozenset[str]
    pools: Mapping[str, PoolXml]
    mounts: Mapping[str, str]
    domains: tuple[DomainReading, ...]


@dataclass(frozen=True, slots=True)
class _Machine:
    """What stays the same as long as the connection does."""

    id: HostId
    memory_bytes: int
    cpu: Cpu | None
    libvirt_version: int
    hypervisor_version: int
    hypervisor: str
    machine_types: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Places:
    networks: frozenset[str]
    pools: Mapping[str, PoolXml]
    read_at: float


@dataclass(frozen=True, slots=True)
class _Kept:
    definition: Definition
    cpu: Cpu | None
    active: bool
    read_at: float


def version_parts(number: int) -> tuple[int, int, int]:
    """libvirt's `1000000 * major + 1000 * minor + micro` taken apart."""
    return number // 1_000_000, number // 1000 % 1000, number % 1000


def version_text(number: int) -> str:
    """The same as `11.3.0`."""
    return ".".join(map(str, version_parts(number)))


class Reader:
    """Reads one host. `read` runs in the host's line only; `forget` may be called from any thread."""

    def __init__(self, name: str, look_around: LookAround) -> None:
        self.name = name
        self._look_around = look_around
        self._around: Surroundings | None = None
        self._machine: _Machine | None = None
        self._places: _Places | None = None
        self._kept: dict[VmId, _Kept] = {}
        self._expander = CpuExpander()

    def forget(self, vm: VmId | None = None) -> None:
        """Read this domain's XML again next time; without one, everything."""
        if vm is not None:
            self._kept.pop(vm, None)
            return
        self._machine = None
        self._places = None
        self._kept = {}
        self._expander = CpuExpander()

    def read(self, connection: Any) -> HostReading:
        """The host now. Raises libvirtError, RefusedError (`host_too_old`), Outside- and UnreachableError."""
        now = time.monotonic()
        machine = self._machine or self._read_machine(connection)
        self._machine = machine
        places = self._places
        if places is None or now - places.read_at > PLACES_SECONDS:
            around = self._around = self._see_around()
            places = self._places = _Places(_networks(connection, around), _pools(connection), now)
        return HostReading(
            machine.id,
            machine.memory_bytes,
            machine.cpu,
            machine.libvirt_version,
            machine.hypervisor_version,
            machine.hypervisor,
            machine.machine_types,
            places.networks,
            places.pools,
            self._around.mounts if self._around is not None else {},
            self._read_domains(connection, now, machine.cpu),
        )

    def _see_around(self) -> Surroundings:
        """What could not be asked this time is as it was; what can't be asked at all is not there.

        Raises UnreachableError where it was never known: a host whose bridges are unknown for a moment, as
        after a restart of ours, would look like one that has none and no room for anybody's VM.
        """
        try:
            found = self._look_around(self.name)
        except UnreachableError:
            if self._around is None:
                raise
            found = None
        return found or self._around or Surroundings()

    def _read_machine(self, connection: Any) -> _Machine:
        version = int(connection.getLibVersion())
        if version < OLDEST_LIBVIRT:
            raise RefusedError(
                "host_too_old",
                f"its libvirt {version_text(version)} is older than {version_text(OLDEST_LIBVIRT)}",
                where=self.name,
                why="older ones can't keep a host free of VMs by a hook of ours",
                do="Upgrade it, or leave the host out.",
            )
        try:
            found = parse_capabilities(connection.getCapabilities())
        except ValueError as error:
            raise OutsideError(
                "libvirt_answer", "libvirt's answer makes no sense", where=self.name, why=str(error)
            ) from error
        hypervisor_version = int(connection.getVersion())
        words = f"{connection.getType()} {version_text(hypervisor_version)}, libvirt {version_text(version)}"
        return _Machine(
            id=found.id,
            memory_bytes=int(connection.getInfo()[1]) * 1024**2,
            cpu=self._expander.host(connection, found),
            libvirt_version=version,
            hypervisor_version=hypervisor_version,
            hypervisor=words,
            machine_types=found.machine_types,
        )

    def _read_domains(self, connection: Any, now: float, host_cpu: Cpu | None) -> tuple[DomainReading, ...]:
        group = libvirt.VIR_DOMAIN_STATS_STATE
        nowait = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        try:
            rows = connection.getAllDomainStats(group, nowait)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_NO_SUPPORT):
                raise
            rows = connection.getAllDomainStats(group, 0)  # the test driver knows no flags
        marks = {name: _listed(connection, flag) for name, flag in _MARKS.items()}
        found = [self._read_domain(domain, stats, marks, now, host_cpu) for domain, stats in rows]
        domains = tuple(domain for domain in found if domain is not None)
        self._kept = {
            domain.definition.id: kept
            for domain in domains
            if (kept := self._kept.get(domain.definition.id)) is not None
        }
        return domains

    def _read_domain(
        self,
        domain: Any,
        stats: Mapping[str, Any],
        marks: Mapping[str, frozenset[str]],
        now: float,
        host_cpu: Cpu | None,
    ) -> DomainReading | None:
        vm = VmId(domain.UUIDString())
        state, reason = int(stats.get("state.state", 0)), int(stats.get("state.reason", 0))
        active = state not in (libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_NOSTATE) or domain.ID() >= 0
        kept = self._kept.get(vm)
        if kept is None or kept.active != active or now - kept.read_at > XML_SECONDS:
            try:
                definition = parse_domain(domain.XMLDesc(0))
            except libvirt.libvirtError as error:
                if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
                    return None  # gone between the two calls
                raise
            cpu = self._expander.guest(domain.connect(), definition, host_cpu) if active else definition.cpu
            kept = self._kept[vm] = _Kept(definition, cpu, active, now)
        return DomainReading(
            kept.definition,
            active,
            state,
            reason,
            persistent=vm not in marks["transient"],
            autostart=vm in marks["autostart"],
            managed_save=vm in marks["managed_save"],
            cpu=kept.cpu,
            snapshots=vm in marks["snapshots"],
        )


_MARKS = {
    "transient": libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT,
    "autostart": libvirt.VIR_CONNECT_LIST_DOMAINS_AUTOSTART,
    "managed_save": libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
    "snapshots": libvirt.VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT,
}


def _listed(connection: Any, flag: int) -> frozenset[str]:
    return frozenset(domain.UUIDString() for domain in connection.listAllDomains(flag))


def _networks(connection: Any, around: Surroundings) -> frozenset[str]:
    """libvirt's active networks by name, bridges as `bridge:NAME`, other devices as `device:NAME`."""
    active = libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE
    networks = {network.name() for network in _try(connection.listAllNetworks, active)}
    bridges = {bridge(name) for name in around.bridges}
    return frozenset(networks | bridges | {f"device:{name}" for name in around.devices})


def _pools(connection: Any) -> Mapping[str, PoolXml]:
    active = libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE
    return {pool.name(): parse_pool(pool.XMLDesc(0)) for pool in _try(connection.listAllStoragePools, active)}


def _try(list_all: Callable[[int], list[Any]], flag: int) -> list[Any]:
    """What a driver lists; nothing where this libvirt has no such driver."""
    try:
        return list_all(flag)
    except libvirt.libvirtError as error:
        if error.get_error_code() in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_NO_CONNECT):
            return []
        raise
