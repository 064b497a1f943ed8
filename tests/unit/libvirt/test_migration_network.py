"""What libvirt is told about a migration's way."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOrder, OutcomeKind
from standfast.platforms.libvirt import moves
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.line import Line


class Source:
    """A connection to the source, and its one domain."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any], int]] = []

    def lookupByUUIDString(self, _: str) -> Source:
        return self

    def isPersistent(self) -> int:
        return 1

    def autostart(self) -> int:
        return 0

    def migrateToURI3(self, uri: str, parameters: dict[str, Any], flags: int) -> None:
        self.told.append((uri, parameters, flags))

    def close(self) -> None:
        """Nothing to let go."""


@pytest.mark.parametrize(("address", "uri"), [("10.9.0.2", "tcp://10.9.0.2"), ("fd00::2", "tcp://[fd00::2]")])
def test_a_move_goes_to_the_targets_address_on_the_migration_network(
    monkeypatch: pytest.MonkeyPatch, address: str, uri: str
) -> None:
    """Xen Orchestra #6122: over the management network it slows down all else."""
    source = Source()
    monkeypatch.setattr(moves, "open_connection", lambda *_: source)
    monkeypatch.setattr(moves, "_record_or_none", lambda *_: None)
    line = cast(Line, None)
    ends = {
        HostId("a"): moves.End(HostId("a"), "a", "qemu+ssh://a/", "qemu+ssh://a/", "10.9.0.1", line),
        HostId("b"): moves.End(HostId("b"), "b", "qemu+ssh://b/", "qemu+ssh://mgmt-b/", address, line),
    }
    room = moves.Moves(lambda host: ends[host], lambda *_: ())
    order = MoveOrder(MoveId("m"), VmId("v"), HostId("a"), HostId("b"), 60.0)
    room.start(order)
    for _ in range(100):
        if room.outcome(order).kind is OutcomeKind.SUCCEEDED:
            break
        time.sleep(0.02)
    ((peer, parameters, flags),) = source.told
    assert peer == "qemu+ssh://mgmt-b/"
    assert parameters == {libvirt.VIR_MIGRATE_PARAM_URI: uri}
    assert flags & libvirt.VIR_MIGRATE_PEER2PEER
