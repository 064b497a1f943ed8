"""One thread with one connection to one host's libvirt, and a way out when a call never comes back.

A libvirt call may block for ever (a job lock that is never released), so no thread of ours waits for one
without a deadline. A line whose call is overdue gets a fresh thread and connection; the old thread ends by
itself if its call ever returns.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from standfast.model.errors import OutsideError, StandfastError, UnreachableError
from standfast.platforms.libvirt.binding import libvirt, start_event_loop
from standfast.transports.ssh_errors import error_of

T = TypeVar("T")

KEEPALIVE_SECONDS = 5
KEEPALIVE_COUNT = 3
MAX_ABANDONED = 4
"""Threads that may hang in a dead call before a host is not asked any more until one comes back."""

Job = tuple["Future[Any]", Callable[[Any], Any]]


def open_connection(name: str, uri: str) -> Any:
    """A `virConnect` with keepalive. Raises UnreachableError or AuthError."""
    start_event_loop()
    try:
        connection = libvirt.open(uri)
        with contextlib.suppress(libvirt.libvirtError):  # test:// has none
            connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        raise _open_error(name, uri, error) from error
    return connection


def _open_error(name: str, uri: str, error: Any) -> StandfastError:
    words = str(error.get_error_message())
    typed = error_of(name, uri.partition("?")[0], words)
    if typed.code != "connection_lost":
        return typed
    return UnreachableError(
        "libvirt_unreachable", "libvirt does not answer", where=name, why=words.rstrip(".")
    )


def outside_error(name: str, error: Any, doing: str) -> OutsideError:
    """A libvirt error as one of ours; its message is libvirt's own."""
    return OutsideError("libvirt_error", doing, where=name, why=str(error.get_error_message()).rstrip("."))


@dataclass
class _Lane:
    """A thread's own things. `left` is set when nobody waits for it any more."""

    jobs: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    left: threading.Event = field(default_factory=threading.Event)


class Line:
    """Calls to one host's libvirt, one after another.

    `opened` is told of every new connection (to register for events), in the line's own thread.
    """

    def __init__(self, name: str, uri: str, opened: Callable[[Any], None] | None = None) -> None:
        self.name = name
        self.uri = uri
        self._opened = opened
        self._lock = threading.Lock()
        self._abandoned = 0
        self._lane: _Lane | None = None
        self._closed = False
        self._lost = False

    @property
    def lost(self) -> bool:
        """Its connection broke, and there is no new one yet."""
        return self._lost

    def submit(self, job: Callable[[Any], T]) -> Future[T]:
        """Have `job(connection)` done; the future raises StandfastError of ours only."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                future.set_exception(UnreachableError("closed", "the connection was closed", where=self.name))
                return future
            if self._lane is None:
                if self._abandoned >= MAX_ABANDONED:
                    why = f"{self._abandoned} calls to it have never come back"
                    future.set_exception(
                        UnreachableError("libvirt_stuck", "libvirt is stuck", where=self.name, why=why)
                    )
                    return future
                self._lane = _Lane()
                threading.Thread(
                    target=self._serve, args=(self._lane,), name=f"libvirt-{self.name}", daemon=True
                ).start()
            self._lane.jobs.put((future, job))
        return future

    def call(self, job: Callable[[Any], T], timeout_seconds: float) -> T:
        """As `submit`, and wait. Past the deadline the line is renewed and UnreachableError raised."""
        future = self.submit(job)
        try:
            return future.result(timeout_seconds)
        except TimeoutError:
            self.renew()
            raise UnreachableError(
                "libvirt_deadline", f"libvirt has not answered for {timeout_seconds:g} s", where=self.name
            ) from None

    def renew(self) -> None:
        """Leave a thread that hangs to itself; the next call gets a new one with a new connection."""
        with self._lock:
            if self._lane is not None:
                self._abandoned += 1
                self._leave()

    def close(self) -> None:
        """No more calls; the connection is closed when the call under way has ended."""
        with self._lock:
            self._closed = True
            if self._lane is not None:
                self._abandoned += 1
                self._leave()

    def _leave(self) -> None:
        assert self._lane is not None
        self._lane.left.set()
        self._lane.jobs.put(None)
        self._lane = None

    def _serve(self, lane: _Lane) -> None:
        connection: Any = None
        while not lane.left.is_set() and (item := lane.jobs.get()) is not None:
            future, job = item
            if lane.left.is_set() or not future.set_running_or_notify_cancel():
                break
            try:
                if connection is None or not connection.isAlive():
                    connection, self._lost = None, self._lost or connection is not None
                    connection = open_connection(self.name, self.uri)
                    if self._opened is not None:
                        self._opened(connection)
                    self._lost = False
                future.set_result(job(connection))
            except StandfastError as error:
                future.set_exception(error)
            except libvirt.libvirtError as error:
                future.set_exception(self._judge(connection, error))
            except Exception as error:  # noqa: BLE001 - boundary: a defect in a job must not end its host's thread
                future.set_exception(error)
        _close(connection)
        self._drain(lane)
        with self._lock:
            self._abandoned -= 1

    def _judge(self, connection: Any, error: Any) -> StandfastError:
        if connection is None or not _alive(connection):
            return UnreachableError(
                "libvirt_unreachable", "the connection to libvirt broke", where=self.name, why=_words(error)
            )
        return outside_error(self.name, error, "libvirt could not answer")

    def _drain(self, lane: _Lane) -> None:
        while True:
            try:
                item = lane.jobs.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                item[0].set_exception(
                    UnreachableError("closed", "the connection was given up", where=self.name)
                )


def _alive(connection: Any) -> bool:
    try:
        return bool(connection.isAlive())
    except libvirt.libvirtError:
        return False


def _close(connection: Any) -> None:
    if connection is not None:
        with contextlib.suppress(libvirt.libvirtError):
            connection.close()


def _words(error: Any) -> str:
    return str(error.get_error_message()).rstrip(".")


def wait_for(futures: list[Future[Any]], seconds: float) -> None:
    """Wait until all are done or `seconds` have passed, whichever is first."""
    end = time.monotonic() + seconds
    for future in futures:
        with contextlib.suppress(TimeoutError, StandfastError):
            future.exception(max(0.0, end - time.monotonic()))
