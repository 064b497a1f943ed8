"""Hosts begin within maintenance windows alone; one that has begun is finished whatever the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from run_drive import QUICK, DriveMaker, open_drives

from standfast.model.run import Phase, RunState
from standfast.model.window import closes_at
from standfast.platforms.simulated import SimSpec

FRIDAY_EVENING = datetime(2026, 11, 27, 20, 0, tzinfo=UTC).timestamp()
NIGHT = ("Fri 22:00-04:00",)


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


def test_no_host_begins_outside_of_its_window_and_the_waiting_is_told(drives: DriveMaker) -> None:
    drive = drives(SimSpec(hosts=3, vms=3, start_at=FRIDAY_EVENING), replace(QUICK, windows=NIGHT))
    drive.begin()
    for _ in range(20):
        drive.tick()
        drive.world.clock.sleep(5.0)
    assert {row.phase for row in drive.run.hosts} == {Phase.PLANNED}
    published = drive.store.published(drive.run.id)
    assert published is not None
    assert published[0]["window_opens_at"] == FRIDAY_EVENING + 2 * 3600
    drive.world.clock.sleep(2 * 3600)
    run = drive.to_the_end()
    assert run.state is RunState.COMPLETED
    begun = [event.at for event in drive.store.events(run.id) if "its turn: preparing" in event.text]
    assert len(begun) == 3
    assert all(closes_at(NIGHT, "UTC", at) is not None for at in begun)
    drive.assert_kept()


def test_what_would_not_end_in_this_window_waits_for_the_next(drives: DriveMaker) -> None:
    late = datetime(2026, 11, 28, 3, 59, tzinfo=UTC).timestamp()
    drive = drives(SimSpec(hosts=3, vms=3, start_at=late), replace(QUICK, windows=("daily 22:00-04:00",)))
    drive.begin()
    for _ in range(10):
        drive.tick()
        drive.world.clock.sleep(5.0)
    assert {row.phase for row in drive.run.hosts} == {Phase.PLANNED}
    drive.world.clock.sleep(18 * 3600 + 300)
    drive.until(lambda run: any(row.phase != Phase.PLANNED for row in run.hosts))
