"""A real lab for the tests of the whole: 3 hosts and 6 VMs, of its own name, removed on every way out.

One for each module that asks: its guests want the processor for as long as they run, also from other labs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from e2e_program import lab_of

from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    name = f"e{os.getpid()}"
    with lab_of(LabSpec(name=name, hosts=default_hosts(3), vms=default_vms(6))) as up:
        yield up
