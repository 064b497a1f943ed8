"""The platform on libvirt's own test driver: hosts that answer, that don't, and that are somebody else."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from standfast.model.cluster import Snapshot, VmState
from standfast.model.errors import UnreachableError
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOrder, OutcomeKind
from standfast.model.reasons import Code
from standfast.platforms.libvirt import line
from standfast.platforms.libvirt import platform as room
from standfast.platforms.libvirt.events import InterruptionKind
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.platform import LibvirtPlatform
from standfast.platforms.libvirt.reading import Reader
from standfast.platforms.libvirt.surroundings import Surroundings
from standfast.run.serve import LEASE_SECONDS

TEST = "test:///default"
DOWN = "qemu+unix:///system?socket=/nowhere"
UUID = VmId("6695eb01-f6a4-8304-79aa-97f2502e193f")


def make(hosts: Mapping[str, str], known: Mapping[str, str] | None = None) -> LibvirtPlatform:
    ids = {name: HostId(id) for name, id in (known or {}).items()}
    declared = [LibvirtHost(name, uri, memory_bytes=2**30) for name, uri in hosts.items()]
    return LibvirtPlatform("c", declared, clock=time.time, ssh_config=None, known_ids=ids)


def seen(platform: LibvirtPlatform) -> Snapshot:
    try:
        return platform.observe()
    finally:
        platform.close()


def test_a_running_vm_is_seen() -> None:
    snapshot = seen(make({"a": TEST}))
    [host], [vm] = snapshot.hosts, snapshot.vms
    assert host.reachable
    assert host.memory_bytes == 2**30
    assert (vm.id, vm.name, vm.state) == (UUID, "test", VmState.RUNNING)
    assert [disk.shared for disk in vm.disks] == [False]


def test_a_silent_host_keeps_its_id_and_says_why() -> None:
    platform = make({"a": TEST, "b": DOWN}, known={"b": "b-id"})
    snapshot = seen(platform)
    host = snapshot.host(HostId("b-id"))
    assert not host.reachable
    assert host.unreachable_why.startswith("b: ")
    assert [record.host for record in platform.interruptions()] == ["b"]
    assert platform.interruptions()[0].kind is InterruptionKind.UNSEEN


def test_a_host_that_was_never_seen_has_no_uuid() -> None:
    [host] = seen(make({"b": DOWN})).hosts
    assert host.id == "unknown:b"


def test_another_machine_under_a_known_name_is_refused() -> None:
    snapshot = seen(make({"a": TEST}, known={"a": "who-it-was"}))
    [host] = snapshot.hosts
    assert not host.reachable
    assert "known as who-it-was" in host.unreachable_why
    assert snapshot.vms == ()


def test_a_host_whose_bridges_were_never_told_is_silent_and_not_without_bridges() -> None:
    answers: list[Surroundings | None] = [None, Surroundings(bridges=frozenset({"br0"})), None]

    def mounts_of(name: str) -> Surroundings:
        found = answers.pop(0)
        if found is None:
            raise UnreachableError("deadline", "no answer within 8 s", where=name)
        return found

    declared = [LibvirtHost("a", TEST)]
    platform = LibvirtPlatform(
        "c", declared, clock=time.time, ssh_config=None, known_ids={}, mounts_of=mounts_of
    )
    looks = []
    for _ in range(3):
        looks.append(platform.observe().hosts[0])
        platform._stations[0].reader._places = None  # read so long ago that they are read anew
    platform.close()
    assert [host.reachable for host in looks] == [False, True, True]
    assert looks[0].unreachable_why.startswith("a: no answer within 8 s")
    assert all("bridge:br0" in host.networks for host in looks[1:])


def test_a_host_that_hangs_is_not_waited_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    read: Callable[[Reader, Any], Any] = Reader.read

    def slow(self: Reader, connection: Any) -> Any:
        if self.name == "slow":
            time.sleep(5)
        return read(self, connection)

    monkeypatch.setattr(Reader, "read", slow)
    monkeypatch.setattr(room, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.1)
    platform = make({"quick": TEST, "slow": TEST}, known={"slow": "s"})
    platform.observe()
    began = time.monotonic()
    snapshot = platform.observe()
    assert time.monotonic() - began < 1.5
    assert [host.reachable for host in snapshot.hosts] == [True, False]
    assert "has not answered" in snapshot.hosts[1].unreachable_why
    platform.close()


class Held:
    """A connection of libvirt's that can break."""

    def __init__(self, real: Any) -> None:
        self.real, self.alive = real, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def isAlive(self) -> bool:
        return self.alive


