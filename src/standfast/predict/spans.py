"""How long a host's own work takes: patching, rebooting, verifying. Its drain: `predict.together`."""

from __future__ import annotations

from collections.abc import Mapping

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
