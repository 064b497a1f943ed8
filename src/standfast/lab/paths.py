"""Where a lab lives: everything of it is in one directory, beside a cache that many labs share and none
depends on.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def labs_dir() -> Path:
    """The directory of all labs: ``STANDFAST_LAB_DIR`` or /var/lib/standfast-lab."""
    return Path(os.environ.get("STANDFAST_LAB_DIR") or "/var/lib/standfast-lab").absolute()


def cache_dir() -> Path:
    """What can be rebuilt: ``STANDFAST_LAB_CACHE`` or /var/cache/standfast-lab."""
    return Path(os.environ.get("STANDFAST_LAB_CACHE") or "/var/cache/standfast-lab").absolute()


@dataclass(frozen=True, slots=True)
class LabPaths:
    """The files of one lab."""

    root: Path

    @classmethod
    def of(cls, name: str) -> LabPaths:
        """The paths of the lab of this name under ``labs_dir()``."""
        return cls(labs_dir() / name)

    @property
    def state(self) -> Path:
        """What the lab is (JSON); written before anything else is made, removed last."""
        return self.root / "lab.json"

    @property
    def config(self) -> Path:
        """The product's config for this lab."""
        return self.root / "standfast.yaml"

    @property
    def ssh_config(self) -> Path:
        """For ``ssh -F``."""
        return self.root / "ssh_config"

    @property
    def ssh_wrapper(self) -> Path:
        """An ``ssh`` that uses ``ssh_config``, for tools that want a command (libvirt's ``?command=``)."""
        return self.root / "ssh"

    @property
    def keys(self) -> Path:
        """Private keys: the controller's, and each host's own and host key."""
        return self.root / "keys"

    @property
    def known_hosts(self) -> Path:
        """The hosts' real keys."""
        return self.root / "known_hosts"

    @property
    def control(self) -> Path:
        """Sockets of shared ssh connections."""
        return self.root / "c"

    @property
    def shared(self) -> Path:
        """/srv/vm of all hosts: disks, serial logs, the guests' kernel."""
        return self.root / "vm"

    @property
    def repository(self) -> Path:
        """/srv/apt of all hosts, read-only there."""
        return self.root / "apt"

    @property
    def hosts(self) -> Path:
        """One directory per host."""
        return self.root / "hosts"

    @property
    def observer(self) -> Path:
        """The observer's socket, log and report."""
        return self.root / "observer"

    def host(self, host: str) -> HostPaths:
        """The paths of one host."""
        return HostPaths(self.hosts / host)


@dataclass(frozen=True, slots=True)
class HostPaths:
    """The files of one host, all outside its container."""

    base: Path

    @property
    def root(self) -> Path:
        """Where the overlay is mounted."""
        return self.base / "root"

    @property
    def upper(self) -> Path:
        """What the host changed."""
        return self.base / "upper"

    @property
    def work(self) -> Path:
        """overlayfs's own."""
        return self.base / "work"

    @property
    def netns(self) -> Path:
        """The bind-mounted network namespace; it outlives reboots of the container."""
        return self.base / "netns"

    @property
    def order(self) -> Path:
        """What the supervisor has to run (JSON)."""
        return self.base / "supervise.json"

    @property
    def pid(self) -> Path:
        """Who supervises: pid and start time (JSON)."""
        return self.base / "supervisor.json"

    @property
    def status(self) -> Path:
        """What the supervisor last saw (JSON: state, boots)."""
        return self.base / "status.json"

    @property
    def log(self) -> Path:
        """The container's console and the supervisor's lines."""
        return self.base / "console.log"

    @property
    def boot_seconds(self) -> Path:
        """How long a reboot takes beyond the container's own time."""
        return self.base / "boot-seconds"

    @property
    def fail_next_boot(self) -> Path:
        """If this file exists, the next boot does not happen (and the file goes)."""
        return self.base / "fail-next-boot"

    @property
    def power(self) -> Path:
        """The power button, pressed by a word: ``on`` starts a host that is off, ``cut`` cuts its power."""
        return self.base / "power"
