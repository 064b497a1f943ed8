"""One world in a file for several processes: each call is whole, and time goes on for all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sim_driver import US, carry_out, move, whole

from standfast.model.errors import FileFormatError, UnreachableError
from standfast.model.hostwork import WorkKind, WorkOrder
from standfast.model.ids import RunId
from standfast.model.policy import Policy
from standfast.plan.make import make_plan
from standfast.platforms.simulated import FileWorld, SimSpec, SimWorld
from standfast.platforms.simulated.spec import build
from standfast.platforms.simulated.state import LOG_LINES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "world.json"


def test_a_world_in_a_file_does_what_the_same_world_in_memory_does(path: Path) -> None:
    spec = SimSpec(hosts=3, vms=6, seed=3)
    worlds = (SimWorld(spec), FileWorld.create(path, spec))
    for world in worlds:
        carry_out(world, make_plan(whole(world), Policy(), now=world.clock.now()))
    assert worlds[0].log == worlds[1].log
    assert worlds[0].violations == worlds[1].violations == ()


def test_another_holder_sees_every_change(path: Path) -> None:
    first = FileWorld.create(path, SimSpec())
    second = FileWorld(path)
    host = first.host_id("host1")
    for epoch in range(1, 20):
        first.work.begin(WorkOrder(WorkKind.STAGE, host, RunId("R"), epoch, attempt=epoch))
        assert second.work.look(host).epoch == epoch
        second.clock.sleep(1.0)
        assert first.clock.now() == second.clock.now()


def test_a_fault_that_was_used_up_stays_used_up(path: Path) -> None:
    world = FileWorld.create(path, SimSpec())
    world.fail_call("look", 1)
    with pytest.raises(UnreachableError):
        world.work.look(world.host_id("host1"))
    FileWorld(path).work.look(world.host_id("host1"))


def test_a_call_that_failed_after_it_acted_has_acted(path: Path) -> None:
    world = FileWorld.create(path, SimSpec())
    world.fail_call("cordon", when="after")
    with pytest.raises(UnreachableError):
        world.fence.cordon(world.host_id("host1"), US)
    assert FileWorld(path).platform.observe().host(world.host_id("host1")).cordoned


def test_a_paced_sleep_takes_real_time(path: Path) -> None:
    world = FileWorld.create(path, SimSpec(pace=100.0))
    start, virtual = time.monotonic(), world.clock.now()
    world.clock.sleep(20.0)
    assert world.clock.now() == pytest.approx(virtual + 20.0)
    assert 0.19 < time.monotonic() - start < 5.0


SLEEPER = """
import sys
from standfast.platforms.simulated import FileWorld
world = FileWorld(sys.argv[1])
print("ready", flush=True)
while True:
    world.clock.sleep(0.5)
"""


def test_a_process_killed_at_any_time_leaves_a_whole_world(path: Path) -> None:
    world = FileWorld.create(path, SimSpec())
    move(world, "vm01", "host4")
    last = world.clock.now()
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", SLEEPER, str(path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.05)
            process.send_signal(signal.SIGKILL)
        seen = FileWorld(path)
        assert seen.clock.now() >= last
        last = seen.clock.now()
        assert len(seen.platform.observe().vms) == 10
    assert world.clock.now() == last


ADDER = """
import sys
from standfast.platforms.simulated import FileWorld
world = FileWorld(sys.argv[1])
for _ in range(25):
    with world.open() as state:
        state.log.append(sys.argv[2])
"""


def test_two_processes_lose_nothing_of_each_other(path: Path) -> None:
    FileWorld.create(path, SimSpec())
    both = [subprocess.Popen([sys.executable, "-c", ADDER, str(path), name]) for name in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    log = FileWorld(path).log
    assert (log.count("a"), log.count("b")) == (25, 25)


def test_an_error_of_our_own_leaves_the_file_as_it_was(path: Path) -> None:
    world = FileWorld.create(path, SimSpec())

    def half_done() -> None:
        with world.open() as state:
            state.log.append("never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert world.log == ()


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"revision":1,'])
def test_what_is_no_world_is_refused_with_a_sentence(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileFormatError) as caught:
        FileWorld(path)
    assert str(path) in str(caught.value)


def test_a_world_of_another_release_is_refused(path: Path) -> None:
    state = build(SimSpec())
    state.version = 99
    with pytest.raises(FileFormatError, match="another release"):
        FileWorld.create(path, state)


def test_the_file_of_a_world_does_not_grow_with_its_log(path: Path) -> None:
    world = FileWorld.create(path, SimSpec())
    with world.open() as state:
        for number in range(2 * LOG_LINES + 1):
            state.note(f"line {number}")
        assert len(state.log) == LOG_LINES
    assert world.log[-1].endswith(f" line {2 * LOG_LINES}")
