"""VMs sorted from look to look are what they would be, sorted anew."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from standfast.model.cluster import Vm, VmState
from standfast.model.ids import HostId, VmId
from standfast.model.placed import Placed


def some(number: int, host: int) -> Vm:
    return Vm(VmId(f"vm{number}"), f"vm{number}", HostId(f"host{host}"), VmState.RUNNING, 2**30)


def changed(draw: random.Random, vms: tuple[Vm, ...]) -> tuple[Vm, ...]:
    found = list(vms)
    for _ in range(draw.randint(0, 4)):
        place = draw.randrange(len(found))
        state = draw.choice([VmState.RUNNING, VmState.PAUSED, VmState.SHUT_OFF])
        found[place] = replace(found[place], host=HostId(f"host{draw.randrange(6)}"), state=state)
    if draw.random() < 0.1:
        found.append(some(draw.randrange(60), 0))  # an id that is there already, at times
    if draw.random() < 0.1:
        found.pop(draw.randrange(len(found)))
    return tuple(found)


@pytest.mark.parametrize("seed", range(3))
def test_what_follows_from_look_to_look_is_what_is_sorted_anew(seed: int) -> None:
    draw = random.Random(seed)
    vms = tuple(some(number, number % 5) for number in range(40))
    placed = Placed(vms)
    for _ in range(80):
        vms = changed(draw, vms)
        placed, fresh = placed.then(vms), Placed(vms)
        assert (placed.by_id, placed.by_host) == (fresh.by_id, fresh.by_host)


def test_a_look_that_shows_nothing_new_sorts_nothing() -> None:
    vms = tuple(some(number, number % 5) for number in range(40))
    placed = Placed(vms)
    assert placed.then(vms) is placed
