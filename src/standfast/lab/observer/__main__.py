"""``python -m standfast.lab.observer --lab-dir DIR [--gap-seconds S]``: observe until told to stop.

It is told over the Unix socket ``DIR/observer/socket``: one word per connection (``ready``, ``report`` or
``stop``), answered with one JSON object. ``ready`` is answered when every host is followed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import socket
import sys
from pathlib import Path

from standfast.lab.observer.observer import Observer

_READY_SECONDS = 30.0


def _answer(observer: Observer, word: str) -> dict[str, object]:
    if word == "ready":
        missing = observer.wait_listening(_READY_SECONDS)
        return {"ready": not missing, "not_followed": missing}
    if word in {"report", "stop"}:
        return observer.report()
    return {"error": f"unknown word {word!r}: say ready, report or stop"}


def _serve(server: socket.socket, observer: Observer) -> None:
    while True:
        connection, _ = server.accept()
        word = ""
        # Who asked may not have waited for the answer; a report is on disk all the same.
        with (
            contextlib.suppress(ConnectionError),
            connection,
            connection.makefile("rw", encoding="utf-8") as stream,
        ):
            word = stream.readline().strip()
            if word:
                stream.write(json.dumps(_answer(observer, word)) + "\n")
        if word == "stop":
            return


def main() -> int:
    """Observe one lab."""
    parser = argparse.ArgumentParser(
        prog="standfast.lab.observer", description="Measure interruption in a lab."
    )
    parser.add_argument("--lab-dir", type=Path, required=True)
    parser.add_argument(
        "--gap-seconds", type=float, default=5.0, help="a longer silence of a VM is an interruption"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    folder = options.lab_dir / "observer"
    folder.mkdir(exist_ok=True)
    observer = Observer(options.lab_dir, options.gap_seconds)
    path = folder / "socket"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(path))
        server.listen()
        _serve(server, observer)
    path.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
