"""Calls to the outside, each in its time: one of a key at once, none after the lease is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any

import structlog

from standfast.model.errors import OutsideError, RefusedError, StandfastError
from standfast.model.exam import Exam
from standfast.model.hostwork import Health, UpdateState
from standfast.model.ids import HostId
from standfast.ports import Fencing, Outside, Silencer
from standfast.run import actions
from standfast.run.actions import Call, CallKey, Question
from standfast.run.seen import Failure
from standfast.run.silencebook import Answered

log = structlog.get_logger()


@dataclass
class Answers:
    """What came back since the last tick."""

    scans: dict[HostId, UpdateState] = field(default_factory=dict)
    healths: dict[HostId, Health] = field(default_factory=dict)
    exams: dict[HostId, Exam] = field(default_factory=dict)
    told: dict[HostId, str] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    monitoring: list[Answered] = field(default_factory=list)


class Caller:
    """Makes calls, in threads or (without an executor) at once, and keeps their answers for the next tick.

    `wake` is called whenever one has ended, so that the loop need not wait for its next tick.
    """

    def __init__(
        self,
        outside: Outside,
        fencing: Callable[[], Fencing],
        executor: Executor | None,
        wake: Callable[[], None],
    ) -> None:
        self._outside = outside
        self._fencing = fencing
        self._executor = executor
        self._wake = wake
        self._lock = threading.Lock()
        self._under_way: set[CallKey] = set()
        self._answers = Answers()

    @property
    def under_way(self) -> frozenset[CallKey]:
        with self._lock:
            return frozenset(self._under_way)

    @property
    def acting(self) -> frozenset[CallKey]:
        """Those under way that change something. The others bring an answer, which tells that they ended."""
        return frozenset(key for key in self.under_way if not isinstance(key[0], Question))

    def take_answers(self) -> Answers:
        """Answers since the last time; each is handed out once."""
        with self._lock:
            answers, self._answers = self._answers, Answers()
        return answers

    def make(self, call: Call) -> None:
        """Begin the call unless one of its key is under way."""
        with self._lock:
            if call.key in self._under_way:
                return
            self._under_way.add(call.key)
        if self._executor is None:
            self._supervised(call)
        else:
            future: Future[None] = self._executor.submit(self._supervised, call)
            future.add_done_callback(lambda _done: self._wake())

    def _supervised(self, call: Call) -> None:
        """Supervision boundary: whatever a call raises becomes a failure that the next tick reads."""
        failure: Failure | None = None
        answer: Any = None
        at = 0.0
        try:
            at = self._outside.clock.now()
            answer = self._call(call)
        except StandfastError as error:
            failure = Failure(call.key, call.host, str(error))
        except Exception as error:
            log.exception("a call raised what it should not", key=call.key)
            failure = Failure(call.key, call.host, f"internal error: {error!r}")
        with self._lock:
            self._under_way.discard(call.key)
            if failure is not None:
                log.warning("call failed", key=call.key, error=failure.text)
                self._answers.failures.append(failure)
            elif isinstance(call, actions.KeepSilence | actions.LiftSilence | actions.AskAlerts):
                self._answers.monitoring.append(Answered(call, answer, at))
            elif isinstance(answer, UpdateState):
                self._answers.scans[call.host] = answer
            elif isinstance(answer, Health):
                self._answers.healths[call.host] = answer
            elif isinstance(answer, Exam):
                self._answers.exams[call.host] = answer
            elif isinstance(answer, str) and answer:
                self._answers.told[call.host] = answer

    def _silencer(self, name: str) -> Silencer:
        """Raises RefusedError if the config has none of that name any more."""
        for silencer in self._outside.silencers:
            if silencer.name == name:
                return silencer
        raise RefusedError("silencer_unknown", f"the config has no silencer {name!r}")

    def _call(self, call: Call) -> Any:
        outside = self._outside
        match call:
            case actions.Ask(host, Question.SCAN):
                return outside.work.scan(host, refresh=False)
            case actions.Ask(host, Question.HEALTH):
                return outside.work.health(host)
            case actions.Ask(host, Question.EXAM):
                (exam,) = outside.examiner.examine((host,), ())
                if exam.silent:
                    raise OutsideError("exam_failed", exam.silent.rstrip("."))
                return exam
            case actions.Ask(host, Question.CONSOLE):
                return outside.console.ask(host) if outside.console is not None else None
            case actions.Cordon(host):
                outside.fence.cordon(host, self._fencing())
            case actions.Uncordon(host):
                outside.fence.uncordon(host, self._fencing())
            case actions.Begin(order):
                self._fencing()
                outside.work.begin(order)
            case actions.StartMove(order):
                self._fencing()
                outside.platform.start_move(order)
            case actions.CancelMove(order):
                outside.platform.cancel_move(order)
            case actions.AllowBlackout(order, seconds):
                self._fencing()
                outside.platform.allow_blackout(order, seconds)
            case actions.Shutdown(host, vm, _, force):
                outside.fence.cordon(host, self._fencing())
                outside.platform.shutdown(vm, host, force=force)
            case actions.Start(host, vm, _, admit):
                by = self._fencing()
                if admit is not None:
                    outside.fence.cordon(host, by, admit=admit)
                outside.platform.start(vm, host)
            case actions.GiveBack(setting):
                outside.fence.give_back(setting, self._fencing())
            case actions.KeepSilence(host, name):
                return self._silencer(name).keep(host, self._fencing().run)
            case actions.LiftSilence(host, name):
                self._silencer(name).lift(host, self._fencing().run)
            case actions.AskAlerts(_, name):
                return self._silencer(name).firing()
        return None
