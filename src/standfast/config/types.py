"""What a config says, as frozen values: sizes are bytes, speeds bits per second, paths absolute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from standfast.config.outward import ReceiverConfig, SilencerConfig
from standfast.model.errors import ConfigError
from standfast.model.policy import Policy
from standfast.model.probes import VmProbe
from standfast.model.unmovable import Handling

PlatformName = Literal["libvirt", "simulated"]


@dataclass(frozen=True, slots=True)
class HostConfig:
    """One host as declared. What is None is observed, or has the product's default."""

    name: str
    uri: str = ""
    """libvirt connection URI; empty for a simulated host."""
    ssh: str = ""
    """For the system's ssh: `root@host` or `ssh://root@host:port`; from the URI where not given."""
    migration_address: str = ""
    """Address on the migration network; empty: the platform chooses."""
    memory_bytes: int | None = None
    peer_uri: str = ""
    """How another host reaches this one's hypervisor; empty: the same as `uri`."""
    fault_domain: str = ""
    migration_bits_per_second: int | None = None
    moves_out: int | None = None
    moves_in: int | None = None


@dataclass(frozen=True, slots=True)
class RulesConfig:
    """Rules by name, as written; `standfast.config.rules.resolve` turns names into ids."""

    anti_affinity: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Rule name to VM names (or UUIDs)."""
    pins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """VM name (or UUID) to host names."""
    memory_ceiling: float = 0.90
    reserve_hosts: int = 1
    priorities: Mapping[str, int] = field(default_factory=dict)
    """VM name (or UUID) to its priority in an evacuation."""
    unmovable: Mapping[str, Handling] = field(default_factory=dict)
    """VM name (or UUID) to what is done if it can't be moved."""
    controller: str = ""
    """VM name (or UUID) that this controller runs in; empty: by its machine's UUID."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """`anti_affinity.NAME`, `pins.VM`, `unmovable.VM`, `controller` to `file:line`, for errors in names."""


@dataclass(frozen=True, slots=True)
class SimConfig:
    """A simulated cluster: the file that its world lives in, and how a new one begins."""

    world: Path
    hosts: int = 4
    vms: int = 10
    seed: int = 0
    boot_seconds: float = 45.0
    pace: float | None = None
    """Simulated seconds in one real second; None: as fast as it goes."""


@dataclass(frozen=True, slots=True)
class CommandsConfig:
    """The operator's own commands about a host: program and arguments, `{host}` stands for its name."""

    console: tuple[str, ...] = ()
    """Says on one line what is known of a host that can't be asked."""
    health: tuple[str, ...] = ()
    """Ends with 0 while the host is well; else its words say what is wrong."""
    health_every_seconds: float = 60.0
    health_failures: int = 3
    """So many bad answers in a row have the host evacuated."""
    timeout_seconds: float = 20.0


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One cluster."""

    name: str
    platform: PlatformName
    hosts: tuple[HostConfig, ...] = ()
    ssh_config: Path | None = None
    host_kit: bool = False
    """Accounts on the hosts are not root; what is asked goes through the programs of the host kit."""
    probes: Mapping[str, VmProbe] = field(default_factory=dict)
    """What of a VM is asked while it moves, by its name."""
    guest_timeouts: Mapping[str, float] = field(default_factory=dict)
    """After how many seconds of silence a VM's own cluster or clients give it up, by its name."""
    shared_paths: tuple[str, ...] = ()
    """Folders whose files every host sees as the same bytes."""
    rules: RulesConfig = field(default_factory=RulesConfig)
    policy: Policy = field(default_factory=Policy)
    simulated: SimConfig | None = None
    silences: tuple[SilencerConfig, ...] = ()
    commands: CommandsConfig = field(default_factory=CommandsConfig)
    balance_every_seconds: float | None = None
    """How often `serve` looks whether moves would even hosts out; None: never."""
    origin: str = field(default="", compare=False)
    """`file:line` where it is declared."""

    def only(self, names: tuple[str, ...]) -> ClusterConfig:
        """The same cluster with these hosts alone. Raises ConfigError for a name it has not."""
        known = {host.name for host in self.hosts}
        for name in names:
            if name not in known:
                raise ConfigError(
                    "host_unknown",
                    f"cluster {self.name!r} has no host {name!r}",
                    where=self.origin,
                    do=nearest(name, known, "Its hosts are"),
                )
        return replace(self, hosts=tuple(host for host in self.hosts if host.name in names))


@dataclass(frozen=True, slots=True)
class Config:
    """A whole file."""

    path: Path
    clusters: Mapping[str, ClusterConfig]
    notify: tuple[ReceiverConfig, ...] = ()

    def cluster(self, name: str | None) -> ClusterConfig:
        """The cluster of that name, or the only one. Raises ConfigError."""
        if name is None and len(self.clusters) == 1:
            return next(iter(self.clusters.values()))
        if name is None:
            raise ConfigError(
                "cluster_not_said",
                "the config has several clusters",
                where=str(self.path),
                do=f"Say which with --cluster: {', '.join(self.clusters)}.",
            )
        if name not in self.clusters:
            raise ConfigError(
                "cluster_unknown",
                f"there is no cluster {name!r}",
                where=str(self.path),
                do=nearest(name, self.clusters, "Its clusters are"),
            )
        return self.clusters[name]


_MOST_TOLD = 20


def address_of(ssh: str) -> str:
    """The host of `user@host`, `user@host:port` or `ssh://user@host:port`; empty for none."""
    from urllib.parse import urlsplit

    try:
        return urlsplit(ssh if "://" in ssh else f"ssh://{ssh}").hostname or ""
    except ValueError:
        return ""


def nearest(word: str, known: Mapping[str, object] | set[str], otherwise: str) -> str:
    """`Did you mean 'uri'?`, or the valid words behind `otherwise`; without such a beginning, nothing."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known or not otherwise:
        return ""
    told = ", ".join(sorted(known)[:_MOST_TOLD])
    more = len(known) - _MOST_TOLD
    return f"{otherwise}: {told}{f' and {more} more' if more > 0 else ''}."
