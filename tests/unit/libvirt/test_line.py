"""One host's thread: deadlines, renewal, and the typed error of a connection that can't be made."""

from __future__ import annotations

import threading
import time

import pytest

from standfast.model.errors import OutsideError, UnreachableError
from standfast.platforms.libvirt import line as room
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.line import MAX_ABANDONED, Line

TEST = "test:///default"


def name_of(connection: libvirt.virConnect) -> str:
    return str(connection.getHostname())


def test_a_call_is_answered_and_the_connection_kept() -> None:
    opened: list[object] = []
    line = Line("h", TEST, opened.append)
    assert line.call(name_of, 5.0)
    assert line.call(name_of, 5.0)
    assert len(opened) == 1
    line.close()
    with pytest.raises(UnreachableError):
        line.call(name_of, 5.0)


def test_a_call_that_hangs_does_not_stop_the_next() -> None:
    line = Line("h", TEST)
    stuck = threading.Event()
    began = time.monotonic()
    with pytest.raises(UnreachableError) as caught:
        line.call(lambda _connection: stuck.wait(30), 0.2)
    assert caught.value.code == "libvirt_deadline"
    assert line.call(name_of, 5.0)
    assert time.monotonic() - began < 3
    stuck.set()
    line.close()


def test_threads_that_hang_are_bounded_and_come_back() -> None:
    line = Line("h", TEST)
    stuck = threading.Event()
    for _ in range(MAX_ABANDONED):
        with pytest.raises(UnreachableError):
            line.call(lambda _connection: stuck.wait(30), 0.05)
    with pytest.raises(UnreachableError) as caught:
        line.call(name_of, 1.0)
    assert caught.value.code == "libvirt_stuck"
    stuck.set()
    for _ in range(100):
        try:
            assert line.call(name_of, 5.0)
            break
        except UnreachableError:
            time.sleep(0.02)
    else:
        pytest.fail("the line never came back")
    line.close()


def test_libvirts_own_error_is_one_of_ours() -> None:
    line = Line("h", TEST)
    with pytest.raises(OutsideError) as caught:
        line.call(lambda connection: connection.lookupByName("nobody"), 5.0)
    assert "Domain not found" in str(caught.value)
    assert not isinstance(caught.value, UnreachableError)
    line.close()


@pytest.mark.parametrize("uri", ["qemu+unix:///system?socket=/nowhere", "nonsense:///system"])
def test_no_connection_is_unreachable_and_nothing_is_printed(
    uri: str, capfd: pytest.CaptureFixture[str]
) -> None:
    line = Line("kvm1", uri)
    with pytest.raises(UnreachableError) as caught:
        line.call(name_of, 10.0)
    assert caught.value.where == "kvm1"
    assert capfd.readouterr().err == ""
    line.close()


class Broken:
    """A connection that has gone with its host."""

    def isAlive(self) -> int:
        return 0

    def close(self) -> None:
        return


def test_a_line_knows_that_its_connection_broke_and_is_not_back(monkeypatch: pytest.MonkeyPatch) -> None:
    back = threading.Event()
    opened: list[object] = []

    def opens(_name: str, _uri: str) -> object:
        if opened:
            back.wait(10)
        opened.append(Broken())
        return opened[-1]

    monkeypatch.setattr(room, "open_connection", opens)
    line = Line("h", TEST)
    lost = [line.lost]
    assert line.call(lambda _connection: 1, 5.0) == 1
    lost.append(line.lost)
    assert lost == [False, False], "one that never had a connection has lost none"
    again = line.submit(lambda _connection: 2)
    ends_at = time.monotonic() + 5
    while not line.lost and time.monotonic() < ends_at:
        time.sleep(0.01)
    lost.append(line.lost)
    back.set()
    assert again.result(5.0) == 2
    lost.append(line.lost)
    assert lost[2:] == [True, False]
    line.close()
