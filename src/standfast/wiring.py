"""The composition root: a cluster of the config made into the ports that a run is handed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from standfast.config import ClusterConfig, Config, HostConfig, SimConfig
from standfast.config.outward import HttpConfig, ReceiverConfig
from standfast.config.types import CommandsConfig
from standfast.model.cluster import MoveLimits, Snapshot
from standfast.model.errors import UsageError
from standfast.model.ids import HostId
from standfast.platforms.passing import Passing
from standfast.ports import Outside, Platform, Silencer
from standfast.run.clock import WallClock

if TYPE_CHECKING:
    from standfast.notify.receivers import Receiver
    from standfast.platforms.libvirt.hosts import LibvirtHost
    from standfast.platforms.simulated import SimSpec
    from standfast.transports.http import HttpServer
    from standfast.transports.ssh import SshTarget


def outside_for(
    cluster: ClusterConfig,
    state_dir: Path,
    known_ids: Mapping[str, HostId],
    clock: WallClock | None = None,
    *,
    patient: bool = False,
) -> Outside:
    """The outside world of one cluster; nothing is connected to yet. `clock` is real time where the cluster
    has no time of its own: it is woken when a migration has ended.

    `known_ids` are host UUIDs by name as seen before: a host that is down can't say its own. `patient`: the
    first look may take long, since whoever looks holds no lease. Raises StandfastError.
    """
    if cluster.platform == "simulated":
        outside = _simulated(cluster)
    else:
        outside = _libvirt(cluster, known_ids, clock or WallClock(), patient=patient)
    if cluster.probes and cluster.platform != "simulated":
        from standfast.platforms.probing import Probing

        outside = replace(outside, platform=Probing(outside.platform, cluster.probes))
    if cluster.commands.console:
        outside = replace(outside, console=CommandConsole(cluster.commands, outside.names))
    if not cluster.silences:
        return outside
    return replace(outside, silencers=(*outside.silencers, *_silencers(cluster, outside.names)))


def _silencers(cluster: ClusterConfig, names: Mapping[HostId, str]) -> Iterator[Silencer]:
    """The cluster's monitoring; nothing is connected to yet."""
    from standfast.config.types import address_of
    from standfast.silences.alertmanager import Alertmanager
    from standfast.silences.webhook import Webhook

    addresses = {host.name: address_of(host.ssh) for host in cluster.hosts}

    def name_of(host: HostId) -> str:
        return names.get(host, str(host))

    for each in cluster.silences:
        server = http_server(each.name, each.http)
        if each.kind == "webhook":
            yield Webhook(each.name, server, name_of, each.lease_seconds, time.time)
        else:
            yield Alertmanager(
                name=each.name,
                server=server,
                matchers=each.matchers,
                name_of=name_of,
                address_of=lambda host: addresses.get(name_of(host), ""),
                lease_seconds=each.lease_seconds,
                now=time.time,
                watched_alerts=each.hold_on_alerts,
            )


def receivers_of(config: Config) -> tuple[Receiver, ...]:
    """All who are told of runs; nothing is connected to yet."""
    return tuple(_receiver(each) for each in config.notify)


def _receiver(each: ReceiverConfig) -> Receiver:
    from standfast.notify.receivers import ExecReceiver, MailReceiver, WebhookReceiver

    if each.http is not None:
        server = http_server(each.name, each.http, each.timeout_seconds)
        return WebhookReceiver(each.name, each.on, server)
    if each.mail is not None:
        mail = each.mail
        return MailReceiver(
            name=each.name,
            on=each.on,
            host=mail.server,
            port=mail.port,
            tls=mail.tls,
            sender=mail.sender,
            to=mail.to,
            username=mail.username,
            password_file=mail.password_file,
            ca_file=mail.ca_file,
            timeout_seconds=each.timeout_seconds,
        )
    return ExecReceiver(each.name, each.on, each.command, each.timeout_seconds)


def http_server(name: str, http: HttpConfig, timeout_seconds: float = 10.0) -> HttpServer:
    """The server as the transport wants it."""
    from standfast.transports.http import HttpServer

    return HttpServer(
        name=name,
        url=http.url,
        username=http.username,
        password_file=http.password_file,
        bearer_token_file=http.bearer_token_file,
        ca_file=http.ca_file,
        timeout_seconds=timeout_seconds,
        url_file=http.url_file,
    )


class _Named(Passing):
    """A platform that tells a book of names which host is which, whenever it has looked."""

    def __init__(self, platform: Platform, names: dict[HostId, str]) -> None:
        super().__init__(platform)
        self._names = names

    def observe(self) -> Snapshot:
        snapshot = self._platform.observe()
        self._names.update({host.id: host.name for host in snapshot.hosts})
        return snapshot


