"""One trial: the real controller on a simulated cluster, killed wherever the seed says, judged by the world.

A death drops the controller in the middle of what it does: before or after a commit, before or after an
outward call, the answer unread. No handler of the product sees it. The next controller knows what the store
knows.
"""

from __future__ import annotations

import random
import re
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench._scenario import OwnTrouble, Scenario, Trouble
from bench._setclock import SetClock, Stamped
from standfast.codec import digest
from standfast.model.cluster import Rules, Snapshot
from standfast.model.errors import FileFormatError, OutsideError, StandfastError
from standfast.model.ids import HostId, RunId
from standfast.model.run import ENDED_PHASES, Run, RunState, Verb
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimWorld
from standfast.ports import Outside
from standfast.run.loop import RunLoop
from standfast.run.observe import observe
from standfast.store import Store, keeping

RUN = RunId("01TORTURE")
STRANGE = "warming"
"""A phase of a host that only a newer release knows."""
MOST_TICKS = 20_000
MOST_SPUN = 1_000
"""How many ticks may follow each other at once, deaths among them; more is going in circles."""
MOST_HELD = 12
"""How often an operator has to help at most; more is going in circles."""
PATIENCE_SECONDS = 3_600.0
"""How long nothing may change in a run that waits for nobody."""


class Died(BaseException):
    """The controller was killed here. No handler of the product catches it."""


@dataclass
class Verdict:
    """What became of one seed. `ended`: the last state, `refused` (no plan), `stuck`, `crashed`, `hung`."""

    seed: int
    ended: str
    kills: int = 0
    held: int = 0
    must_complete: bool = False
    violations: tuple[str, ...] = ()
    story: list[str] = field(default_factory=list)

    @property
    def stuck(self) -> bool:
        return self.ended in ("stuck", "crashed", "hung") or (
            self.must_complete and self.ended != RunState.COMPLETED
        )


Hook = Callable[[str], None]


class _Mortal:
    """Something whose user may die before or after each call of it."""

    def __init__(self, inner: Any, name: str, hook: Hook, only: frozenset[str] | None = None) -> None:
        self._inner, self._name, self._hook, self._only = inner, name, hook, only

    def __getattr__(self, what: str) -> Any:
        found = getattr(self._inner, what)
        if not callable(found) or (self._only is not None and what not in self._only):
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._hook(f"before {self._name}.{what}")
            answer = found(*args, **named)
            self._hook(f"after {self._name}.{what}")
            return answer

        return call


class StoreDown(OutsideError):
    """The store can't be used now, as where another process locks it or its disk is full."""


class _Remembered:
    """A store whose rows are read again only after something was written, and by every new controller.

    Most ticks wait and change nothing; reading the same rows over and over was three quarters of a trial. For
    the same reason what the page shows is written at every tenth tick only.
    """

    PUBLISH_EVERY = 10

    def __init__(self, store: Store) -> None:
        self._store = store
        self._run: Run | None = None
        self._published = 0
        self.down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def forget(self) -> None:
        self._run = None

    def _must_be_up(self) -> None:
        if self.down:
            raise StoreDown("store_locked", "the store is locked")

    def run(self, run: RunId) -> Run:
        self._must_be_up()
        if self._run is None:
            self._run = self._store.run(run)
        return self._run

    def write(self, *args: Any) -> None:
        self.forget()
        self._must_be_up()
        self._store.write(*args)

    def command(self, *args: Any) -> int:
        self.forget()
        return self._store.command(*args)

    def publish(self, *args: Any) -> None:
        self._must_be_up()
        self._published += 1
        if self._published % self.PUBLISH_EVERY == 1:
            self._store.publish(*args)


