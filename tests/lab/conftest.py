"""A real lab for the tests of one session: made when first asked for, of its own name, removed on every
way out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """3 hosts, 4 VMs (one large). A test leaves it as it found it: all VMs running, all hosts up."""
    name = f"t{os.getpid()}"
    try:
        yield Lab.up(LabSpec(name=name, hosts=default_hosts(3), vms=default_vms(4)))
    finally:
        Lab.remove(name)