def _libvirt(
    cluster: ClusterConfig, known_ids: Mapping[str, HostId], clock: WallClock, *, patient: bool
) -> Outside:
    from standfast.platforms.libvirt.fence import LibvirtFence
    from standfast.platforms.libvirt.platform import PATIENT_SECONDS, LibvirtPlatform
    from standfast.platforms.libvirt.uri import peer_uri
    from standfast.updates.apt import AptWork
    from standfast.updates.examiner import Peer, SshExaminer

    targets = ssh_targets(cluster)
    # A host that did not answer while the run was planned has no UUID on record, only a stand-in.
    known_ids = {
        name: id for name, id in known_ids.items() if name in targets and not id.startswith("unknown:")
    }
    names = {id: name for name, id in known_ids.items()}

    def name_of(host: HostId) -> str:
        return names.get(host, str(host))

    fence = LibvirtFence(targets, name_of=name_of)
    platform = LibvirtPlatform(
        cluster.name,
        [libvirt_host(host) for host in cluster.hosts],
        clock=time.time,
        ssh_config=cluster.ssh_config,
        known_ids=known_ids,
        shared_paths=cluster.shared_paths,
        mounts_of=fence.mounts,
        journal_of=fence.journal,
        ended=clock.wake,
        first_seconds=PATIENT_SECONDS if patient else None,
    )
    work = AptWork(targets, name_of=name_of)
    peers = [
        Peer(
            host.name,
            peer_uri(host.peer_uri or None, host.uri, host.migration_address),
            host.migration_address,
        )
        for host in cluster.hosts
    ]
    examiner = SshExaminer(targets, peers, name_of=name_of)
    return Outside(_Named(platform, names), fence, work, clock, names, examiner, measuring=platform)


def ssh_targets(cluster: ClusterConfig) -> dict[str, SshTarget]:
    """How each host is reached by ssh, by its name."""
    from standfast.transports.ssh import SshTarget

    return {
        host.name: SshTarget(host.name, host.ssh, cluster.ssh_config, kit=cluster.host_kit)
        for host in cluster.hosts
    }


def libvirt_host(host: HostConfig) -> LibvirtHost:
    """The host as the libvirt platform wants it."""
    from standfast.platforms.libvirt.hosts import LibvirtHost

    usual = MoveLimits()
    return LibvirtHost(
        name=host.name,
        uri=host.uri,
        peer_uri=host.peer_uri or None,
        migration_address=host.migration_address,
        memory_bytes=host.memory_bytes,
        fault_domain=host.fault_domain,
        limits=MoveLimits(
            host.moves_out or usual.outbound,
            host.moves_in or usual.inbound,
            wanted=bool(host.moves_out or host.moves_in),
        ),
        migration_bits_per_second=host.migration_bits_per_second,
    )


def _simulated(cluster: ClusterConfig) -> Outside:
    """A world in a file: made where there is none, shared by all processes that name it."""
    from standfast.platforms.simulated import FileWorld, build_outside

    declared = cluster.simulated
    assert declared is not None, cluster.name
    if declared.world.exists():
        return build_outside(FileWorld(declared.world))
    try:
        declared.world.parent.mkdir(parents=True, exist_ok=True)
        made = FileWorld.create(declared.world, _sim_spec(declared, cluster.name))
    except OSError as error:
        raise UsageError(
            "world_unwritable",
            "the simulated world can't be made",
            where=str(declared.world),
            why=error.strerror or str(error),
            do="Name another file under simulated: {world: FILE}.",
        ) from error
    return build_outside(made)


def _sim_spec(declared: SimConfig, cluster: str) -> SimSpec:
    from standfast.platforms.simulated import SimSpec

    return SimSpec(
        hosts=declared.hosts,
        vms=declared.vms,
        seed=declared.seed,
        cluster=cluster,
        boot_seconds=declared.boot_seconds,
        pace=declared.pace,
    )


def simulated_host_names(declared: SimConfig) -> set[str]:
    """The names of a simulated cluster's hosts, as they are or will be. Raises FileFormatError."""
    from standfast.platforms.simulated import FileWorld, SimWorld

    if declared.world.exists():
        return set(FileWorld(declared.world).names.values())
    return set(SimWorld(_sim_spec(replace(declared, vms=0), "")).names.values())


@dataclass(frozen=True)
class CommandConsole:
    """`ports.Console` by a command of the config."""

    commands: CommandsConfig
    names: Mapping[HostId, str]

    def ask(self, host: HostId) -> str:
        from standfast.transports import command

        name = self.names.get(host, str(host))
        said = command.run(
            about_host(self.commands.console, name), timeout_seconds=self.commands.timeout_seconds, where=name
        )
        if said.exit_code != 0:
            return f"(its command ended with {said.exit_code}) {said.words}".strip()
        return said.words


def about_host(words: tuple[str, ...], name: str) -> list[str]:
    """A command of the config with the host's name in its place."""
    return [word.replace("{host}", name) for word in words]
