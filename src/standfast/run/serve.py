"""The one process that acts: takes the lease, drives every active run, and lets go.

A death at any instant is a normal way out: the next one, here or elsewhere, reads the rows and goes on.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import structlog

from standfast.model.cluster import Snapshot
from standfast.model.errors import LeaseLostError, RefusedError, StandfastError
from standfast.model.ids import RunId
from standfast.model.reasons import Code, Reason
from standfast.model.run import Run, RunState
from standfast.ports import Outside
from standfast.run import operators, returning
from standfast.run.clock import WallClock
from standfast.run.loop import RunLoop
from standfast.run.observe import RulesFor
from standfast.run.seen import Seen, View
from standfast.run.steps import EXITS
from standfast.store.changes import NewEvent, PutRun
from standfast.store.lease import Lease
from standfast.store.repository import Store

log = structlog.get_logger()

LEASE_SECONDS = 20.0
RENEW_SECONDS = 5.0
THREADS = 32
"""Calls and looks under way at once; each waits for a machine, so this costs memory, not processors."""


@dataclass(frozen=True, slots=True)
class Attached:
    """One cluster, ready to be driven."""

    outside: Outside
    rules: RulesFor


Attach = Callable[[Run], Attached]
Beside = Callable[[Callable[[], Lease]], AbstractContextManager[object]]


@contextmanager
def only_one_here(state_dir: Path) -> Iterator[None]:
    """At most one serving process on this machine for this state. The kernel lets go when it dies.

    Raises RefusedError if there is one.
    """
    lock = os.open(state_dir / "serve.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RefusedError(
                "already_serving",
                "another process serves this state already",
                where=str(state_dir),
                do="Nothing to do: it drives the active runs.",
            ) from error
        yield
    finally:
        os.close(lock)


def release_dead(store: Store, host: str) -> None:
    """Let go of a lease that a dead process of this machine still holds, so that nobody waits for its end.

    Only for the one who is inside `only_one_here`: that no other process here serves this state is then sure.
    """
    lease = store.lease()
    if lease is not None and lease.holder.rpartition(":")[0] == host:
        store.release_lease(lease)


class Keeper:
    """Holds the lease and says whether it still does: by time that passes, whatever a clock is set to.

    What others read in the store is wall time. They judge it by their own clocks, and the store's epoch and
    each host's stand behind that.
    """

    def __init__(self, store: Store, holder: str, clock: WallClock) -> None:
        self._store = store
        self._holder = holder
        self._clock = clock
        self._lease: Lease | None = None
        self._renewed_at = 0.0
        """By the clock that nobody can set."""

    def take(self) -> bool:
        """True once the lease is ours, with a new epoch."""
        began = self._clock.elapsed()
        self._lease = self._store.take_lease(self._holder, self._clock.now(), LEASE_SECONDS)
        self._renewed_at = began
        return self._lease is not None

    def current(self) -> Lease:
        """The lease if it holds now. Raises LeaseLostError: whoever asks must not act."""
        if self._lease is None or self._clock.elapsed() - self._renewed_at >= LEASE_SECONDS:
            raise LeaseLostError(
                "lease_expired",
                "this controller may not act any more",
                why="its lease ran out before it was renewed",
            )
        return self._lease

    def renew(self) -> None:
        """Renew when it is time. Raises LeaseLostError if another controller has taken over."""
        began = self._clock.elapsed()
        if began - self._renewed_at < RENEW_SECONDS:
            return
        self._lease = self._store.renew_lease(self.current(), self._clock.now())
        self._renewed_at = began

    def release(self) -> None:
        if self._lease is not None:
            self._store.release_lease(self._lease)
            self._lease = None


def serve(
    store: Store,
    attach: Attach,
    *,
    until_idle: bool,
    holder: str,
    stop: threading.Event,
    clock: WallClock,
    beside: Beside = lambda _: nullcontext(),
    alive: Callable[[], None] = lambda: None,
) -> None:
    """Drive active runs until `stop`, or with `until_idle` until there are none.

    `clock` is real time: leases are about processes, also where the cluster's own time is virtual. `stop`
    admits nothing new and returns within a tick; work under way goes on at the hosts. `beside` is entered
    while the lease is ours, and handed what tells whether it still is. `alive` is called once per round.
    """
    keeper = Keeper(store, holder, clock)
    while not stop.is_set():
        alive()
        if not keeper.take():
            clock.sleep(1.0)
            continue
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="call")
        try:
            with beside(keeper.current):
                _Driver(store, attach, keeper, executor, clock, alive).drive(until_idle, stop)
            return
        except LeaseLostError as error:
            log.warning("lease lost: starting over from the store", error=str(error))
        finally:
            # A call still waiting for its machine is not waited for: whoever is next sees what it did.
            executor.shutdown(wait=False, cancel_futures=True)
            keeper.release()


class _Driver:
    """All active runs, each with its loop, while one lease lasts."""

    def __init__(
        self,
        store: Store,
        attach: Attach,
        keeper: Keeper,
        executor: ThreadPoolExecutor,
        clock: WallClock,
        alive: Callable[[], None],
    ) -> None:
        self._store = store
        self._attach = attach
        self._keeper = keeper
        self._executor = executor
        self._clock = clock
        self._alive = alive
        self._loops: dict[RunId, tuple[RunLoop, Attached, float]] = {}

    def drive(self, until_idle: bool, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                self._alive()
                self._keeper.renew()
                active = self._store.runs_to_drive()
                self._open_and_close(active)
                if not active and until_idle:
                    return
                changed = [self._tick(run, loop) for run, (loop, _, _) in self._loops.items()]
                if not any(changed):
                    self._rest()
        finally:
            for _, attached, _ in self._loops.values():
                attached.outside.platform.close()

    def _tick(self, run: RunId, loop: RunLoop) -> bool:
        """One run's trouble (a row that can't be read) is no reason to leave the others alone."""
        try:
            return loop.tick()
        except LeaseLostError:
            raise
        except StandfastError as error:
            log.error("this run can't be driven", run=run, error=str(error))
            return False

    def _open_and_close(self, active: tuple[RunId, ...]) -> None:
        for run_id in active:
            if run_id in self._loops:
                continue
            try:
                run = self._store.run(run_id)
            except StandfastError as error:
                log.error("this run can't be read", run=run_id, error=str(error))
                continue
            try:
                attached = self._attach(run)
            except StandfastError as error:
                self._hold(run, error)
                continue
            loop = RunLoop(
                self._store,
                run_id,
                attached.outside,
                attached.rules,
                self._keeper.current,
                executor=self._executor,
                wake=self._clock.wake,
            )
            self._loops[run_id] = (loop, attached, run.plan.policy.tick_seconds)
        for run_id in set(self._loops) - set(active):
            self._loops.pop(run_id)[1].outside.platform.close()

    def _hold(self, run: Run, error: StandfastError) -> None:
        """A run whose cluster can't be attached (gone from the config, say) waits; the others go on.

        Its operator is heard all the same: abandon must be a way out of anything.
        """
        now, epoch = self._clock.now(), self._keeper.current().epoch
        unseen = Seen(Snapshot(run.cluster, run.plan.platform, now, (), ()))
        for action in operators.take_up(View.of(run, unseen, now)):
            self._store.write(epoch, run.id, action.changes, action.events, now)
            return
        if run.ended:
            for action in returning.give_up(run, f"cluster {run.cluster} can't be attached"):
                self._store.write(epoch, run.id, action.changes, action.events, now)
            return
        if run.state is RunState.HELD:
            self._clock.sleep(1.0)
            return
        reason = Reason(Code.ACTION_FAILED, f"Cluster {run.cluster} can't be attached: {error}")
        events = (NewEvent("run_held", f"{reason.sentence} {EXITS}"),)
        changes = (PutRun(RunState.HELD, reason),)
        self._store.write(epoch, run.id, changes, events, now)

    def _rest(self) -> None:
        """Wait for the next tick on the cluster's own clock, virtual where it is simulated."""
        clocks = [(tick, attached.outside.clock) for _, attached, tick in self._loops.values()]
        if not clocks:
            self._clock.sleep(1.0)
            return
        tick, clock = min(clocks, key=lambda found: found[0])
        # In real time the sleep is on our own clock, which a call that has ended wakes.
        try:
            (self._clock if isinstance(clock, WallClock) else clock).sleep(tick)
        except StandfastError as error:
            log.error("a simulated clock can't be read", error=str(error))
            self._clock.sleep(1.0)
