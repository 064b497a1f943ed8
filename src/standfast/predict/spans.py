"""How long a host's turn takes: draining it under limits and shared links, patching, rebooting, verifying."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from standfast.model.cluster import MoveLimits
from standfast.model.ids import HostId

STAGE_SECONDS = 30.0
"""Refreshing the lists and downloading, before anything is touched."""

PATCH_FIXED_SECONDS = 20.0
PATCH_SECONDS_PER_PACKAGE = 4.0
"""apt on a server: triggers, initramfs and the like once, unpacking and configuring per package."""

REBOOT_SECONDS = 180.0
"""Server firmware takes minutes; a lab host seconds. History replaces it."""

VERIFY_FIXED_SECONDS = 10.0
"""Looks and the last scan, besides the time for which a host must stay healthy."""

SHUTDOWN_SECONDS = 30.0
START_SECONDS = 10.0
"""A guest's clean shutdown, all of a host at once, and its start until the platform says that it runs."""

P95_FACTOR = 1.5
"""p95 over p50 of everything that a host does by itself."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One move as the schedule sees it. `seconds` is its length with the link to itself."""

    source: HostId
    target: HostId
    seconds: float


def drain_seconds(
    legs: Sequence[Leg], limits: Mapping[HostId, MoveLimits] | None = None, *, at_once: int = 4
) -> float:
    """Seconds until all legs are done, started in the given order as early as limits allow (`drain_ends`)."""
    return max(drain_ends(legs, limits, at_once=at_once).values(), default=0.0)


def drain_ends(
    legs: Sequence[Leg], limits: Mapping[HostId, MoveLimits] | None = None, *, at_once: int = 4
) -> dict[HostId, float]:
    """Seconds until each source is rid of its legs, started in the given order as early as limits allow.

    Per host `limits` (outbound, inbound; the defaults of `MoveLimits` where absent) and `at_once` over all
    hold. Migrations that share an outgoing or an incoming link progress at an equal share of it, so more at
    once does not shorten a drain that one stream can already fill (OSIC 2017: it lengthened it by 23-31 %).
    """
    known = limits or {}
    waiting = list(legs)
    running: list[tuple[Leg, float]] = []  # with the seconds left at full rate
    ends: dict[HostId, float] = {}
    elapsed = 0.0
    while waiting or running:
        _admit(waiting, running, known, max(1, at_once))
        rates = _rates([leg for leg, _ in running])
        pairs = list(zip(running, rates, strict=True))
        step = min(left / rate for (_, left), rate in pairs)
        elapsed += step
        ends.update((leg.source, elapsed) for leg, _ in running)
        running = [(leg, left - step * rate) for (leg, left), rate in pairs if left - step * rate > 1e-9]
    return ends


def _admit(
    waiting: list[Leg],
    running: list[tuple[Leg, float]],
    limits: Mapping[HostId, MoveLimits],
    at_once: int,
) -> None:
    """Start every waiting leg for which there is room now, in order."""
    out: dict[HostId, int] = {}
    into: dict[HostId, int] = {}
    for leg, _ in running:
        out[leg.source] = out.get(leg.source, 0) + 1
        into[leg.target] = into.get(leg.target, 0) + 1
    index = 0
    while index < len(waiting) and len(running) < at_once:
        leg = waiting[index]
        outbound = max(1, limits.get(leg.source, MoveLimits()).outbound)
        inbound = max(1, limits.get(leg.target, MoveLimits()).inbound)
        if out.get(leg.source, 0) >= outbound or into.get(leg.target, 0) >= inbound:
            index += 1
            continue
        out[leg.source] = out.get(leg.source, 0) + 1
        into[leg.target] = into.get(leg.target, 0) + 1
        running.append((waiting.pop(index), max(leg.seconds, 1e-6)))


def _rates(legs: Sequence[Leg]) -> list[float]:
    """Each leg's share of full rate: one over the busier of its two ends (links are full duplex)."""
    out: dict[HostId, int] = {}
    into: dict[HostId, int] = {}
    for leg in legs:
        out[leg.source] = out.get(leg.source, 0) + 1
        into[leg.target] = into.get(leg.target, 0) + 1
    return [1.0 / max(out[leg.source], into[leg.target]) for leg in legs]


def patch_seconds(packages: int, history: Mapping[str, float] | None = None) -> float:
    """Staging and patching that many packages; nothing pending takes no time.

    `history` may hold `stage_seconds`, `patch_fixed_seconds` and `patch_seconds_per_package`.
    """
    if packages <= 0:
        return 0.0
    seen = history or {}
    fixed = seen.get("stage_seconds", STAGE_SECONDS) + seen.get("patch_fixed_seconds", PATCH_FIXED_SECONDS)
    return fixed + packages * seen.get("patch_seconds_per_package", PATCH_SECONDS_PER_PACKAGE)


def reboot_seconds(needed: bool, history: Mapping[str, float] | None = None) -> float:
    """From the reboot's order to the first answer after it; `history` may hold `reboot_seconds`."""
    return (history or {}).get("reboot_seconds", REBOOT_SECONDS) if needed else 0.0


def verify_seconds(stable_seconds: float) -> float:
    """Proving a host: healthy for `stable_seconds` (Policy.verify_stable_seconds), then a last scan."""
    return VERIFY_FIXED_SECONDS + stable_seconds
