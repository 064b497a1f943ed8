"""A run and its events, and servers on loopback that are told of them."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from standfast.model.ids import HostId, RunId
from standfast.model.notice import Notice
from standfast.model.plan import Basis, Bounds, HostStep, Plan, Wave
from standfast.model.policy import Policy
from standfast.model.run import EventRow, HostRow, Phase, Run, RunState

RUN, H1 = RunId("01RUN"), HostId("uuid-1")
AT = 1_800_000_000.0


def plan() -> Plan:
    step = HostStep(H1, "kvm1", (), (), True, 1, 1, 1, 1)
    waves, bounds = (Wave((step,)),), Bounds(0, 0, 0.5)
    basis = Basis((), (), "")
    return Plan(1, "east", "libvirt", 1.0, basis, waves, (), (), (), (), bounds, 1, 1, Policy())


def run(state: RunState = RunState.RUNNING) -> Run:
    hosts = (HostRow(H1, "kvm1", 0, Phase.HELD, AT),)
    return Run(RUN, "east", state, plan(), "digest", "anna", AT, hosts)


def event(kind: str, text: str = "text", **more: Any) -> EventRow:
    fields: dict[str, Any] = {"id": 7, "run": RUN, "at": AT, "host": None, "vm": None, **more}
    return EventRow(kind=kind, text=text, **fields)


NOTICE = Notice(
    key="standfast-01RUN-7",
    occasions=("held",),
    at=AT,
    cluster="east",
    run="01RUN",
    host="kvm1",
    what="kvm1 is held while draining",
    why="vm1 („große Datenbank“) has a disk of its own.",
    do="Move it, then `run resume`.",
)


class HookServer(http.server.ThreadingHTTPServer):
    """Keeps what it is told; answers `status`, after `wait` is set if there is one."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def whats(self) -> list[str]:
        return [body["what"] for _, body in self.told]


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, HookServer)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 200:
            self.server.told.append((self.headers["Idempotency-Key"], body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"because")

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hook_server() -> Iterator[HookServer]:
    server = HookServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
