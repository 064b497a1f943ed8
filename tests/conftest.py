"""What all tests share: those on the real lab run where the machine can hold one, and say why elsewhere."""

from __future__ import annotations

import functools

import pytest
from hypothesis import settings

settings.register_profile("standfast", deadline=None)  # machines are noisy: no test asserts a time
settings.load_profile("standfast")


@functools.cache
def why_no_lab() -> str:
    """Why this machine can't hold a lab; empty where it can."""
    from standfast.lab import system
    from standfast.lab.errors import LabError

    try:
        system.check_machine()
        system.ensure_packages(install=False)
    except LabError as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip lab tests with the reason in the summary."""
    for item in items:
        if item.get_closest_marker("lab") is not None and why_no_lab():
            item.add_marker(pytest.mark.skip(reason=f"no lab: {why_no_lab()}"))
