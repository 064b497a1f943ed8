"""Where the demo plays: a lab on this machine, or a simulated cluster.

What proves the promise is not the product's own word: boot ids and pending packages are asked of the hosts,
and VMs are watched by the lab's observer (or, simulated, by the world's own record).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from standfast.cli.controller import stop_controller
from standfast.cli.out import say
from standfast.model.errors import RefusedError

if TYPE_CHECKING:
    from standfast.lab.cluster import Lab

LAB_NAME = "demo"


@dataclass(frozen=True, slots=True)
class HostNow:
    """A host as it says itself."""

    boot_id: str
    pending: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What became of the VMs, and all that is not as promised."""

    vms: list[dict[str, Any]]
    wrong: list[str] = field(default_factory=list)


class Stage(Protocol):
    """A cluster that comes up, is watched, and goes away."""

    platform: str
    config: Path
    state_dir: Path

    def up(self) -> None:
        """Bring it up."""

    def watch(self) -> None:
        """Begin to watch the VMs."""

    def hosts(self) -> Mapping[str, HostNow]:
        """Each host by name."""

    def seen(self) -> Seen:
        """Stop watching and tell."""

    def down(self) -> None:
        """Leave nothing behind of what this stage made, its controller neither."""


class LabStage:
    """Real hosts in containers, real VMs, an observer outside of all of them."""

    platform = "libvirt"

    def __init__(self, hosts: int, vms: int) -> None:
        from standfast.lab.paths import LabPaths
        from standfast.lab.spec import LabSpec, default_hosts, default_vms

        self._spec = LabSpec(name=LAB_NAME, hosts=default_hosts(hosts), vms=default_vms(vms))
        paths = LabPaths.of(LAB_NAME)
        self.config = paths.config
        self.state_dir = paths.root / "state"
        self._lab: Lab | None = None
        self._lock = -1
        self._up = False

    def up(self) -> None:
        from standfast.lab.cluster import Lab

        self._only_demo_here()
        if Lab.remove(LAB_NAME):
            say("Removed what an earlier demo had left.")
        self._lab = Lab.up(self._spec, install=True, say=say)

    def _only_demo_here(self) -> None:
        """Hold a lock until this process ends: the lab of a demo at work is not to be removed by another.

        Raises RefusedError.
        """
        from standfast.lab.paths import labs_dir

        labs_dir().mkdir(parents=True, exist_ok=True)
        self._lock = os.open(labs_dir() / ".demo.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                "demo_running", "another demo is at work on this machine", do="Wait until it has ended."
            ) from error
        self._up = True

    @property
    def lab(self) -> Lab:
        assert self._lab is not None, "the stage is not up"
        return self._lab

    def watch(self) -> None:
        self.lab.observer.start()

    def hosts(self) -> Mapping[str, HostNow]:
        return {name: HostNow(self.lab.boot_id(name), self._pending(name)) for name in self.lab.hosts}

    def _pending(self, host: str) -> int:
        """Packages that apt itself would change there, by the lists it has."""
        done = self.lab.ssh(host, "LC_ALL=C apt-get -qq -s dist-upgrade")
        return sum(line.startswith("Inst ") for line in done.stdout.splitlines())

    def seen(self) -> Seen:
        report = self.lab.observer.stop()
        keys = ("name", "moves", "restarts", "longest_gap_seconds", "states_left")
        return Seen([{key: vm[key] for key in keys} for vm in report["vms"]], list(report["reasons"]))

    def down(self) -> None:
        from standfast.lab.cluster import Lab

        if self._up:
            stop_controller(self.state_dir)
            Lab.remove(LAB_NAME)


class SimStage:
    """A cluster in a file, in virtual time. It keeps its own record of every broken promise."""

    platform = "simulated"

    def __init__(self, hosts: int, vms: int) -> None:
        self._path = Path(tempfile.mkdtemp(prefix="standfast-demo-"))
        self.config = self._path / "standfast.yaml"
        self.state_dir = self._path / "state"
        self._world = self._path / "world.json"
        self._size = (hosts, vms)
        self._began_on: dict[str, str] = {}

    def up(self) -> None:
        from standfast.config import ClusterConfig, SimConfig
        from standfast.config.write import text, write

        hosts, vms = self._size
        declared = ClusterConfig("demo", "simulated", simulated=SimConfig(self._world, hosts, vms))
        write(self.config, text(declared))

    def watch(self) -> None:
        """The world always watches."""

    def hosts(self) -> Mapping[str, HostNow]:
        from standfast.platforms.simulated import FileWorld

        with FileWorld(self._world).open(write=False) as state:
            return {host.base.name: HostNow(host.boot_id, len(host.pending)) for host in state.hosts.values()}

    def seen(self) -> Seen:
        from standfast.model.cluster import VmState
        from standfast.platforms.simulated import FileWorld

        world = FileWorld(self._world)
        with world.open(write=False) as state:
            vms = [
                {
                    "name": vm.base.name,
                    "moves": vm.moved,
                    "restarts": sum(f" {vm.base.name} was interrupted" in line for line in state.violations),
                    "longest_gap_seconds": round(vm.darkest_seconds, 3),
                    "states_left": [] if vm.state is VmState.RUNNING else [str(vm.state)],
                }
                for vm in state.vms.values()
            ]
        return Seen(vms, [*world.violations, *world.not_given_back])

    def down(self) -> None:
        stop_controller(self.state_dir)
        shutil.rmtree(self._path, ignore_errors=True)
