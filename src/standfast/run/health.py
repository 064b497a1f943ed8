"""Is a host as well after its boot as it was before? Said as what is missing, one clause each."""

from __future__ import annotations

from standfast.model.hostwork import Health, HostFacts
from standfast.model.policy import Policy

UP_STATES = frozenset({"running", "degraded"})
"""`systemctl is-system-running` words of a boot that has ended; degraded is judged by its failed units."""


def not_up(facts: HostFacts) -> tuple[str, ...]:
    """What the quick look has against the host, without knowing how it was before."""
    missing = []
    if not facts.hypervisor_up:
        missing.append("its hypervisor does not answer")
    if facts.system_state and facts.system_state not in UP_STATES:
        missing.append(f"its boot has not ended (systemd says {facts.system_state})")
    return tuple(missing)


def worse(before: Health, after: Health, policy: Policy) -> tuple[str, ...]:
    """What the host had before and lacks now, and what fails now and did not before."""
    found = []
    if not after.hypervisor_up:
        found.append("its hypervisor does not answer")
    for words, had, has in (
        ("link down", before.links_up, after.links_up),
        ("mount missing", before.mounts, after.mounts),
        ("network not active", before.networks, after.networks),
    ):
        found += [f"{words}: {name}" for name in sorted(had - has)]
    found += [f"unit failed: {name}" for name in sorted(after.failed_units - before.failed_units)]
    if abs(after.clock_skew_seconds) > policy.clock_skew_seconds:
        found.append(f"its clock is {after.clock_skew_seconds:+.1f} s off")
    return tuple(found)
