"""Hearing the guests: their UDP beats, and their serial lines in the files that QEMU writes."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from standfast.lab.observer.beats import Beat, parse_beat

Feel = Callable[[Beat, float], None]
_SERIAL_POLL_SECONDS = 0.05


class NetworkEar(threading.Thread):
    """Receives beats on the machine's address in the guests' network; each is stamped when it is received."""

    def __init__(self, address: str, port: int, feel: Feel) -> None:
        super().__init__(name="network-ear", daemon=True)
        self._feel = feel
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        self._socket.bind((address, port))

    def run(self) -> None:
        """Listen until the process ends."""
        while True:
            data = self._socket.recv(512)
            at = time.monotonic()
            beat = parse_beat(data.decode(errors="replace"))
            if beat is not None:
                self._feel(beat, at)


class SerialEar(threading.Thread):
    """Follows the serial logs from their present ends on, 20 times a second."""

    def __init__(self, folder: Path, vms: Sequence[str], feel: Feel) -> None:
        super().__init__(name="serial-ear", daemon=True)
        self._feel = feel
        self._files = {vm: (folder / f"{vm}.log").open("rb") for vm in vms}
        self._rest = dict.fromkeys(vms, b"")
        for file in self._files.values():
            file.seek(0, 2)

    def run(self) -> None:
        """Listen until the process ends."""
        while True:
            for vm in self._files:
                self._read(vm)
            time.sleep(_SERIAL_POLL_SECONDS)

    def _read(self, vm: str) -> None:
        new = self._files[vm].read()
        at = time.monotonic()
        if not new:
            return
        *lines, self._rest[vm] = (self._rest[vm] + new).split(b"\n")
        for line in lines:
            beat = parse_beat(line.decode(errors="replace"))
            if beat is not None and beat.vm == vm:
                self._feel(beat, at)


class StallWatch(threading.Thread):
    """Measures how long the observer itself did not run: a gap no longer than that proves nothing."""

    def __init__(self) -> None:
        super().__init__(name="stall-watch", daemon=True)
        self.longest_seconds = 0.0

    def run(self) -> None:
        """Watch until the process ends."""
        step = 0.1
        last = time.monotonic()
        while True:
            time.sleep(step)
            now = time.monotonic()
            self.longest_seconds = max(self.longest_seconds, now - last - step)
            last = now
