"""The generic webhook against a real server: what it is told, and what counts as done."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from standfast.model.errors import OutsideError
from standfast.model.ids import HostId, RunId
from standfast.silences.webhook import Webhook
from standfast.transports.http import HttpServer

RUN, H1 = RunId("01RUN"), HostId("uuid-1")


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is told and answers `status`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[dict[str, Any]] = []
        self.status = 204


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        self.server.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def silencer(receiver: Receiver) -> Webhook:
    url = f"http://127.0.0.1:{receiver.server_address[1]}/hook"
    return Webhook("pager", HttpServer("pager", url), lambda _: "h1", 300.0, lambda: 1_800_000_000.0)


def test_is_told_of_begin_renewal_and_end(receiver: Receiver) -> None:
    hook = silencer(receiver)
    assert [hook.keep(H1, RUN).made, hook.keep(H1, RUN).made] == [True, False]
    hook.lift(H1, RUN)
    assert [told["action"] for told in receiver.told] == ["silence", "silence", "lift"]
    assert receiver.told[0] == {
        "action": "silence",
        "id": "standfast-01RUN-uuid-1",
        "run": "01RUN",
        "host": "h1",
        "host_id": "uuid-1",
        "lease_seconds": 300.0,
        "until": "2027-01-15T08:05:00.000Z",
        "comment": "h1 is being worked on by standfast",
    }


def test_an_answer_other_than_2xx_is_a_failure(receiver: Receiver) -> None:
    receiver.status = 500
    with pytest.raises(OutsideError, match="it answered 500"):
        silencer(receiver).keep(H1, RUN)
