"""What hosts say when they are examined before any work: rights, other hands, room, ways to each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId


class Hand(StrEnum):
    """Who else may move, start, stop, update or reboot things on a host."""

    CLUSTER_MANAGER = "cluster_manager"
    BALANCER = "balancer"
    UPDATER = "updater"


@dataclass(frozen=True, slots=True)
class OtherHand:
    """A program that acts on the host by itself. `active`: it does so now; otherwise at the next boot."""

    hand: Hand
    unit: str
    active: bool


@dataclass(frozen=True, slots=True)
class Room:
    """Space on the file system that holds a folder. `own`: the folder is a file system of its own."""

    folder: str
    free_bytes: int
    total_bytes: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """From the examined host to another one, as a migration would take it.

    `control` is why libvirt here can't talk to libvirt there (empty: it can), `answered` the UUID of the host
    that did. `open_ports` let data through; `closed_ports` are (port, why). `untried` says why the data's way
    could not be tried at all.
    """

    target: str
    control: str = ""
    answered: HostId | None = None
    open_ports: tuple[int, ...] = ()
    closed_ports: tuple[tuple[int, str], ...] = ()
    untried: str = ""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A path as the host sees it; the same number on two hosts is the same file."""

    path: str
    number: int
    filesystem: str = ""


@dataclass(frozen=True, slots=True)
class Exam:
    """One host examined. `silent` is why it could not be; then nothing else is known."""

    host: HostId
    name: str
    taken_at: float = 0.0
    """Unix time in seconds, here."""
    silent: str = ""
    silent_code: str = ""
    silent_mend: str = ""
    uid: int = 0
    user: str = ""
    missing_tools: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()
    other_hands: tuple[OtherHand, ...] = ()
    fencing: bool = False
    """The cluster manager may switch this host off."""
    manager_idle: bool = False
    """The cluster manager is in its own maintenance mode and does nothing."""
    updates_reboot: bool = False
    """The automatic updates may reboot the host by themselves."""
    guests_at_shutdown: str = ""
    """What libvirt-guests does to running VMs when the host goes down (`shutdown`, `suspend`); empty: it is
    off."""
    shutdown_scheduled: str = ""
    package_lock: str = ""
    """Who holds the lock of the package manager, in its own words."""
    keepalive_off: bool = False
    clock_skew_seconds: float | None = None
    rooms: tuple[Room, ...] = ()
    files: tuple[SeenFile, ...] = ()
    missing_files: tuple[str, ...] = ()
    listen_trouble: str = ""
    """Why its migration address can't be listened on; empty where it can."""
    ways: tuple[Way, ...] = ()
    unmade: tuple[str, ...] = ()
    """Checks that could not be made, in words."""

    def way(self, target: str) -> Way | None:
        """The way to the host of that name, if it was tried."""
        return next((way for way in self.ways if way.target == target), None)
