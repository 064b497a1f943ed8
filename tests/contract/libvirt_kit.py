"""A real cluster as the libvirt rooms see it; also run as a program that orders a move and then hangs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from standfast.config.load import load
from standfast.model.cluster import Snapshot, Vm
from standfast.model.errors import StandfastError
from standfast.model.hostwork import HostFacts, WorkKind, WorkOrder, WorkPhase, WorkState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, OutcomeKind
from standfast.platforms.libvirt.fence import LibvirtFence
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.platform import LibvirtPlatform
from standfast.ports import Fencing
from standfast.transports.ssh import SshTarget
from standfast.updates.apt import AptWork

T = TypeVar("T")

SHARED = ("/srv/vm",)
BY = Fencing(RunId("01CONTRACT0000000000000000"), 3)


@dataclass
class Kit:
    """Everything of one lab, by its config."""

    config: Path
    ids: dict[str, HostId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        [cluster] = load(self.config).clusters.values()
        self.targets = {
            host.name: SshTarget(host.name, host.ssh, cluster.ssh_config) for host in cluster.hosts
        }
        self.fence = LibvirtFence(self.targets, name_of=self.name_of)
        self.work = AptWork(self.targets, name_of=self.name_of)
        self.platform = LibvirtPlatform(
            cluster.name,
            [
                LibvirtHost(
                    host.name,
                    host.uri,
                    host.peer_uri or None,
                    host.migration_address,
                    memory_bytes=host.memory_bytes,
                )
                for host in cluster.hosts
            ],
            clock=time.time,
            ssh_config=cluster.ssh_config,
            known_ids={},
            shared_paths=SHARED,
            mounts_of=self.fence.mounts,
            journal_of=self.fence.journal,
        )

    def name_of(self, host: HostId) -> str:
        return next(name for name, id in self.ids.items() if id == host)

    def observe(self) -> Snapshot:
        snapshot = self.platform.observe()
        self.ids.update({host.name: host.id for host in snapshot.hosts if host.reachable})
        return snapshot

    def vm(self, name: str) -> Vm:
        return next(vm for vm in self.observe().vms if vm.name == name)

    def order(self, vm: VmId, target: HostId, *, mark: str) -> MoveOrder:
        source = next(each for each in self.observe().vms if each.id == vm).host
        return MoveOrder(MoveId(f"01MOVE{mark}"), vm, source, target, timeout_seconds=120.0)

    def finish(self, order: MoveOrder, seconds: float = 60.0) -> MoveOutcome:
        return wait(
            lambda: self.platform.move_outcome(order),
            lambda out: out.kind is not OutcomeKind.RUNNING,
            seconds,
        )

    def do(
        self,
        kind: WorkKind,
        host: HostId,
        *,
        attempt: int,
        seconds: float = 180.0,
        security_only: bool = False,
    ) -> WorkState:
        """Begin a unit and wait for its end."""
        order = WorkOrder(kind, host, BY.run, BY.epoch, attempt, security_only=security_only)
        self.work.begin(order)

        def look() -> WorkState | None:
            try:
                return self.work.look(host).work(order.unit)
            except StandfastError:  # it is on its way down or up
                return None

        found = wait(look, lambda work: work is not None and work.phase is not WorkPhase.RUNNING, seconds)
        assert found is not None
        return found

    def look(self, name: str) -> HostFacts:
        return self.work.look(self.ids[name])


def wait(ask: Callable[[], T], done: Callable[[T], bool], seconds: float) -> T:
    end = time.monotonic() + seconds
    while not done(answer := ask()):
        assert time.monotonic() < end, f"not within {seconds} s; last: {answer}"
        time.sleep(0.05)
    return answer


def main() -> None:
    """CONFIG VM TARGET: order the move, say so, and hang until killed."""
    kit = Kit(Path(sys.argv[1]))
    kit.observe()
    kit.platform.start_move(kit.order(VmId(sys.argv[2]), HostId(sys.argv[3]), mark="KILLED"))
    print("ordered", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main()
