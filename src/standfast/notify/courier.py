"""Carries notices to receivers, each at its own pace, from where it stopped: at least once, beside the run.

Each receiver has a thread and a place in the append-only events that survives this process. One that is dead
holds up nobody but itself: it is tried again with growing waits, which is said once, and what it could not be
told for a day is given up, which is said too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import structlog

from standfast.model.errors import LeaseLostError, RefusedError, StandfastError
from standfast.model.notice import Notice
from standfast.model.run import EventRow
from standfast.notify.notices import KINDS, may_be_told, notice_of
from standfast.notify.receivers import Receiver
from standfast.store import Lease, NewEvent, Store

log = structlog.get_logger()

LOOK_SECONDS = 1.0
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 300.0
STORE_WAIT_SECONDS = 5.0
GIVEN_UP_SECONDS = 24 * 3600.0
REFUSALS = 3
"""So often a receiver may say that it won't have a notice."""
LAST_SECONDS = 5.0
"""How long what is still to be told is waited for when this process is about to end."""


class Couriers:
    """All receivers, for as long as this is entered; `lease` raises LeaseLostError once it is over."""

    def __init__(
        self,
        store: Store,
        receivers: Sequence[Receiver],
        lease: Callable[[], Lease],
        *,
        now: Callable[[], float] = time.time,
        last_seconds: float = LAST_SECONDS,
    ) -> None:
        self._last = _Last(last_seconds)
        self._couriers = [_Courier(store, each, lease, now, self._last) for each in receivers]
        self._threads = [
            threading.Thread(target=each.work, name=f"notify {each.receiver.name}", daemon=True)
            for each in self._couriers
        ]

    def __enter__(self) -> Couriers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is still to be told gets a moment; the rest is told by the next process."""
        self._last.begin()
        for thread in self._threads:
            thread.join(max(0.0, self._last.left()) + 0.5)


class _Last:
    """The moment between the end of the work and the end of the process."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begun = threading.Event()
        self._ends_at = 0.0

    def begin(self) -> None:
        self._ends_at = time.monotonic() + self._seconds
        self._begun.set()

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def left(self) -> float:
        return self._ends_at - time.monotonic()

    def wait(self, seconds: float) -> None:
        """Sleep, or only until the last moment begins or ends."""
        if self._begun.wait(seconds) and self.left() > 0:
            time.sleep(min(self.left(), seconds, 0.2))

    @property
    def over(self) -> bool:
        return self.begun and self.left() <= 0


class _Courier:
    """One receiver."""

    def __init__(
        self,
        store: Store,
        receiver: Receiver,
        lease: Callable[[], Lease],
        now: Callable[[], float],
        last: _Last,
    ) -> None:
        self.receiver = receiver
        self._store = store
        self._lease = lease
        self._now = now
        self._last = last
        self._failing = False

    def work(self) -> None:
        """Until the last moment is over. Supervision boundary: nothing that goes wrong here reaches a run."""
        while not self._last.over:
            try:
                self._tell_all()
                return
            except LeaseLostError:
                log.info("another controller tells from here on", receiver=self.receiver.name)
                return
            except StandfastError as error:
                log.error("notices are read again later", receiver=self.receiver.name, error=str(error))
            except Exception:
                log.exception("notices are read again later", receiver=self.receiver.name)
            self._last.wait(STORE_WAIT_SECONDS)

    def _tell_all(self) -> None:
        """From where this receiver stopped, until the process ends and nothing is left to tell."""
        told = self._store.told(self.receiver.name)
        while not self._last.over:
            ending = self._last.begun
            events = self._store.events_of_kinds(told, KINDS)
            for event in events:
                if may_be_told(event) and (notice := self._notice(event)) is not None:
                    if not self._told(event, notice):
                        return
                    self._put(event.id)
            if events:
                told = events[-1].id
                self._put(told)
            elif ending:
                return
            else:
                self._last.wait(LOOK_SECONDS)

    def _put(self, told: int) -> None:
        self._store.put_told(self._lease().epoch, self.receiver.name, told)

    def _notice(self, event: EventRow) -> Notice | None:
        notice = notice_of(event, self._store.run(event.run))
        wanted = notice is not None and set(notice.occasions) & set(self.receiver.on)
        return notice if wanted else None

    def _told(self, event: EventRow, notice: Notice) -> bool:
        """True once it is told or given up; False where this process ends before that."""
        attempts = 0
        while True:
            try:
                answer = self.receiver.tell(notice)
            except StandfastError as error:
                attempts += 1
                self._say_failing(event, error)
                if self._hopeless(notice, error, attempts):
                    self._say(event, "notify_given_up", f"not told, and given up: {notice.what}: {error}")
                    return True
            else:
                log.info("told", receiver=self.receiver.name, notice=notice.key, answer=answer)
                self._failing = False
                return True
            wait = min(FIRST_WAIT_SECONDS * 2 ** (attempts - 1), LONGEST_WAIT_SECONDS)
            again_at = time.monotonic() + wait
            while (left := again_at - time.monotonic()) > 0 and not self._last.over:
                self._last.wait(left)
            if self._last.over:
                return False
            self._lease()

    def _hopeless(self, notice: Notice, error: StandfastError, attempts: int) -> bool:
        refused = isinstance(error, RefusedError) and attempts >= REFUSALS
        return refused or self._now() - notice.at > GIVEN_UP_SECONDS

    def _say_failing(self, event: EventRow, error: StandfastError) -> None:
        if self._failing:
            return
        self._failing = True
        self._say(event, "notify_failing", f"can't be told, tried again: {error}")

    def _say(self, event: EventRow, kind: str, text: str) -> None:
        log.warning(kind, receiver=self.receiver.name, text=text)
        data = {"receiver": self.receiver.name, "event": event.id}
        told = NewEvent(kind, f"{self.receiver.name}: {text}", data=data)
        self._store.write(self._lease().epoch, event.run, (), (told,), self._now())
