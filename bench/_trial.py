"""One trial: the real controller on a simulated cluster, killed wherever the seed says, judged by the world.

A death drops the controller in the middle of what it does: before or after a commit, before or after an
outward call, the answer unread. No handler of the product sees it. The next controller knows what the store
knows.
"""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench._scenario import Scenario
from standfast.codec import digest
from standfast.model.cluster import Rules, Snapshot
from standfast.model.errors import StandfastError
from standfast.model.ids import RunId
from standfast.model.run import Run, RunState, Verb
from standfast.plan.make import make_plan
from standfast.platforms.simulated import SimWorld
from standfast.ports import Outside
from standfast.run.loop import RunLoop
from standfast.run.observe import observe
from standfast.store import Store

RUN = RunId("01TORTURE")
MOST_TICKS = 20_000
MOST_HELD = 12
"""How often an operator has to help at most; more is going in circles."""
PATIENCE_SECONDS = 3_600.0
"""How long nothing may change in a run that waits for nobody."""


class Died(BaseException):
    """The controller was killed here. No handler of the product catches it."""


@dataclass
class Verdict:
    """What became of one seed. `ended` is the run's last state, `refused` (no plan), `stuck` or `crashed`."""

    seed: int
    ended: str
    kills: int = 0
    held: int = 0
    must_complete: bool = False
    violations: tuple[str, ...] = ()
    story: list[str] = field(default_factory=list)

    @property
    def stuck(self) -> bool:
        return self.ended in ("stuck", "crashed") or (self.must_complete and self.ended != RunState.COMPLETED)


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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def forget(self) -> None:
        self._run = None

    def run(self, run: RunId) -> Run:
        if self._run is None:
            self._run = self._store.run(run)
        return self._run

    def write(self, *args: Any) -> None:
        self.forget()
        self._store.write(*args)

    def command(self, *args: Any) -> int:
        self.forget()
        return self._store.command(*args)

    def publish(self, *args: Any) -> None:
        self._published += 1
        if self._published % self.PUBLISH_EVERY == 1:
            self._store.publish(*args)


class Trial:
    """One scenario in the store in the file `where`."""

    def __init__(self, scenario: Scenario, where: Path) -> None:
        self.scenario = scenario
        self.world = SimWorld(scenario.spec)
        self.store = _Remembered(Store.open(where))
        self.verdict = Verdict(scenario.seed, "", must_complete=scenario.must_complete)
        self._chance = random.Random(scenario.seed + 1)
        self._loop: RunLoop | None = None
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

    def _play(self) -> None:
        snapshot = observe(self.world.outside, self._rules, scan=True)
        plan = make_plan(snapshot, self.scenario.policy, now=self.world.clock.now())
        if plan.refusals:
            self.verdict.ended, self.verdict.must_complete = "refused", False
            return
        self.store.create_run(RUN, plan, digest(plan), "torture", self.world.clock.now())
        for _ in range(MOST_TICKS):
            run = self.store.run(RUN)
            if run.ended:
                self.verdict.ended = str(run.state)
                return
            self._fate()
            if run.state is RunState.HELD and self._settled() and not self._help(run):
                break
            if run.state is RunState.PAUSED and not self._words and self._settled():
                self._say(Verb.RESUME)
            if not self._tick():
                self.world.clock.sleep(self.scenario.policy.tick_seconds)
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
        lease = self.store.take_lease("torture", self.world.clock.now(), ttl_seconds=1e12)
        assert lease is not None
        inner = self.world.outside
        outside: Outside = replace(
            inner,
            platform=_Mortal(inner.platform, "platform", self._hook),
            fence=_Mortal(inner.fence, "fence", self._hook),
            work=_Mortal(inner.work, "work", self._hook),
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
        while self._words and self._words[0].at <= past:
            self._say(self._words.pop(0).verb)

    def _say(self, verb: Verb) -> None:
        self._note(f"operator: {verb}")
        self._abandoned |= verb is Verb.ABANDON
        self._changed_at = self.world.clock.now()
        try:
            self.store.command(RUN, verb, "torture", self.world.clock.now())
        except StandfastError as error:
            self._note(f"refused: {error}")

    def _settled(self) -> bool:
        """Nothing has changed for some ticks: whoever waits may act now."""
        return self.world.clock.now() - self._changed_at >= 4 * self.scenario.policy.tick_seconds

    def _help(self, run: Run) -> bool:
        """What an operator does about a held run: mend and resume; if that is no help, cancel, then abandon.
        False once that is at its end.
        """
        self.verdict.held += 1
        self._note(f"held: {run.reason}")
        if self.verdict.held > MOST_HELD:
            return False
        for host in self.world.names:
            self.world.power_on(host)
            self.world.heal(host)
            self.world.skew_clock(host, 0.0)
        for vm in self.world.vm_names:
            self.world.never_converge(vm, False)
        with self.world.open() as state:
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

    # --- the judgement --------------------------------------------------------------------------------------

    def _note(self, text: str) -> None:
        self.verdict.story.append(f"{self.world.clock.now() - self._began:9.1f} {text}")

    def _tell(self) -> None:
        found = list(self.world.violations)
        if not self._abandoned and self.verdict.ended not in ("refused", "stuck", "crashed"):
            found += [text for text in self.world.not_given_back if not text.endswith("cordoned by somebody")]
        self.verdict.violations = tuple(found)
        if self.verdict.ended != "refused":
            for event in self.store.events(RUN):
                self.verdict.story.append(f"{event.at - self._began:9.1f} run: {event.text}")
        for line in self.world.log:
            at, _, text = line.partition(" ")
            self.verdict.story.append(f"{float(at) - self._began:9.1f} world: {text}")
        self.verdict.story.sort(key=lambda line: float(line.split(None, 1)[0]))
