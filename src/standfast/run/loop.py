"""One tick of one run: observe, decide, write, act. The rows of an action are committed before its call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import structlog

from standfast.model.cluster import Snapshot
from standfast.model.errors import StandfastError
from standfast.model.exam import Exam
from standfast.model.ids import HostId, MoveId, RunId
from standfast.model.moves import MoveOutcome, OutcomeKind
from standfast.model.run import Run
from standfast.plan.following import Following
from standfast.ports import Fencing, Outside
from standfast.run import clockset, eta, foretell, returning
from standfast.run.actions import Action
from standfast.run.calls import Answers, Caller
from standfast.run.decide import decide
from standfast.run.lookout import Lookout
from standfast.run.observe import Known, RulesFor, observe
from standfast.run.seen import Seen, order_of
from standfast.run.silencebook import SilenceBook
from standfast.store.lease import Lease
from standfast.store.repository import Store

log = structlog.get_logger()

ROUNDS = 10
"""How many steps may follow from one look; a bound against a mistake, not a measure."""

PUBLISH_SECONDS = 1.0
"""While one tick follows the other, watchers are told no more often."""


class RunLoop:
    """Drives one run while the lease is held. A new one, in a new process, goes on from the same rows."""

    def __init__(
        self,
        store: Store,
        run: RunId,
        outside: Outside,
        rules: RulesFor,
        lease: Callable[[], Lease],  # raises LeaseLostError once it is over
        *,
        executor: Executor | None = None,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._run = run
        self._outside = outside
        self._rules = rules
        self._lease = lease
        self._executor = executor
        self._lookout = Lookout()
        self._known: Known = {}
        self._following = Following()
        self._exams: dict[HostId, Exam] = {}
        self._clocks: tuple[float, float] | None = None
        self._jumped = 0.0
        self._published: float | None = None
        self._drains = foretell.Drains()
        self._caller = Caller(outside, self._fencing, executor, wake)
        self._silences = SilenceBook(outside.silencers)

    def _fencing(self) -> Fencing:
        """Our epoch, if our lease still holds now. Asked right before every act."""
        return Fencing(self._run, self._lease().epoch)

    def tick(self) -> bool:
        """One round. True if rows changed, so that the next round should come at once.

        Raises LeaseLostError when another controller acts; a platform that can't be asked is logged and
        waited for.
        """
        run = self._store.run(self._run)
        if run.ended and not run.commands and not returning.to_return(run):
            return False
        # Asked before looking: what a platform says has ended is then seen as it is after its end.
        outcomes, unanswered = self._outcomes(run)
        for move in run.started:
            if move.id in unanswered or outcomes[move.id].kind is not OutcomeKind.RUNNING:
                self._lookout.touched(move.source)
        before = self._caller.acting
        try:
            snapshot = self._look(run)
        except StandfastError as error:
            log.warning("the cluster can't be observed", error=str(error))
            return False
        answers = self._caller.take_answers()
        self._exams |= answers.exams
        fencing = self._fencing()
        now = self._outside.clock.now()
        self._jumped += self._jump(now)
        changed = self._note_silences(answers, fencing, now)
        seen = Seen(
            snapshot,
            outcomes=outcomes,
            unanswered=unanswered,
            scans=answers.scans,
            healths=answers.healths,
            exams=self._exams,
            told=answers.told,
            failures=tuple(answers.failures),
            # What ended during the look may not be seen in it: it is not done once more for that.
            under_way=self._caller.under_way | before,
            epoch=fencing.epoch,
            clock_jumped_seconds=self._jumped,
            monitoring=self._silences.monitoring(),
            board=self._following.board(snapshot),
        )
        changed |= self._decide(run, seen, now, fencing)
        self._jumped = 0.0
        if not changed or self._is_told_late():
            self._publish(run, seen, now, fencing)
        return changed

    def _decide(self, run: Run, seen: Seen, now: float, fencing: Fencing) -> bool:
        """Decide on one look until nothing more follows from it, or until something outside was asked to
        change: what comes then is decided on the next look. True if rows changed."""
        changed = False
        for _ in range(ROUNDS):
            actions = decide(run, seen, now)
            wrote, look = self._write(actions, fencing, now), any(action.look for action in actions)
            for call in (action.call for action in actions if action.call is not None):
                self._caller.make(call)
                self._lookout.touched(call.host)
                look = True
            changed |= wrote
            if look or not wrote:
                break
            run = self._store.run(self._run)
            # An answer and a failure count once.
            seen = replace(seen, scans={}, healths={}, told={}, failures=(), clock_jumped_seconds=0.0)
        return changed

    def _write(self, actions: Sequence[Action], fencing: Fencing, now: float) -> bool:
        """All rows and events in one transaction, before any call is made. True if there were any."""
        changes = [change for action in actions for change in action.changes]
        events = [event for action in actions for event in action.events]
        if changes or events:
            self._store.write(fencing.epoch, self._run, changes, events, now)
        return bool(changes or events)

    def _look(self, run: Run) -> Snapshot:
        now = self._outside.clock.now()
        under_way = frozenset(host for _, host in self._caller.under_way)
        kept = self._lookout.kept(run, now)
        snapshot = observe(self._outside, self._rules, executor=self._executor, kept=kept, known=self._known)
        self._lookout.looked(snapshot, kept, under_way, now)
        return snapshot

    def _jump(self, now: float) -> float:
        """Seconds by which our clock was set since the last look; all that is remembered goes with it."""
        elapsed = self._outside.clock.elapsed()
        before, self._clocks = self._clocks, (now, elapsed)
        jumped = 0.0 if before is None else (now - before[0]) - (elapsed - before[1])
        if abs(jumped) > clockset.TOLERANCE_SECONDS:
            self._silences.set_back(-jumped)
            self._exams.clear()
        return jumped

    def _note_silences(self, answers: Answers, fencing: Fencing, now: float) -> bool:
        """What monitoring said, remembered, and on record where an operator should read it."""
        events = self._silences.take(answers.monitoring, answers.failures, now)
        if events:
            self._store.write(fencing.epoch, self._run, (), events, now)
        return bool(events)

    def _outcomes(self, run: Run) -> tuple[dict[MoveId, MoveOutcome], frozenset[MoveId]]:
        """What the platform says of each move under way, and those that it can't be asked about now."""
        found: dict[MoveId, MoveOutcome] = {}
        unanswered: set[MoveId] = set()
        for move in run.started:
            try:
                found[move.id] = self._outside.platform.move_outcome(order_of(move))
            except StandfastError as error:
                log.warning("what became of a move can't be asked", move=move.id, error=str(error))
                unanswered.add(move.id)
        return found, frozenset(unanswered)

    def _is_told_late(self) -> bool:
        """Where rows have changed the next tick comes at once and has more to tell; not so at the end."""
        elapsed, last = self._outside.clock.elapsed(), self._published
        soon = last is not None and 0.0 <= elapsed - last < PUBLISH_SECONDS
        return not soon or self._store.run(self._run).ended

    def _publish(self, run: Run, seen: Seen, now: float, fencing: Fencing) -> None:
        self._published = self._outside.clock.elapsed()
        self._store.publish(fencing.epoch, self._run, eta.live(run, seen, now, self._drains), now)
