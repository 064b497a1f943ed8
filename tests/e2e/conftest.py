"""A real lab for the tests of the whole: 3 hosts and 6 VMs, shared by all that need no other shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from e2e_program import drop_shared_lab, shared_lab

from standfast.lab.cluster import Lab


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those on the shared lab first, in the order of their names: then it comes up once."""
    own = [item for item in items if item.path.parent.name == "e2e"]
    at = [number for number, item in enumerate(items) if item.path.parent.name == "e2e"]
    own.sort(key=lambda item: "lab" not in getattr(item, "fixturenames", ()))
    for number, item in zip(at, own, strict=True):
        items[number] = item


@pytest.fixture(scope="session")
def _no_lab_stays() -> Iterator[None]:
    yield
    drop_shared_lab()


@pytest.fixture
def lab(_no_lab_stays: None) -> Lab:
    return shared_lab()
