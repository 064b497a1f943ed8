"""How long turns take."""

from __future__ import annotations

from standfast.predict import spans


def test_patching_grows_with_the_packages_and_nothing_takes_no_time() -> None:
    assert spans.patch_seconds(0) == 0.0
    assert spans.patch_seconds(10) - spans.patch_seconds(9) == spans.PATCH_SECONDS_PER_PACKAGE


def test_history_replaces_the_defaults() -> None:
    history = {"stage_seconds": 1.0, "patch_fixed_seconds": 2.0, "patch_seconds_per_package": 0.5}
    assert spans.patch_seconds(4, history) == 5.0
    assert spans.reboot_seconds(True, {"reboot_seconds": 12.0}) == 12.0
    assert spans.reboot_seconds(True) == 180.0
    assert spans.reboot_seconds(False, {"reboot_seconds": 12.0}) == 0.0
