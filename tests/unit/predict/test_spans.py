"""How long turns take."""

from __future__ import annotations

import pytest

from standfast.model.cluster import MoveLimits
from standfast.model.ids import HostId
from standfast.predict import spans
from standfast.predict.spans import Leg, drain_seconds

A, B, C, D = (HostId(name) for name in "abcd")


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([], 0.0),
        ([Leg(A, B, 10.0)], 10.0),
        ([Leg(A, B, 10.0), Leg(A, C, 10.0)], 20.0),
        ([Leg(A, B, 10.0), Leg(C, D, 10.0)], 10.0),
        ([Leg(A, C, 10.0), Leg(B, C, 10.0)], 20.0),
        ([Leg(A, B, 10.0), Leg(B, A, 10.0)], 10.0),
        ([Leg(A, B, 10.0), Leg(A, B, 20.0), Leg(A, B, 30.0)], 60.0),
    ],
    ids=["none", "one", "shared source", "apart", "shared target", "full duplex", "three"],
)
def test_legs_share_links_and_nothing_else(legs: list[Leg], expected: float) -> None:
    assert drain_seconds(legs) == pytest.approx(expected)


def test_limits_make_legs_wait() -> None:
    legs = [Leg(A, B, 10.0), Leg(C, B, 10.0), Leg(C, D, 10.0)]
    narrow = {host: MoveLimits(1, 1) for host in (A, B, C, D)}
    assert drain_seconds(legs, narrow) == pytest.approx(20.0)
    assert drain_seconds(legs, narrow, at_once=1) == pytest.approx(30.0)


def test_a_leg_that_can_not_start_does_not_hold_up_the_next() -> None:
    narrow = {host: MoveLimits(1, 1) for host in (A, B, C, D)}
    legs = [Leg(A, B, 10.0), Leg(A, B, 10.0), Leg(C, D, 10.0)]
    assert drain_seconds(legs, narrow) == pytest.approx(20.0)


def test_limits_of_nought_do_not_stop_time() -> None:
    assert drain_seconds([Leg(A, B, 1.0)], {A: MoveLimits(0, 0)}, at_once=0) == pytest.approx(1.0)


def test_patching_grows_with_the_packages_and_nothing_takes_no_time() -> None:
    assert spans.patch_seconds(0) == 0.0
    assert spans.patch_seconds(10) - spans.patch_seconds(9) == spans.PATCH_SECONDS_PER_PACKAGE


def test_history_replaces_the_defaults() -> None:
    history = {"stage_seconds": 1.0, "patch_fixed_seconds": 2.0, "patch_seconds_per_package": 0.5}
    assert spans.patch_seconds(4, history) == 5.0
    assert spans.reboot_seconds(True, {"reboot_seconds": 12.0}) == 12.0
    assert spans.reboot_seconds(True) == 180.0
    assert spans.reboot_seconds(False, {"reboot_seconds": 12.0}) == 0.0
