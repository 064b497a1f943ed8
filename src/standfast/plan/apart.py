"""Hosts sorted into waves: none takes too many of one anti-affinity group, and no host is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Counts = Mapping[int, int]


def in_waves(
    order: Sequence[int], groups: Mapping[int, frozenset[int]], most: Counts, widths: Sequence[int]
) -> list[int]:
    """`order`, changed as little as it takes for consecutive waves of `widths` to be allowed.

    `groups[host]`: numbers of the groups with members on it; `most[group]`: hosts with members of it that may
    share a wave. Hosts from the front go to the first wave that may take them. What is left over at the end
    changes places with a host of an earlier wave, the latest that helps, so that a group does not cost a wave
    of its own. Hosts that find no place at all come last.
    """
    waves = [_Wave(width, most) for width in widths]
    left = list(order)
    for wave in waves:
        later = []
        for host in left:
            if len(wave.hosts) < wave.width and wave.takes(groups[host]):
                wave.add(host, groups[host])
            else:
                later.append(host)
        left = later
    astray = [host for host in left if not _exchange(host, waves, groups)]
    return [*(host for wave in waves for host in wave.hosts), *astray]


def _exchange(host: int, waves: Sequence[_Wave], groups: Mapping[int, frozenset[int]]) -> bool:
    """Put the host into a wave whose own host goes to one that has a place; False if that can't be done."""
    roomy = [wave for wave in waves if len(wave.hosts) < wave.width]
    for wave in reversed(waves):
        if wave in roomy:
            continue
        for other in reversed(wave.hosts):
            there = next((room for room in roomy if room.takes(groups[other])), None)
            if there is None:
                continue
            wave.remove(other, groups[other])
            if wave.takes(groups[host]):
                wave.add(host, groups[host])
                there.add(other, groups[other])
                return True
            wave.add(other, groups[other])
    return False


class _Wave:
    def __init__(self, width: int, most: Counts) -> None:
        self.width, self.most = width, most
        self.hosts: list[int] = []
        self.count: dict[int, int] = {}

    def takes(self, groups: frozenset[int]) -> bool:
        return not self.hosts or all(self.count.get(group, 0) < self.most[group] for group in groups)

    def add(self, host: int, groups: frozenset[int]) -> None:
        self.hosts.append(host)
        for group in groups:
            self.count[group] = self.count.get(group, 0) + 1

    def remove(self, host: int, groups: frozenset[int]) -> None:
        self.hosts.remove(host)
        for group in groups:
            self.count[group] -= 1
