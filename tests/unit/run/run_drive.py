"""The real controller on a simulated cluster, in one process and in virtual time.

A death is simulated by dropping the loop in the middle of an action: an outward call or a store write raises
`Died`, which nothing catches, and a new loop with a new lease goes on from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from standfast.codec import digest
from standfast.model.cluster import Rules, Snapshot
from standfast.model.ids import HostId, RunId
from standfast.model.plan import Plan
from standfast.model.policy import Policy
from standfast.model.run import Phase, Run, RunState, Verb
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimSpec, SimWorld
from standfast.run.loop import RunLoop
from standfast.run.observe import observe
from standfast.store.repository import Store

QUICK = Policy(tick_seconds=5.0, verify_stable_seconds=5.0)
RUN = RunId("01TESTRUN")


class Died(BaseException):
    """The controller was killed here. No handler of the product catches it."""


@dataclass
class Drive:
    """One run on one world."""

    world: SimWorld
    store: Store
    policy: Policy = QUICK
    deaths: int = 0
    hook: Callable[[str], None] | None = None
    """Called at every point where a controller can die; raises Died to kill it."""
    _loop: RunLoop | None = field(default=None, init=False)

    def rules(self, _snapshot: Snapshot) -> Rules:
        with self.world.open(write=False) as state:
            return state.rules

    def snapshot(self, *, scan: bool = False) -> Snapshot:
        return observe(self.world.outside, self.rules, scan=scan)

    def plan(self) -> Plan:
        return make_plan(self.snapshot(scan=True), self.policy, now=self.world.clock.now())

    def begin(self, plan: Plan | None = None) -> None:
        plan = plan or self.plan()
        assert plan.refusals == (), [str(reason) for reason in plan.refusals]
        self.store.create_run(RUN, plan, digest(plan), "tester", self.world.clock.now())

    @property
    def run(self) -> Run:
        return self.store.run(RUN)

    def say(self, verb: Verb, host: HostId | None = None) -> int:
        return self.store.command(RUN, verb, "tester", self.world.clock.now(), host)

    def start_controller(self) -> None:
        """A new controller takes over; the one before, if any, is as dead as a process can be."""
        lease = self.store.take_lease("tester", self.world.clock.now(), ttl_seconds=1e12)
        assert lease is not None
        store: Any = self.store if self.hook is None else _Dying(self.store, self.hook)
        self._loop = RunLoop(store, RUN, self.world.outside, self.rules, lambda: lease)

    def tick(self) -> bool:
        if self._loop is None:
            self.start_controller()
        assert self._loop is not None
        try:
            return self._loop.tick()
        except Died:
            self.deaths += 1
            self._loop = None
            return True

    def until(self, wanted: Callable[[Run], bool], *, ticks: int = 5_000) -> Run:
        """Tick until the run is as wanted. AssertionError, with the last events, if that never comes."""
        for _ in range(ticks):
            if wanted(self.run):
                return self.run
            if not self.tick():
                self.world.clock.sleep(self.policy.tick_seconds)
        last = "\n".join(f"  {event.text}" for event in self.store.events(RUN)[-12:])
        raise AssertionError(f"the run is {self.run.state} and never became as wanted; last events:\n{last}")

    def to_the_end(self) -> Run:
        return self.until(lambda run: run.ended)

    def until_phase(self, phase: Phase, host: int = 0) -> Run:
        return self.until(lambda run: run.hosts[host].phase == phase)

    def until_held(self) -> Run:
        return self.until(lambda run: run.state is RunState.HELD)

    def texts(self) -> str:
        return "\n".join(event.text for event in self.store.events(RUN))

    def assert_kept(self) -> None:
        """The world's own record knows of no broken promise, and nothing is still borrowed."""
        assert self.world.violations == ()
        assert self.world.not_given_back == ()


class _Dying:
    """A store that lets its user die before or after each commit."""

    def __init__(self, store: Store, hook: Callable[[str], None]) -> None:
        self._store = store
        self._hook = hook

    def write(self, *args: Any) -> None:
        self._hook("before commit")
        self._store.write(*args)
        self._hook("after commit")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class DriveMaker(Protocol):
    def __call__(self, spec: SimSpec | None = None, policy: Policy = QUICK) -> Drive: ...


@contextmanager
def open_drives(where: Path) -> Iterator[DriveMaker]:
    """Drives whose stores are below `where` and are closed at the end."""
    with ExitStack() as stack:
        numbers = count()

        def make(spec: SimSpec | None = None, policy: Policy = QUICK) -> Drive:
            store = Store.open(where / f"drive-{next(numbers)}.db")
            stack.callback(store.close)
            return Drive(SimWorld(spec or SimSpec()), store, policy)

        yield make
