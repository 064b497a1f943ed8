"""What a look may have missed: calls that end while the cluster is being looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_drive import RUN, DriveMaker, open_drives

from standfast.model.cluster import Snapshot
from standfast.model.hostwork import WorkOrder
from standfast.model.ids import HostId
from standfast.ports import Fencing
from standfast.run.loop import RunLoop


@pytest.fixture
def drives(tmp_path: Path) -> Iterator[DriveMaker]:
    with open_drives(tmp_path) as make:
        yield make


class EndDuringTheNextLook(Executor):
    """Calls wait until the cluster has been looked at, and end before anybody decides what is seen."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def end() -> None:
            fn(*args, **kwargs)
            future.set_result(None)

        self.waiting.append(end)
        return future

    def map(self, fn: Any, *iterables: Iterable[Any], **_: Any) -> Iterator[Any]:
        return iter([fn(*each) for each in zip(*iterables, strict=True)])

    def end_all(self) -> None:
        waiting, self.waiting = self.waiting, []
        for end in waiting:
            end()


def test_a_call_that_ends_during_a_look_is_not_made_again_for_not_being_seen(drives: DriveMaker) -> None:
    drive = drives()
    drive.begin()
    lease = drive.store.take_lease("tester", drive.world.clock.now(), ttl_seconds=1e12)
    assert lease is not None
    executor, made = EndDuringTheNextLook(), Counter[tuple[str, str]]()
    outside = drive.world.outside

    class Counting:
        def __init__(self, port: Any) -> None:
            self.port = port

        def cordon(self, host: HostId, by: Fencing, *, admit: Any = ()) -> None:
            made["cordon", host] += 1
            self.port.cordon(host, by, admit=admit)

        def begin(self, order: WorkOrder) -> None:
            made[order.unit, order.host] += 1
            self.port.begin(order)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.port, name)

    outside = replace(outside, fence=Counting(outside.fence), work=Counting(outside.work))

    def rules(snapshot: Snapshot) -> Any:
        executor.end_all()  # the look is over but for the rules
        return drive.rules(snapshot)

    loop = RunLoop(drive.store, RUN, outside, rules, lambda: lease, executor=executor)
    for _ in range(400):
        if drive.run.ended:
            break
        if not loop.tick():
            drive.world.clock.sleep(drive.policy.tick_seconds)
    assert drive.run.ended
    drive.assert_kept()
    assert made
    assert set(made.values()) == {1}