def test_a_host_that_goes_down_holds_no_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection breaks, and the next attempt to connect comes to nothing for a long time."""
    made: dict[str, Held] = {}
    opens: Callable[[str, str], Any] = line.open_connection

    def opened(name: str, uri: str) -> Any:
        if name in made:
            time.sleep(4)
        made[name] = Held(opens(name, uri))
        return made[name]

    monkeypatch.setattr(line, "open_connection", opened)
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.1)
    platform = make({"up": TEST, "down": TEST})
    assert all(host.reachable for host in platform.observe().hosts)
    made["down"].alive = False
    began = time.monotonic()
    snapshot = platform.observe()
    assert time.monotonic() - began < 2.0
    assert [host.reachable for host in snapshot.hosts] == [True, False]
    platform.close()


@pytest.mark.parametrize(("first_seconds", "seen"), [(5.0, [True, False]), (None, [False, False])])
def test_a_host_that_takes_long_to_begin_is_waited_for_once_where_there_is_time(
    monkeypatch: pytest.MonkeyPatch, first_seconds: float | None, seen: list[bool]
) -> None:
    read: Callable[[Reader, Any], Any] = Reader.read

    def slow(self: Reader, connection: Any) -> Any:
        time.sleep(0.5)
        return read(self, connection)

    monkeypatch.setattr(Reader, "read", slow)
    monkeypatch.setattr(room, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(room, "RETRY_SECONDS", 0.1)
    declared = [LibvirtHost("slow", TEST)]
    platform = LibvirtPlatform(
        "c", declared, clock=time.time, ssh_config=None, known_ids={}, first_seconds=first_seconds
    )
    looks = [platform.observe().hosts[0].reachable for _ in range(2)]
    platform.close()
    assert looks == seen


def test_a_controllers_look_ends_before_its_lease_though_no_host_answers() -> None:
    """It looks in its round, and renews between rounds: whoever looks for longer never gets to act."""
    assert room.ANSWER_SECONDS < LEASE_SECONDS
    assert make({"a": TEST})._first_seconds is None, "patience is asked for by those who hold no lease"


def test_moves_that_can_not_be_are_refused_with_a_reason() -> None:
    platform = make({"a": TEST, "b": DOWN}, known={"b": "b-id"})
    platform.observe()
    [reason] = platform.check_move(UUID, HostId("b-id"))
    assert (reason.code, reason.host, reason.vm) == (Code.TARGET_UNREACHABLE, "b-id", UUID)
    [reason] = platform.check_move(VmId("nobody"), HostId("b-id"))
    assert reason.code is Code.VM_NOT_RUNNING
    platform.close()


def test_an_order_of_nobody_is_unknown_and_a_bad_one_fails_with_words() -> None:
    platform = make({"a": TEST, "b": DOWN}, known={"b": "b-id"})
    snapshot = platform.observe()
    order = MoveOrder(MoveId("m1"), UUID, snapshot.hosts[0].id, HostId("b-id"), 10.0)
    assert platform.move_outcome(order).kind is OutcomeKind.UNKNOWN
    platform.start_move(order)
    for _ in range(200):
        outcome = platform.move_outcome(order)
        if outcome.kind is not OutcomeKind.RUNNING:
            break
        time.sleep(0.02)
    assert outcome.kind is OutcomeKind.FAILED
    assert "libvirt ended the migration" in outcome.error
    platform.close()
