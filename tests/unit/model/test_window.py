"""Maintenance windows belong to the day on which they open, and go by the clock on the wall."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from standfast.model.window import closes_at, opens_at, parse

BERLIN = "Europe/Berlin"


def at(text: str, zone: str = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("when", "is_open"),
    [
        ("2026-11-27 21:59", False),  # a Friday
        ("2026-11-27 22:00", True),
        ("2026-11-28 01:00", True),
        ("2026-11-28 03:59", True),
        ("2026-11-28 04:00", False),
        ("2026-11-27 01:00", False),  # the night from Thursday
        ("2026-11-28 22:30", False),
    ],
)
def test_a_window_that_wraps_midnight_is_open_on_the_morning_after_and_not_on_the_one_before(
    when: str, is_open: bool
) -> None:
    assert (closes_at(("Fri 22:00-04:00",), BERLIN, at(when)) is not None) is is_open


def test_it_closes_and_opens_again_by_the_wall_clock() -> None:
    windows = ("Fri 22:00-04:00",)
    assert closes_at(windows, BERLIN, at("2026-11-28 01:00")) == at("2026-11-28 04:00")
    assert opens_at(windows, BERLIN, at("2026-11-28 01:00")) == at("2026-12-04 22:00")


def test_the_night_on_which_clocks_are_put_back_is_an_hour_longer_and_the_other_one_shorter() -> None:
    for night, hours in (("2026-10-24", 7), ("2026-03-28", 5), ("2026-11-28", 6)):
        begin = at(f"{night} 22:00")
        closes = closes_at(("Sat 22:00-04:00",), BERLIN, begin)
        assert closes is not None
        assert (closes - begin) / 3600 == hours


def test_days_may_be_a_span_over_the_weeks_end_or_all() -> None:
    assert parse("Sat-Mon 01:00-02:00").days == {5, 6, 0}
    assert parse("daily 00:00-00:00").days == set(range(7))
    closes = closes_at(("daily 00:00-00:00",), "UTC", at("2026-11-27 12:00", "UTC"))
    assert closes == at("2026-11-28 00:00", "UTC")


BAD = ("Fri", "Fry 22:00-04:00", "Fri 22:00-24:30", "22:00-04:00", "Fri 22-04", "")


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no maintenance window|no day of the week|no clock shows"):
        parse(text)
