"""What went wrong in tools that do a like job; docs/reference/requirements.md names the other tests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from run_build import host, ready, run, snapshot, vm
from run_drive import QUICK, DriveMaker, open_drives

import standfast
from standfast.model.moves import Purpose
from standfast.model.policy import Policy
from standfast.model.run import MoveState, Phase, RunState
from standfast.model.units import GIB
from standfast.platforms.simulated import SimSpec
from standfast.run.draining import new_move
from standfast.run.seen import Seen, View


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


@pytest.mark.parametrize("gibibytes", [64, 512])
def test_how_long_a_move_may_take_follows_from_its_prediction(gibibytes: int) -> None:
    """Not from a constant: PegaProx #12, #630."""
    large = vm("v", "a", memory_bytes=gibibytes * GIB, dirty_bytes_per_second=1.0)
    hosts = (host("a", migration_bits_per_second=10**9), host("b", migration_bits_per_second=10**9))
    policy = Policy(move_timeout_factor=3.0, move_timeout_floor_seconds=60.0)
    view = View.of(run(ready("a", Phase.DRAINING), policy=policy), Seen(snapshot(hosts, large)), 100.0)
    move = new_move(view, large, hosts[1].id, Purpose.EVACUATE, hosts[0].id, 0)
    assert move.deadline_at - move.started_at == pytest.approx(3.0 * move.predicted.brownout_p95_seconds)
    assert move.deadline_at - move.started_at > 8 * gibibytes


def test_a_run_shows_signs_of_life_while_it_only_waits(drives: DriveMaker) -> None:
    """Twenty minutes of silence may be a patch that takes its time, or a dead controller."""
    drive = drives(SimSpec(hosts=3, vms=3, patch_seconds=300.0))
    drive.begin()
    drive.until_phase(Phase.PATCHING)
    drive.tick()
    heard = []
    for _ in range(5):
        drive.world.clock.sleep(5.0)
        drive.tick()
        published = drive.store.published(drive.run.id)
        assert published is not None
        heard.append(drive.world.clock.now() - published[1])
    assert heard == [0.0] * 5


def test_a_vm_is_not_moved_back_where_the_cluster_is_even_without_it(drives: DriveMaker) -> None:
    """Xen Orchestra #7071, Incus #2685: nothing here knows of a home."""
    drive = drives(SimSpec(hosts=4, vms=6), replace(QUICK, wave_hosts_max=1))
    drive.begin()
    ended = drive.to_the_end()
    assert ended.state is RunState.COMPLETED
    moved = [move for move in ended.moves if move.state is MoveState.DONE]
    needed = {move for move in moved if move.purpose in (Purpose.EVACUATE, Purpose.REBALANCE)}
    assert len(needed) == len(moved) == len(ended.plan.moves)
    assert not any(move.purpose is Purpose.REFILL for move in moved)


def test_there_is_one_place_that_drives_runs() -> None:
    """A run that somebody watches and one that nobody does are not two implementations (PegaProx has two)."""
    room = Path(standfast.__file__).parent
    found = [
        path.relative_to(room).as_posix()
        for path in sorted(room.rglob("*.py"))
        if re.search(r"\bRunLoop\(", path.read_text(encoding="utf-8"))
    ]
    # A rehearsal's run is of a twin in memory and in a store of its own: nobody else could drive it.
    assert found == ["rehearsal.py", "run/serve.py"]
