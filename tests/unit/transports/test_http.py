"""Against real servers on loopback: every way a request can fail, and what an error must not tell."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from standfast.model.errors import AuthError, OutsideError, StandfastError, UnreachableError
from standfast.transports.http import HttpServer

SECRET_PATH = "/services/T0/B0/dontshowthis"


class Handler(http.server.BaseHTTPRequestHandler):
    """Echoes what it was sent; some paths misbehave."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.path.startswith("/drip"):
            self.drip()
            return
        if self.path.startswith("/cut"):
            self.connection.close()
            return
        if self.path.startswith("/private") and self.headers.get("Authorization") not in (
            "Bearer letmein",
            "Basic bWU6bGV0bWVpbg==",
        ):
            self.send_response(401)
            self.end_headers()
            return
        status = {"/moved": 302, "/broken": 500}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(f"{self.command} {self.path} ".encode() + body)

    def drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(100):
                self.wfile.write(b".")
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_request_carries_its_query_and_its_body_as_json(url: str) -> None:
    answer = HttpServer("am", url + "/prefix/").ask("POST", "/things", query={"a": "x y"}, body={"k": 1})
    assert (answer.status, answer.body) == (200, b'POST /prefix/things?a=x+y {"k": 1}')


def test_the_servers_own_clock_is_handed_back(url: str) -> None:
    date = HttpServer("am", url).ask("GET").date_unix
    assert date is not None
    assert abs(date - time.time()) < 5


def test_a_status_is_handed_back_and_a_redirect_is_not_followed(url: str) -> None:
    assert HttpServer("am", url).ask("GET", "/broken").status == 500
    assert HttpServer("am", url).ask("GET", "/moved").status == 302


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_secrets_are_read_from_their_file_for_each_request(url: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "secret"
    file.write_text("letmein\n")
    if kind == "bearer":
        server = HttpServer("am", url, bearer_token_file=file)
    else:
        server = HttpServer("am", url, username="me", password_file=file)
    assert server.ask("GET", "/private").status == 200
    file.write_text("rotated")
    with pytest.raises(AuthError) as caught:
        server.ask("GET", "/private")
    assert caught.value.code == "auth_failed"
    assert "rotated" not in str(caught.value)


def test_a_secret_file_that_is_missing_or_empty_is_said(url: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    server = HttpServer("am", url, bearer_token_file=file)
    with pytest.raises(AuthError, match=f"{file}: No such file"):
        server.ask("GET")
    file.write_text("\n")
    with pytest.raises(AuthError, match="is not one line of text"):
        server.ask("GET")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_listens() -> None:
    server = HttpServer("am", f"http://user:pw@127.0.0.1:{free_port()}{SECRET_PATH}")
    failed(server, UnreachableError, "connection_refused", "it refuses connections")


def test_nobody_answers() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        server = HttpServer(
            "am", f"http://127.0.0.1:{silent.getsockname()[1]}{SECRET_PATH}", timeout_seconds=0.3
        )
        failed(server, UnreachableError, "connection_timeout", "no answer within 0.3 s")


def test_a_name_that_nobody_knows() -> None:
    server = HttpServer("am", f"http://no-such-name.invalid{SECRET_PATH}")
    failed(server, UnreachableError, "name_unknown", "can't be resolved")


def test_an_answer_that_drips_has_an_end(url: str) -> None:
    began = time.monotonic()
    failed(
        HttpServer("am", f"{url}/drip{SECRET_PATH}", timeout_seconds=0.5),
        UnreachableError,
        "deadline",
        "0.5 s",
    )
    assert time.monotonic() - began < 2


def test_a_connection_that_breaks(url: str) -> None:
    failed(HttpServer("am", f"{url}/cut{SECRET_PATH}"), UnreachableError, "connection_lost", "broke")


def test_an_answer_that_is_no_json(url: str) -> None:
    with pytest.raises(OutsideError) as caught:
        HttpServer("am", url).ask("GET", "/x").json("am")
    assert str(caught.value) == "am: its answer is no JSON: GET /x. Is this the right URL?"


def failed(server: HttpServer, kind: type[StandfastError], code: str, words: str) -> None:
    """It fails so, and says neither the path nor the password."""
    with pytest.raises(kind) as caught:
        server.ask("POST", body={"a": 1})
    assert caught.value.code == code
    assert words in str(caught.value)
    for text in (str(caught.value), repr(server)):
        assert "dontshowthis" not in text
        assert ":pw" not in text


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_a_certificate_is_believed_only_from_the_ca_that_is_named(tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    )
    subprocess.run(
        [*request.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        failed(HttpServer("am", url + SECRET_PATH), AuthError, "tls_untrusted", "`ca_file`")
        assert HttpServer("am", url, ca_file=cert).ask("GET").status == 200
        missing = HttpServer("am", url, ca_file=tmp_path / "gone")
        failed(missing, AuthError, "tls_untrusted", "No such file")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
