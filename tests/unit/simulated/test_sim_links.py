from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=14))
def test_nobody_could_have_more_but_at_the_cost_of_one_that_has_no_more(ways: list[tuple[int, int]]) -> None:
    state = build(SimSpec(hosts=6, vms=len(ways)))
    hosts = list(state.hosts)
    for number, host in enumerate(state.hosts.values()):
        host.base = replace(host.base, migration_bits_per_second=(1 + number % 3) * 1_000_000_000)
    ends = {vm: (hosts[out], hosts[into]) for vm, (out, into) in zip(state.vms, ways, strict=False)}
    found = rates(state, [(vm, out, into) for vm, (out, into) in ends.items()])
    for vm, way in ends.items():
        bound = []
        for end in (0, 1):
            beside = [found[other] for other, its in ends.items() if its[end] == way[end]]
            line = GOODPUT * (state.hosts[way[end]].base.migration_bits_per_second or 0) / 8
            assert sum(beside) <= line * (1 + 1e-9)
            bound.append(sum(beside) >= line * (1 - 1e-9) and found[vm] >= max(beside) * (1 - 1e-9))
        assert any(bound)


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
