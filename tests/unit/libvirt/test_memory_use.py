"""What libvirt's figures say of a guest's memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from standfast.model.ids import VmId
from standfast.model.memory import DirtyPoint, MemoryUse
from standfast.platforms.libvirt import dirty, reading
from standfast.platforms.libvirt.dirty import (
    SAMPLED_SHARE,
    in_parts,
    measured_of,
    point_of,
    untouched_bytes,
    windows,
)
from standfast.platforms.libvirt.domain import parse_domain
from standfast.platforms.libvirt.hosts import LibvirtHost
from standfast.platforms.libvirt.platform import LibvirtPlatform

MIB = 1024**2
DONE: Mapping[str, Any] = {
    "dirtyrate.calc_status": 2,
    "dirtyrate.calc_period": 4,
    "dirtyrate.megabytes_per_second": 10,
}


@pytest.mark.parametrize(
    ("seconds", "found"),
    [(1, (1,)), (2, (1,)), (3, (1, 2)), (15, (1, 2, 4, 8)), (30, (1, 2, 4, 8)), (300, (1, 2, 4, 8, 16, 32))],
)
def test_windows_double_and_fit(seconds: int, found: tuple[int, ...]) -> None:
    assert windows(seconds) == found


def test_a_rate_over_a_window_is_what_was_written_in_it() -> None:
    assert point_of(DONE, 4) == DirtyPoint(4.0, 42.0 * MIB)


@pytest.mark.parametrize(
    "other",
    [
        {"dirtyrate.calc_status": 0},
        {"dirtyrate.calc_status": 1},
        {"dirtyrate.calc_period": 2},
        {"dirtyrate.megabytes_per_second": -1},
        {"dirtyrate.megabytes_per_second": None},
    ],
    ids=["never begun", "still measuring", "an earlier window", "negative", "no figure"],
)
def test_what_is_no_such_measurement_is_none(other: Mapping[str, Any]) -> None:
    assert point_of({**DONE, **other}, 4) is None


def test_the_rate_is_that_of_the_shortest_window() -> None:
    points = [DirtyPoint(1.0, 30.0), DirtyPoint(2.0, 40.0)]
    found = measured_of(points, {})
    assert found.bytes_per_second == 30.0
    assert (found.use.dirty, found.use.zero_bytes) == (tuple(points), 0)
    assert found.use.sampled_share == SAMPLED_SHARE


@pytest.mark.parametrize(
    ("stats", "mebibytes"),
    [
        ({}, 0),
        ({"balloon.maximum": 4096 * 1024}, 0),
        ({"balloon.maximum": 4096 * 1024, "balloon.rss": 1024 * 1024}, 3072),
        ({"balloon.maximum": 128 * 1024, "balloon.rss": 300 * 1024}, 0),
        (
            {
                "balloon.maximum": 4096 * 1024,
                "balloon.rss": 1024 * 1024,
                "balloon.unused": 500 * 1024,
                "balloon.available": 3996 * 1024,
            },
            600,
        ),
    ],
    ids=["not told", "no resident set", "resident", "QEMU's own is more", "swapped out by the host"],
)
def test_what_was_never_touched_is_not_resident(stats: Mapping[str, Any], mebibytes: int) -> None:
    assert untouched_bytes(stats) == mebibytes * MIB


def test_a_driver_that_measures_nothing_leaves_its_vms_without_figures() -> None:
    declared = [LibvirtHost("a", "test:///default", memory_bytes=2**30)]
    platform = LibvirtPlatform("c", declared, clock=time.time, ssh_config=None, known_ids={})
    try:
        assert platform.measure_memory(1) == 0
        [vm] = platform.observe().vms
    finally:
        platform.close()
    assert (vm.memory_use, vm.dirty_bytes_per_second) == (None, None)


@pytest.mark.parametrize(
    ("resident_mib", "untouched_mib"), [(4096, 0), (4000, 0), (3840, 256), (3500, 512), (1024, 3072)]
)
def test_what_is_only_asked_for_comes_in_sixteenths(resident_mib: int, untouched_mib: int) -> None:
    """VMs that are alike then share a prediction, though no two have the same resident set."""
    stats = {"balloon.maximum": 4096 * 1024, "balloon.rss": resident_mib * 1024}
    assert in_parts(stats) == untouched_mib * MIB


@pytest.mark.parametrize(("huge_pages", "untouched_mib"), [(False, 3072), (True, 0)])
def test_untouched_memory_is_told_but_of_guests_on_huge_pages(
    monkeypatch: pytest.MonkeyPatch, huge_pages: bool, untouched_mib: int
) -> None:
    """Huge pages count towards no resident set: such a guest would look as if it had touched nothing."""
    stats = {"balloon.maximum": 4096 * 1024, "balloon.rss": 1024 * 1024}
    monkeypatch.setattr(dirty, "_stats", lambda connection: {_only(connection): stats})
    monkeypatch.setattr(
        reading, "parse_domain", lambda xml: replace(parse_domain(xml), huge_pages=huge_pages)
    )
    declared = [LibvirtHost("a", "test:///default", memory_bytes=2**30)]
    platform = LibvirtPlatform("c", declared, clock=time.time, ssh_config=None, known_ids={})
    try:
        [vm] = platform.observe().vms
        found = platform.untouched()
    finally:
        platform.close()
    expected = {vm.id: MemoryUse(zero_bytes=untouched_mib * MIB)} if untouched_mib else {}
    assert found == expected


def _only(connection: Any) -> VmId:
    [domain] = connection.listAllDomains()
    return VmId(domain.UUIDString())
