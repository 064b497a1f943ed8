"""Answers of the script that looks at a host's network."""

from __future__ import annotations

import pytest

from standfast.model.wires import Carries
from standfast.updates.answers import read_answer
from standfast.updates.netlook import ring, wires_of

ANSWER = """wire|bond0 9000 20000 up bond eth1,eth2 1000 2000 1000 2000
wire|eth0 1500 1000 up link - 0 0 250000 500000
wire|eth1 9000 10000 up link - 0 0 0 0
wire|eth2 9000 -1 down link - 0 0 0 0
wire|torn 1500
carries|management eth0
carries|migration bond0
carries|migration bond0
carries|storage gone
carries|weather eth0
end=yes
"""


def test_links_loads_and_what_they_carry_are_read_and_nonsense_is_left_out() -> None:
    host = wires_of(read_answer("a", ANSWER), "10.0.0.1")
    assert list(host.wires) == ["bond0", "eth0", "eth1", "eth2"]
    assert host.carries == {Carries.MANAGEMENT: ("eth0",), Carries.MIGRATION: ("bond0",)}
    assert host.links_of(Carries.MIGRATION) == ("eth1", "eth2")
    eth0 = host.wires["eth0"]
    assert (eth0.bits_per_second, eth0.received, eth0.sent) == (10**9, 1_000_000.0, 2_000_000.0)
    assert (host.wires["eth2"].bits_per_second, host.wires["eth2"].up) == (None, False)


@pytest.mark.parametrize(
    ("names", "expected"),
    [("", []), ("a", []), ("ab", ["ab", "ba"]), ("abc", ["ab", "bc", "ca"])],
)
def test_a_probe_goes_round_so_that_each_sends_and_receives_once(names: str, expected: list[str]) -> None:
    assert ["".join(way) for way in ring(list(names))] == expected
