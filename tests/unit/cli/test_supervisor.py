"""What the service manager is told, heard on a socket of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from standfast.cli.supervisor import Supervisor


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setblocking(False)
        yield heard


def words(heard: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(heard.recv(1024).decode())
        except BlockingIOError:
            return found


def environ(heard: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": heard.getsockname()} | more


def test_the_first_round_says_that_the_service_is_up(manager: socket.socket) -> None:
    told = Supervisor(environ(manager))
    told.alive()
    told.alive()
    told.stopping()
    assert words(manager) == ["READY=1\nWATCHDOG=1", "WATCHDOG=1", "STOPPING=1"]


def test_signs_of_life_are_as_far_apart_as_the_managers_patience_lets_them_be(manager: socket.socket) -> None:
    told = Supervisor(environ(manager, WATCHDOG_USEC="120000000", WATCHDOG_PID=str(os.getpid())))
    for _ in range(5):
        told.alive()
    assert words(manager) == ["READY=1\nWATCHDOG=1"]


def test_patience_with_another_process_is_none_of_ours(manager: socket.socket) -> None:
    told = Supervisor(environ(manager, WATCHDOG_USEC="120000000", WATCHDOG_PID="1"))
    for _ in range(3):
        told.alive()
    assert len(words(manager)) == 3


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    name = f"standfast-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + name)
        heard.setblocking(False)
        Supervisor({"NOTIFY_SOCKET": "@" + name}).alive()
        assert words(heard) == ["READY=1\nWATCHDOG=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_without_a_manager_nothing_is_said_and_nothing_fails(address: str) -> None:
    told = Supervisor({"NOTIFY_SOCKET": address})
    told.alive()
    told.stopping()
