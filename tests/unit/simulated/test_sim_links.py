from __future__ import annotations

import pytest

from standfast.model.units import MIB
from standfast.platforms.simulated import SimSpec
from standfast.platforms.simulated.links import GOODPUT, Links, rates
from standfast.platforms.simulated.spec import build

LINE = GOODPUT * 1_000_000_000 / 8


def test_what_one_flow_can_not_use_goes_to_the_one_beside_it() -> None:
    state = build(SimSpec(hosts=5, vms=6, vm_memory_bytes=160 * MIB))
    one, two, three, four, five = state.hosts
    a, b, c, d = list(state.vms)[:4]
    # b, c and d share the way into host 3; a shares the way out of host 1 with b, which can't use its half.
    found = rates(state, [(a, one, two), (b, one, three), (c, four, three), (d, five, three)])
    assert [found[vm] for vm in (b, c, d)] == pytest.approx([LINE / 3] * 3)
    assert found[a] == pytest.approx(LINE * 2 / 3)


def test_flows_that_share_no_link_are_not_worked_out_anew() -> None:
    state = build(SimSpec(hosts=5, vms=6))
    one, two, three, four, five = state.hosts
    a, b, c = list(state.vms)[:3]
    links = Links()
    for vm, source, target in ((a, one, two), (b, three, four), (c, one, five)):
        links.add(vm, source, target)
    assert links.beside(a) == {a, c}
    links.remove(c)
    assert links.beside(a) == {a}
