"""When a host that its own check calls unwell is evacuated."""

from __future__ import annotations

from standfast.run.trigger import Trigger


def test_so_many_bad_answers_in_a_row_are_needed() -> None:
    trigger = Trigger(3)
    assert [trigger.heard("a", "ECC errors") for _ in range(4)] == [False, False, True, True]


def test_one_good_answer_begins_anew_and_no_answer_counts_for_nothing() -> None:
    trigger = Trigger(2)
    assert not trigger.heard("a", "bad")
    assert not trigger.heard("a", "")
    assert not trigger.heard("a", "bad")
    assert not trigger.heard("a", None)
    assert trigger.heard("a", "bad")


def test_hosts_are_counted_apart() -> None:
    trigger = Trigger(2)
    assert not trigger.heard("a", "bad")
    assert not trigger.heard("b", "bad")
    assert trigger.heard("a", "bad")
