"""Short questions to addresses, against real sockets of this machine."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from standfast.transports.asking import answers


@contextmanager
def serving(reply: bytes | None) -> Iterator[int]:
    """A server that sends `reply` to whoever asks (None: takes connections and says nothing)."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                with link:
                    if reply is None:
                        time.sleep(0.5)
                    else:
                        link.recv(1000)
                        link.sendall(reply)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_port_that_takes_connections_answers_and_a_closed_one_does_not() -> None:
    with serving(b"") as port:
        assert answers("tcp", "127.0.0.1", port, "/", 1.0)
    assert not answers("tcp", "127.0.0.1", port, "/", 1.0)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 No\r\n\r\n", True),
        (b"SSH-2.0\r\n", False),
        (b"", False),
    ],
)
def test_any_status_is_a_page_and_other_words_are_none(reply: bytes, expected: bool) -> None:
    with serving(reply) as port:
        assert answers("http", "127.0.0.1", port, "/health?a=b", 1.0) is expected


def test_silence_is_waited_for_no_longer_than_said() -> None:
    with serving(None) as port:
        began = time.monotonic()
        assert not answers("http", "127.0.0.1", port, "/", 0.1)
        assert time.monotonic() - began < 0.4


def test_a_name_that_is_none_does_not_answer() -> None:
    assert not answers("tcp", "nobody.invalid", 80, "/", 0.5)
    assert not answers("tcp", "a" * 300, 80, "/", 0.5)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_answers_an_echo(host: str) -> None:
    try:
        assert answers("icmp", host, 0, "/", 1.0)
    except PermissionError:
        pytest.skip("no echoes may be sent here")
