"""Commands without half a second of imports each: a process that has loaded the program lends copies of it.

Each command is a process of its own all the same, with its own directory, environment, streams, exit code and
end, run as `python -m standfast.cli` would run it. What differs: `/proc` shows the command line and the
environment of the process that was copied.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

MODULE = "standfast.cli"
LOCALE = {"LC_ALL": "C.UTF-8"}
"""Streams are opened as they are at the start of the process that is copied: for others it won't do."""
NOT_LOADED = ("migrations", "platforms.libvirt", "lab.observer", "__main__")


class Ready:
    """The process to be copied. Commands may run side by side."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self._ours = ours
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | LOCALE,
        )
        theirs.close()

    def run(
        self, words: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Raises TimeoutExpired; the command is then killed."""
        answer, answers = os.pipe()
        with (
            tempfile.TemporaryFile() as asked,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            open(answer, "rb") as told,
        ):
            asked.write(json.dumps({"words": list(words), "cwd": str(cwd), "env": dict(env)}).encode())
            asked.flush()
            socket.send_fds(self._ours, [b"."], [asked.fileno(), out.fileno(), err.fileno(), answers])
            os.close(answers)
            pid = int(told.readline())
            with _ended_after(pid, timeout) as late:
                code = int(told.readline())
            if late:
                raise subprocess.TimeoutExpired(list(words), timeout)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(list(words), code, out.read().decode(), err.read().decode())

    def close(self) -> None:
        self._ours.close()
        self._process.wait()


@contextlib.contextmanager
def _ended_after(pid: int, seconds: float) -> Iterator[list[int]]:
    """Kills the process if the block takes longer; what is lent is then not empty."""
    late: list[int] = []

    def kill() -> None:
        late.append(pid)
        os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


# --- the process that is copied -----------------------------------------------------------------------------


def _load() -> None:
    """All that commands import, so that none has to."""
    import standfast

    for module in pkgutil.walk_packages(standfast.__path__, "standfast."):
        if not any(f".{part}" in module.name for part in NOT_LOADED):
            with contextlib.suppress(ImportError):
                importlib.import_module(module.name)
    for library in ("rich.progress", "rich.live", "ruamel.yaml", "alembic.command", "alembic.config"):
        importlib.import_module(library)


def _lend(ours: socket.socket) -> dict[str, object]:
    """Returns in each copy, with what it is to do; ends in the process that is copied."""
    while True:
        said, files, _, _ = socket.recv_fds(ours, 1, 4)
        if not said:
            sys.exit(0)
        asked, out, err, answers = files
        if os.fork() == 0:
            return _stand_by(asked, out, err, answers)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass


def _stand_by(asked: int, out: int, err: int, answers: int) -> dict[str, object]:
    """The copy's parent tells how it ended. Returns in the copy."""
    pid = os.fork()
    if pid:
        os.write(answers, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(answers, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    with open(asked, "rb", closefd=False) as file:
        file.seek(0)
        work: dict[str, object] = json.loads(file.read())
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, 256)
    return work


def _become(cwd: str, env: dict[str, str], words: list[str]) -> None:
    """What a new process has of its own."""
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(cwd)
    random.seed()
    sys.path[0] = cwd
    sys.argv = [MODULE, *words]
    for name, number in (("stdout", 1), ("stderr", 2)):
        before = getattr(sys, name)
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        made = io.TextIOWrapper(raw, before.encoding, before.errors, line_buffering=name == "stderr")
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)


def main() -> None:
    ours = socket.socket(fileno=int(sys.argv[1]))
    _load()
    gc.collect()
    gc.freeze()
    work = _lend(ours)
    ours.detach()
    _become(str(work["cwd"]), dict(work["env"]), list(work["words"]))  # type: ignore[call-overload]
    code = 0
    try:
        runpy.run_module(MODULE, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
