"""Words to the service manager, as in sd_notify(3): ready, alive, stopping. Silent where there is none."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

WATCHDOG_PARTS = 4
"""So many signs of life within the manager's patience: sd_watchdog_enabled(3) asks for at least two."""


class Supervisor:
    """The manager that started this process, by the socket it has named in NOTIFY_SOCKET."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        self._every_seconds = _watchdog_seconds(environ) / WATCHDOG_PARTS
        self._told_at: float | None = None

    def alive(self) -> None:
        """One more round was done. The first one says as well that the service is up."""
        now = time.monotonic()
        if self._told_at is None:
            self._say("READY=1\nWATCHDOG=1")
        elif now - self._told_at < self._every_seconds:
            return
        else:
            self._say("WATCHDOG=1")
        self._told_at = now

    def stopping(self) -> None:
        self._say("STOPPING=1")

    def _say(self, words: str) -> None:
        """One datagram. A manager that can't be reached is its own trouble, not that of the runs."""
        if not self._address:
            return
        # A leading @ is how the manager writes the null byte of an abstract address (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(1.0)
                out.sendto(words.encode(), address)
        except OSError:
            return


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """The manager's patience; 0 where it has none for this process, so that every round is told."""
    pid, patience = environ.get("WATCHDOG_PID", ""), environ.get("WATCHDOG_USEC", "")
    if (pid and pid != str(os.getpid())) or not patience.isdigit():
        return 0.0
    return int(patience) / 1e6
