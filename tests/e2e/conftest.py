"""A real lab for the tests of the whole: 3 hosts and 6 VMs, of its own name, removed on every way out."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.lab.system import check_machine


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    try:
        check_machine()
    except LabError as error:
        pytest.skip(f"this machine can't hold a lab: {error}")
    name = f"e{os.getpid()}"
    try:
        yield Lab.up(LabSpec(name=name, hosts=default_hosts(3), vms=default_vms(6)))
    finally:
        Lab.remove(name)
