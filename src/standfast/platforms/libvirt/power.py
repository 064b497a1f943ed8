"""Clean shutdown and cold start of one domain. Nothing here saves or restores a guest's state."""

from __future__ import annotations

import contextlib
from typing import Any

from standfast.model.errors import RefusedError
from standfast.model.ids import VmId
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.line import outside_error

CALL_SECONDS = 60.0
"""Longer than libvirt waits for a guest agent before it turns to ACPI; a start may take long."""


def shutdown(connection: Any, host: str, vm: VmId, *, force: bool) -> None:
    """Ask the guest, or with `force` end its process. Flags 0 let libvirt take the agent and else ACPI.

    Raises OutsideError. Source: qemuDomainShutdownFlags in libvirt's src/qemu/qemu_driver.c.
    """
    domain = connection.lookupByUUIDString(vm)
    if not domain.isActive():
        return
    try:
        if force:
            domain.destroyFlags(0)
        else:
            domain.shutdownFlags(0)
    except libvirt.libvirtError as error:
        if _is_active(domain) is False:
            return  # it went off meanwhile, which is what was asked for
        raise outside_error(host, error, f"{domain.name()} can't be shut down") from error


def start(connection: Any, host: str, vm: VmId) -> None:
    """Boot it. Raises OutsideError, and RefusedError where libvirt would go on from a saved state.

    While the host is cordoned its hook refuses a restore as well, should an image appear right now.
    """
    domain = connection.lookupByUUIDString(vm)
    if domain.isActive():
        return
    if domain.hasManagedSaveImage():
        raise RefusedError(
            "saved_state",
            f"{domain.name()} has a saved state and would go on from it",
            where=host,
            why="saved state is never used",
            do=f"Look at it, then remove it there: virsh managedsave-remove {domain.name()}.",
        )
    try:
        domain.createWithFlags(0)
    except libvirt.libvirtError as error:
        if _is_active(domain):
            return
        raise outside_error(host, error, f"{domain.name()} can't be started") from error


def _is_active(domain: Any) -> bool | None:
    """None where it can't be told."""
    with contextlib.suppress(libvirt.libvirtError):
        return bool(domain.isActive())
    return None
