"""A simulated cluster to hold in the hand: its ports, its faults, its own record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from standfast.model.cluster import Snapshot
from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated import facets, judge
from standfast.platforms.simulated.faults import Faults
from standfast.platforms.simulated.held import Held, InFile, InMemory
from standfast.platforms.simulated.silencer import SimSilencer
from standfast.platforms.simulated.spec import SimSpec, build, from_snapshot
from standfast.platforms.simulated.state import State
from standfast.ports import Outside


class _World(Faults):
    """What both ways to hold a world have in common."""

    def __init__(self, held: Held) -> None:
        super().__init__(held)
        with held.open(write=False) as state:
            self.names: dict[HostId, str] = {host: about.base.name for host, about in state.hosts.items()}
            self.vm_names: dict[VmId, str] = {vm: about.base.name for vm, about in state.vms.items()}
        self.outside: Outside = replace(facets.build(held, self.names), silencers=(SimSilencer(held),))
        self.platform, self.fence = self.outside.platform, self.outside.fence
        self.work, self.clock = self.outside.work, self.outside.clock

    @contextmanager
    def open(self, *, write: bool = True) -> Iterator[State]:
        """The state itself, for what no method here offers. No other call may be made within."""
        with self._held.open(write=write) as state:
            yield state
            if write:
                state.all_changed()

    def host_id(self, name: str) -> HostId:
        """The UUID of the host of that name; KeyError if there is none."""
        return {known: host for host, known in self.names.items()}[name]

    def vm_id(self, name: str) -> VmId:
        """The UUID of the VM of that name; KeyError if there is none."""
        return {known: vm for vm, known in self.vm_names.items()}[name]

    @property
    def violations(self) -> tuple[str, ...]:
        """Everything so far that breaks the promise, oldest first."""
        with self._held.open(write=False) as state:
            return tuple(state.violations)

    @property
    def log(self) -> tuple[str, ...]:
        """What has happened, oldest first."""
        with self._held.open(write=False) as state:
            return tuple(state.log)

    @property
    def silences(self) -> tuple[tuple[str, float, float], ...]:
        """All silences that ever were, oldest first: host, begin and end in the world's time."""
        with self._held.open(write=False) as state:
            return tuple(
                (state.host_name(each.host), each.began_at, each.ends_at)
                for each in state.monitoring.silences
            )

    @property
    def not_given_back(self) -> tuple[str, ...]:
        """Cordons, settings, silences and VMs that are not as they were."""
        with self._held.open(write=False) as state:
            return judge.not_given_back(state)


class SimWorld(_World):
    """A world in memory, for one process."""

    def __init__(self, spec: SimSpec | None = None, *, state: State | None = None) -> None:
        super().__init__(InMemory(state or build(spec or SimSpec())))

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, *, seed: int = 0) -> SimWorld:
        """A world that looks like the snapshot at its time."""
        return cls(state=from_snapshot(snapshot, seed=seed))


class FileWorld(_World):
    """A world in a file, for several processes. FileFormatError if there is none."""

    def __init__(self, path: Path | str) -> None:
        super().__init__(InFile(Path(path)))

    @classmethod
    def create(cls, path: Path | str, world: SimSpec | State | None = None) -> FileWorld:
        """Write a new world there and hold it."""
        InFile.create(Path(path), world if isinstance(world, State) else build(world or SimSpec()))
        return cls(path)


def build_outside(world: SimWorld | FileWorld) -> Outside:
    """The world as the run takes it."""
    return world.outside