class Trial:
    """One scenario in the store in the file `where`."""

    def __init__(self, scenario: Scenario, where: Path) -> None:
        self.scenario = scenario
        self.world = SimWorld(scenario.spec)
        self._path = where
        self.store = _Remembered(Store.open(where))
        self._clock = SetClock(self.world.clock)
        self._own = list(scenario.own)
        self._copies = [max(0.0, one.at - one.seconds) for one in self._own if one.what is Trouble.RESTORE]
        self._passes: list[tuple[float, Callable[[], None]]] = []
        self._absent = False
        self._own_moved = 0
        self._broken: list[str] = []
        self._strange: tuple[HostId, str] | None = None
        self._copy = where.with_name("copy.db")
        self._copied_at = self.world.clock.now()
        self.verdict = Verdict(scenario.seed, "", must_complete=scenario.must_complete)
        self._chance = random.Random(scenario.seed + 1)
        self._loop: RunLoop | None = None
        self._starts = 0
        self._began = self.world.clock.now()
        self._mishaps = sorted(scenario.mishaps, key=lambda mishap: mishap.at)
        self._words = list(scenario.words)
        self._changed_at = self._began
        self._abandoned = False

    def run(self) -> Verdict:
        """Play it to the end."""
        try:
            self._play()
        except Exception as error:  # noqa: BLE001 - boundary: what the controller raises is a finding
            self.verdict.ended = "crashed"
            self._note("".join(traceback.format_exception(error)))
        self._tell()
        self.store.close()
        return self.verdict

    def hung(self, seconds: float, where: BaseException) -> Verdict:
        """It was ended from outside, after so many seconds of real time."""
        self.verdict.ended = "hung"
        self._note(
            f"no end after {seconds:.0f} s of real time:\n{''.join(traceback.format_exception(where))}"
        )
        return self.verdict

    def _play(self) -> None:
        snapshot = observe(self.world.outside, self._rules, scan=True)
        plan = make_plan(snapshot, self.scenario.policy, now=self.world.clock.now())
        if plan.refusals:
            self.verdict.ended, self.verdict.must_complete = "refused", False
            return
        self.store.create_run(RUN, plan, digest(plan), "torture", self.world.clock.now())
        self._keep_copy()
        spun = 0
        for _ in range(MOST_TICKS):
            self._fate()
            if self._absent:
                self.world.clock.sleep(self.scenario.policy.tick_seconds)
                continue
            if self.store.down:
                self._tick()
                self.world.clock.sleep(self.scenario.policy.tick_seconds)
                continue
            run = self.store.run(RUN)
            if run.ended:
                self.verdict.ended = str(run.state)
                return
            if run.state is RunState.HELD and self._settled() and not self._help(run):
                break
            if run.state is RunState.PAUSED and not self._words and self._settled():
                self._say(Verb.RESUME)
            spun = spun + 1 if self._tick() else 0
            if not spun:
                self.world.clock.sleep(self.scenario.policy.tick_seconds)
            if spun > MOST_SPUN:
                self._note("something changes at every tick, and nothing comes of it")
                break
            if self.world.clock.now() - self._changed_at > PATIENCE_SECONDS:
                break
        self.verdict.ended = "stuck"

    def _rules(self, _: Snapshot) -> Rules:
        with self.world.open(write=False) as state:
            return state.rules

    # --- the controller and its deaths ----------------------------------------------------------------------

    def _tick(self) -> bool:
        try:
            if self._loop is None:
                self._loop = self._controller()
            changed = self._loop.tick()
        except StoreDown:  # the driver of the loops logs it and comes again
            return False
        except Died:
            self.verdict.kills += 1
            self._loop = None
            return True
        if changed:
            self._changed_at = self.world.clock.now()
        return changed

    def _controller(self) -> RunLoop:
        """A new controller; the one before, if any, is as dead as a process can be."""
        self.store.forget()
        self._starts += 1
        lease = self.store.take_lease("torture", self.world.clock.now(), ttl_seconds=1e12)
        assert lease is not None
        inner = self.world.outside
        outside: Outside = replace(
            inner,
            clock=self._clock,
            silencers=tuple(_Mortal(one, "silencer", self._hook) for one in inner.silencers),
            platform=_Mortal(inner.platform, "platform", self._hook),
            fence=_Mortal(inner.fence, "fence", self._hook),
            work=_Mortal(Stamped(inner.work, self._clock), "work", self._hook),
            examiner=Stamped(inner.examiner, self._clock),
        )
        store: Any = _Mortal(self.store, "store", self._hook, frozenset({"write", "publish"}))
        return RunLoop(store, RUN, outside, self._rules, lambda: lease)

    def _hook(self, where: str) -> None:
        scenario = self.scenario
        if self.verdict.kills < scenario.most_deaths and self._chance.random() < scenario.death_chance:
            self._note(f"killed {where}")
            raise Died

    # --- mishaps and operators ------------------------------------------------------------------------------

    def _fate(self) -> None:
        past = self.world.clock.now() - self._began
        while self._mishaps and self._mishaps[0].at <= past:
            mishap = self._mishaps.pop(0)
            self._note(f"mishap: {mishap.text}")
            mishap.strike(self.world)
        for due, undo in [one for one in self._passes if one[0] <= past]:
            self._passes.remove((due, undo))
            undo()
        if self._copies and min(self._copies) <= past and not self.store.down:
            self._copies.remove(min(self._copies))
            self._keep_copy()
        while self._own and self._own[0].at <= past and not self._passes:
            self._befall(self._own.pop(0))
        self._own_landing()
        reachable = not self.store.down
        while reachable and self._words and self._words[0].at <= past:
            word = self._words.pop(0)
            self._say(word.verb, word.host)

    def _own_landing(self) -> None:
        """The controller's own VM has come to another host: at worst, the process did not live through it."""
        with self.world.open(write=False) as state:
            own = state.vms.get(state.rules.controller) if state.rules.controller else None
            moved = own.moved if own is not None else self._own_moved
        if moved > self._own_moved:
            self._note("killed as its own VM lands")
            self._own_moved, self._loop = moved, None
            self.verdict.kills += 1

    def _say(self, verb: Verb, about: int | None = None) -> None:
        host = None if about is None else list(self.world.names)[about % len(self.world.names)]
        self._note(f"operator: {verb} {self.world.names[host] if host else ''}")
        self._abandoned |= verb is Verb.ABANDON
        self._changed_at = self.world.clock.now()
        try:
            self.store.command(RUN, verb, "torture", self.world.clock.now(), host)
        except StandfastError as error:
            self._note(f"refused: {error}")

    def _settled(self) -> bool:
        """Nothing has changed for some ticks: whoever waits may act now."""
        return self.world.clock.now() - self._changed_at >= 4 * self.scenario.policy.tick_seconds

    def _help(self, run: Run) -> bool:
        """What an operator does about a held run: mend and resume; if that is no help, cancel, then abandon.
        False once that is at its end.
        """
        if self._strange is not None:
            self._note(f"held: {run.reason}")
            self._upgrade()
            self._say(Verb.RESUME)
            return True
        self.verdict.held += 1
        self._note(f"held: {run.reason}")
        if self.verdict.held > MOST_HELD:
            return False
        for host in self.world.names:
            self.world.power_on(host)
            self.world.heal(host)
            self.world.skew_clock(host, 0.0)
        self.world.monitoring(down=False)
        with self.world.open() as state:
            for vm in state.vms.values():
                vm.never_converges = False
            for about in state.hosts.values():
                if about.cordoned_by and about.cordoned_by != RUN:
                    about.cordoned_by = ""
        self._say(
            Verb.RESUME
            if self.verdict.held <= MOST_HELD - 4
            else Verb.CANCEL
            if self.verdict.held < MOST_HELD
            else Verb.ABANDON
        )
        return True

    # --- what befalls the controller itself -----------------------------------------------------------------

    def _befall(self, trouble: OwnTrouble) -> None:
        self._note(f"{trouble.what}: {trouble.seconds:.0f} s")
        match trouble.what:
            case Trouble.ABSENT:
                self._loop, self._absent = None, True
                self.verdict.kills += 1
                # Counted from its own begin: a lease's length later nothing of it may be silent any more.
                if trouble.seconds > self._lease_seconds:
                    self._later(self._lease_seconds + 1.0, self._no_silence)
                self._later(trouble.seconds, self._come_back)
            case Trouble.LOCKED:
                self.store.down = True
                self._later(trouble.seconds, self._unlock)
            case Trouble.JUMP:
                self._clock.off_by += trouble.seconds
            case Trouble.DOWNGRADE:
                self._downgrade(trouble.seconds)
            case Trouble.DAMAGE:
                self._damage()
            case Trouble.RESTORE:
                self._restore()

    def _later(self, seconds: float, undo: Callable[[], None]) -> None:
        self._passes.append((self.world.clock.now() - self._began + seconds, undo))

    @property
    def _lease_seconds(self) -> float:
        return max((one.lease_seconds for one in self.world.outside.silencers), default=0.0)

    def _no_silence(self) -> None:
        with self.world.open(write=False) as state:
            for silence in state.monitoring.active(state.now):
                self._broken.append(f"{state.host_name(silence.host)} is silenced with nobody alive")

    def _come_back(self) -> None:
        self._absent = False
        self._changed_at = self.world.clock.now()

    def _unlock(self) -> None:
        self.store.down = False
        self._changed_at = self.world.clock.now()

    def _sql(self, statement: str, *values: str) -> list[tuple[str, ...]]:
        """Somebody else writes to the store: a newer release, or whatever damages files."""
        self.store.forget()
        with closing(sqlite3.connect(self._path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def _downgrade(self, seconds: float) -> None:
        """A newer release has put a host into a phase of its own, then this one is started: it has to hold
        and to leave that host alone until the newer one is back."""
        active = [row for row in self.store.run(RUN).hosts if row.phase not in ENDED_PHASES]
        if not active:
            return
        row = self._chance.choice(active)
        self._sql("UPDATE host SET phase = ? WHERE host = ?", STRANGE, row.host)
        self._loop, self._strange = None, (row.host, row.phase)

    def _upgrade(self) -> None:
        """The release that knows the phase takes over again."""
        assert self._strange is not None
        host, phase = self._strange
        self._strange = None
        found = self._sql("SELECT phase FROM host WHERE host = ?", host)
        if found != [(STRANGE,)]:
            self._broken.append(f"a phase that is not known was overwritten with {found}")
        self._sql("UPDATE host SET phase = ? WHERE host = ?", phase, host)
        self._loop = None

    def _damage(self) -> None:
        """A row that can't be read: the run is refused with a sentence, until a copy is put back."""
        self._keep_copy()
        self._sql("UPDATE host SET scan_before = ?", "{ not whole")
        self._loop = None
        try:
            self.store.run(RUN)
            self._broken.append("a damaged row was read as if it were whole")
        except FileFormatError:
            pass
        self._restore()

    def _keep_copy(self) -> None:
        self._copy.unlink(missing_ok=True)
        keeping.back_up(self._path, self._copy)
        self._copied_at = self.world.clock.now()

    def _restore(self) -> None:
        """The controller is stopped, and the store is as it was when the copy was made."""
        self._note(f"restored from a copy of {self.world.clock.now() - self._copied_at:.0f} s ago")
        self._loop = None
        self.store.close()
        # Each start takes a second, as one does outside: it is the time that keeps epochs apart.
        keeping.restore(self._copy, self._path, now=self.world.clock.now() + self._starts)
        self.store = _Remembered(Store.open(self._path))
        self._changed_at = self.world.clock.now()

    # --- the judgement --------------------------------------------------------------------------------------

    def _not_given_back(self) -> list[str]:
        """What a run that has ended still owes. A cordon on a host that nobody can reach is told to the
        operator in the run's last word instead; where it is not, or the host answers, it is owed."""
        last = [event.text for event in self.store.events(RUN)][-1]
        with self.world.open(write=False) as state:
            away = [host.base.name for key, host in state.hosts.items() if not state.reachable(key)]
        told = [
            f"{name} is still cordoned"
            for name in away
            if re.search(rf"Still changed:.*\bcordon {name}\b", last)
        ]
        return [
            text
            for text in self.world.not_given_back
            if not text.endswith("cordoned by somebody") and not text.startswith(tuple(told))
        ]

    def _note(self, text: str) -> None:
        self.verdict.story.append(f"{self.world.clock.now() - self._began:9.1f} {text}")

    def _tell(self) -> None:
        found = [*self.world.violations, *self._broken]
        with self.world.open(write=False) as state:
            found += [
                f"{state.host_name(silence.host)} is silenced for longer than a lease"
                for silence in state.monitoring.active(state.now + self._lease_seconds)
            ]
        if not self._abandoned and self.verdict.ended not in ("refused", "stuck", "crashed"):
            found += self._not_given_back()
        self.verdict.violations = tuple(found)
        if self.verdict.ended != "refused":
            for event in self.store.events(RUN):
                self.verdict.story.append(f"{event.at - self._began:9.1f} run: {event.text}")
        for line in self.world.log:
            at, _, text = line.partition(" ")
            self.verdict.story.append(f"{float(at) - self._began:9.1f} world: {text}")
        self.verdict.story.sort(key=lambda line: float(line.split(None, 1)[0]))
