"""How many hosts go together at most."""

from __future__ import annotations

from standfast.model.policy import Policy

CLIMB = 2
"""The second wave is so many times as wide as the first one at most; the third has full width."""


def width(policy: Policy, hosts: int, number: int) -> int:
    """How many of `hosts` hosts may be out in wave `number` (from 0) at most."""
    share = max(2, int(policy.wave_hosts_fraction * hosts))
    most = max(1, min(policy.wave_hosts_max, share))
    if policy.canary_hosts <= 0 or number > 1:
        return most
    return min(most, policy.canary_hosts * (CLIMB if number else 1))
