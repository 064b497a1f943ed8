"""A platform whose moves are also seen from outside."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

import pytest

from standfast.config.probes import parse_probe
from standfast.model.cluster import Snapshot, Vm, VmState
from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, MoveRecord, OutcomeKind
from standfast.model.probes import VmProbe
from standfast.platforms import probing
from standfast.platforms.probing import Probing
from standfast.ports import Platform

PROBE = VmProbe("tcp", "10.0.0.1", 80)
ORDER = MoveOrder(MoveId("m1"), VmId("v"), HostId("a"), HostId("b"), timeout_seconds=30.0)
DONE = MoveOutcome(OutcomeKind.SUCCEEDED, MoveRecord(blackout_seconds=0.2))


class Moving:
    """A platform on which one VM moves and then is there."""

    def __init__(self) -> None:
        self.outcome, self.started = MoveOutcome(OutcomeKind.RUNNING), 0

    def observe(self) -> Snapshot:
        return Snapshot("c", "t", 0.0, (), (Vm(VmId("v"), "web", HostId("a"), VmState.RUNNING, 1),))

    def start_move(self, _: MoveOrder) -> None:
        self.started += 1

    def move_outcome(self, _: MoveOrder) -> MoveOutcome:
        return self.outcome


class Guest:
    """Answers but for a span after its first answers; never, where it is dead."""

    def __init__(self, away: float = 0.0, dead: bool = False) -> None:
        self.began, self.away, self.dead, self.asked = time.monotonic(), away, dead, 0

    def __call__(self, probe: VmProbe) -> bool:
        assert probe == PROBE
        self.asked += 1
        past = time.monotonic() - self.began
        return not self.dead and not 0.1 < past < 0.1 + self.away


def moved(guest: Any, *, ends_after: float, names: str = "web") -> MoveRecord | None:
    inner = Moving()
    platform = Probing(cast(Platform, inner), {names: PROBE}, guest)
    platform.observe()
    platform.start_move(ORDER)
    assert platform.move_outcome(ORDER).kind is OutcomeKind.RUNNING
    time.sleep(ends_after)
    inner.outcome = DONE
    record = platform.move_outcome(ORDER).record
    assert platform.move_outcome(ORDER).record == record, "asked again, it says the same"
    assert inner.started == 1
    return record


def test_the_longest_silence_is_in_the_record() -> None:
    record = moved(Guest(away=0.4), ends_after=0.7)
    assert record is not None
    assert record.seen_seconds == pytest.approx(0.4, abs=0.15)
    assert replace(record, seen_seconds=None) == DONE.record


def test_a_silence_that_outlasts_the_move_is_waited_for() -> None:
    record = moved(Guest(away=0.8), ends_after=0.2)
    assert record is not None
    assert record.seen_seconds == pytest.approx(0.8, abs=0.2)


def test_of_one_that_never_answers_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "AFTER_SECONDS", 0.2)
    assert moved(Guest(dead=True), ends_after=0.1) == DONE.record


def test_a_vm_without_a_probe_is_not_asked() -> None:
    guest = Guest()
    assert moved(guest, ends_after=0.1, names="other") == DONE.record
    assert guest.asked == 0


def test_asking_ends_with_the_time_that_the_move_was_given() -> None:
    guest = Guest()
    watch = probing.Watch(PROBE, 0.2, guest)
    time.sleep(0.5)
    asked = guest.asked
    time.sleep(0.3)
    assert guest.asked == asked
    assert watch.end() is not None


def test_where_no_echo_may_be_sent_nothing_is_said() -> None:
    def forbidden(_: VmProbe) -> bool:
        raise PermissionError

    assert moved(forbidden, ends_after=0.1) == DONE.record


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp://10.0.0.5:443", VmProbe("tcp", "10.0.0.5", 443)),
        ("icmp://web.example", VmProbe("icmp", "web.example")),
        ("http://web/health?x=1", VmProbe("http", "web", 80, "/health?x=1")),
        ("http://[fd00::5]:8080", VmProbe("http", "fd00::5", 8080)),
    ],
)
def test_probes_are_read(text: str, expected: VmProbe) -> None:
    assert parse_probe(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "web", "ftp://web", "tcp://web", "tcp://:80", "tcp://web:0", "tcp://web:99999", "icmp://web:7"),
        *("http://user@web/", "http://web/a b", "http://web/ä", "tcp://web:80x", "http:///x"),
    ],
)
def test_what_is_no_probe_is_refused_with_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"write"):
        parse_probe(text)
