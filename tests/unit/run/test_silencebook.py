"""What silencers answered, kept over a clock that is set."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from standfast.model.ids import HostId
from standfast.ports import Silence
from standfast.run.actions import KeepSilence
from standfast.run.seen import Failure
from standfast.run.silencebook import Answered, SilenceBook

HOST = HostId("a")


def test_a_silence_that_can_t_be_renewed_after_the_clock_was_set_back_is_over_no_sooner() -> None:
    silencer: Any = SimpleNamespace(name="am", lease_seconds=300.0, watched_alerts=())
    book = SilenceBook([silencer])
    book.take([], [], 0.0)  # it begins: what it does not know is over by 300 s
    book.set_back(30.0)
    call = KeepSilence(HOST, "am")
    book.take([Answered(call, Silence("id", 300.0, made=True), 600.0)], [], 600.0)
    book.take([], [Failure(call.key, HOST, "it refuses connections")], 700.0)
    assert book.monitoring().note("am", HOST, 300.0).ends_at == 900.0
