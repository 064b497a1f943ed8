"""What is pending on a host under a policy, and which rule says that it will need a reboot."""

from __future__ import annotations

import re

from standfast.model.cluster import Host
from standfast.model.hostwork import PendingUpdate, UpdateState
from standfast.model.policy import Policy

_NEEDING: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("kernel", re.compile(r"^(linux-(image|modules|generic|virtual)|kernel(-|$)|proxmox-kernel|pve-kernel)")),
    ("hypervisor", re.compile(r"^(qemu|libvirt|seabios|ovmf|edk2)")),
    ("systemd", re.compile(r"^(systemd|libsystemd|udev|libudev|dbus)")),
    ("C library", re.compile(r"^(libc6|libc-bin|glibc|musl)")),
    ("firmware", re.compile(r"(firmware|microcode)")),
)
"""Packages whose old code goes on running until a reboot: families by name, as on Debian and Fedora."""


def due(updates: UpdateState, policy: Policy) -> tuple[PendingUpdate, ...]:
    """Of what a scan has found, the updates that a run under `policy` installs."""
    return tuple(update for update in updates.pending if update.security or not policy.security_only)


def compliant(updates: UpdateState, policy: Policy) -> bool:
    """Nothing is due, and no reboot is needed."""
    return not due(updates, policy) and not updates.reboot_signs


def pending(host: Host, policy: Policy) -> tuple[PendingUpdate, ...]:
    """What is due on the host; empty where it was not scanned."""
    return () if host.updates is None else due(host.updates, policy)


def why_reboot(host: Host, policy: Policy) -> str:
    """The rule by which the plan expects a reboot, in words; empty where none applies.

    A forecast for the plan's spans. After patching, the run looks at the host's own signs and decides again.
    """
    if host.updates is None:
        return ""
    if host.updates.reboot_signs:
        return "reboot sign " + ", ".join(sign.replace("_", " ") for sign in host.updates.reboot_signs)
    updates = pending(host, policy)
    if updates and policy.always_reboot:
        return "policy always_reboot"
    for update in updates:
        for family, names in _NEEDING:
            if names.search(update.package):
                return f"package {update.package} ({family})"
    return ""


def has_work(host: Host, policy: Policy) -> bool:
    """Something is pending under the policy, or a reboot is due."""
    return host.updates is not None and not compliant(host.updates, policy)
