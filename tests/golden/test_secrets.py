"""Secrets that were planted are nowhere but in their own files: in nothing printed, kept or listed."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from .conftest import CONFIG, Place

TOKEN, PASSWORD, PATH = "planted-bearer-5d41", "planted-password-7c2a", "planted-path-9be1"
PAIR = base64.b64encode(f"ops:{PASSWORD}".encode()).decode()
SECRETS = (TOKEN, PASSWORD, PATH, PAIR)
REFUSALS = 2
"""How often the monitoring refuses before it does what it is asked."""


class Repeating(BaseHTTPRequestHandler):
    """A server that repeats all it was asked in its answer, as one that helps to find mistakes does."""

    asked: list[str]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = f"{self.path} {self.headers.get('Authorization', '')}"
        self.asked.append(said)
        well = self.path.startswith("/silence") and len(self.asked) > REFUSALS
        self.send_response(200 if well else 500)
        self.end_headers()
        self.wfile.write(f"not now: {said}".encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def repeating() -> Iterator[tuple[int, list[str]]]:
    """The server's port, and all that it was asked."""
    asked: list[str] = []
    handler = type("Handler", (Repeating,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port, asked
        finally:
            server.shutdown()
            thread.join()


class ProcessWatch(threading.Thread):
    """Looks at the command lines and environments of all processes, again and again."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.found: set[str] = set()
        self.looks = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.3):
            self.looks += 1
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        text = (process / name).read_bytes().decode("utf-8", "replace")
                    except OSError:
                        continue
                    self.found |= {f"{each} in {name}: {text[:80]}" for each in SECRETS if each in text}


def test_planted_secrets_are_found_nowhere(place: Place) -> None:
    for name, text in (("token", TOKEN), ("password", PASSWORD)):
        place.write(name, f"{text}\n")
    with repeating() as (port, asked):
        place.write("hook", f"http://127.0.0.1:{port}/hook/{PATH}\n")
        quick = CONFIG.replace("tick_seconds: 10", "tick_seconds: 10, silence_wait_seconds: 600")
        place.write(
            "standfast.yaml",
            f"{quick}    silences:\n"
            f"      - {{kind: webhook, url: 'http://127.0.0.1:{port}/silence', username: ops, "
            f"password_file: {place.path}/password}}\n"
            "notify:\n"
            f"  - {{kind: webhook, name: chat, url_file: {place.path}/hook, "
            f"bearer_token_file: {place.path}/token, on: [started, done]}}\n"
            f"  - {{kind: mail, name: mail, server: 127.0.0.1, port: 9, sender: a@example.org, "
            f"to: [b@example.org], username: ops, password_file: {place.path}/password, tls: none}}\n",
        )
        watch = ProcessWatch()
        watch.start()
        printed = [
            place.raw(*words)
            for words in (
                ("config", "check"),
                ("config", "show"),
                ("plan", "-v"),
                ("apply", "standfast-plan.json", "--yes", "-v"),
                ("notify", "test", "-v"),
                ("notify", "test", "--json"),
                ("run", "show"),
                ("run", "show", "--json"),
                ("run", "report"),
                ("run", "report", "--json"),
                ("run", "report", "--html", "report.html"),
                ("run", "list", "--json"),
                ("doctor", "--json"),
                ("state", "export"),
                ("state", "backup", "backup.db"),
                ("snapshot", "save", "snapshot.json"),
            )
        ]
        time.sleep(0.2)
        watch.over.set()
        watch.join()
    # They were really used, and really repeated to us, so that there was something to find.
    assert any(PAIR in said for said in asked)
    assert any(PATH in said and TOKEN in said for said in asked)
    words = "".join(each.out + each.err for each in printed)
    assert "not now: " in words
    assert "***" in words
    assert json.loads(printed[7].out)["state"] == "completed", printed[7].out
    assert watch.looks > 5
    assert not watch.found
    assert [each for each in SECRETS if each in words] == []
    kept = [file for file in place.path.rglob("*") if file.is_file()]
    assert {"standfast.db", "report.html", "backup.db", "serve.log"} <= {file.name for file in kept}
    leaks = [
        f"{each} in {file.name}"
        for file in kept
        if file.name not in ("token", "password", "hook")
        for each in SECRETS
        if each.encode() in file.read_bytes()
    ]
    assert leaks == []
