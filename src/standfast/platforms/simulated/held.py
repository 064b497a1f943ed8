"""Two ways to hold a world: in memory, or in one file that several processes share."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from standfast.model.errors import FileFormatError, StandfastError
from standfast.platforms.simulated.state import STATE_VERSION, State
from standfast.platforms.simulated.view import View

_STATE = TypeAdapter(State)


class Held(Protocol):
    """Somebody who lends the world for the length of one call, to one caller at a time."""

    view: View

    def open(self, *, write: bool = True) -> AbstractContextManager[State]:
        """Lend it. Without `write` nothing that is changed need be kept.

        What was changed is kept also where the call ends with a StandfastError: a fault that was used up, or
        a call that acted before it raised. After any other exception a world in a file is as it was before.
        """


class InMemory:
    """The world of one process."""

    def __init__(self, state: State) -> None:
        self.view = View()
        self._lent = _Lent(state)

    def open(self, *, write: bool = True) -> AbstractContextManager[State]:
        return self._lent


class _Lent(AbstractContextManager[State]):
    """Written out: it is entered at every call of every facet, and a generator would cost more than most."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._lock = threading.RLock()

    def __enter__(self) -> State:
        self._lock.acquire()
        return self._state

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class InFile:
    """The world in a file: each call takes a lock beside it, loads, acts, and replaces it as a whole.

    A process that is killed in the middle of a call leaves the world as it was before that call.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.view = View()
        self._mutex = threading.RLock()
        self._depth = 0
        self._known: tuple[tuple[object, ...], State] | None = None

    @classmethod
    def create(cls, path: Path, state: State) -> InFile:
        """Write a new world; an old one there is replaced."""
        held = cls(path)
        with held._locked():
            held._save(state)
        return held

    @contextmanager
    def open(self, *, write: bool = True) -> Iterator[State]:
        with self._mutex:
            if self._depth:
                raise RuntimeError("a call on a simulated world may not make another one")
            self._depth += 1
            try:
                with self._locked():
                    yield from self._lend(write=write)
            finally:
                self._depth -= 1

    def _lend(self, *, write: bool) -> Iterator[State]:
        state = self._load()
        try:
            yield state
        except StandfastError:
            self._save(state)
            raise
        except BaseException:
            self._known = None
            raise
        if write:
            self._save(state)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self.path.with_name(self.path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _load(self) -> State:
        """The world as the file has it; read only if it is not the one that was read or written last."""
        try:
            mark = _mark(self.path)
            if self._known is not None and self._known[0] == mark:
                return self._known[1]
            state = _STATE.validate_json(self.path.read_bytes())
        except (OSError, ValidationError) as error:
            raise FileFormatError(
                "world_unreadable", "can't read the simulated world", where=str(self.path), why=_why(error)
            ) from error
        if state.version != STATE_VERSION:
            raise FileFormatError(
                "world_other_release",
                "this simulated world is of another release",
                where=str(self.path),
                do="Make it again.",
            )
        self._known = (mark, state)
        return state

    def _save(self, state: State) -> None:
        state.revision += 1
        part = self.path.with_name(self.path.name + ".part")
        part.write_bytes(_STATE.dump_json(state))
        part.replace(self.path)
        self._known = (_mark(self.path), state)


def _mark(path: Path) -> tuple[object, ...]:
    """Differs for any two files that were here. Inodes come again and times are coarse, so the revision that
    the file begins with is part of it.
    """
    about = path.stat()
    with path.open("rb") as file:
        return about.st_ino, about.st_mtime_ns, about.st_size, file.read(40).split(b",")[0]


def _why(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is damaged or no simulated world"
