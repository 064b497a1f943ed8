"""Which machine this is: a controller may be one of the VMs that it moves."""

from __future__ import annotations

import uuid
from pathlib import Path

DMI = Path("/sys/class/dmi/id/product_uuid")


def machine_uuids(dmi: Path = DMI) -> tuple[str, ...]:
    """The UUID that the firmware tells, which for a VM is the one that its platform knows it by; in both byte
    orders, since firmware older than SMBIOS 2.6 has its first half the other way round.

    Empty where it can't be read: only root may, and a container of a VM is told its host's.
    """
    try:
        told = uuid.UUID(dmi.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return ()
    return (str(told), str(uuid.UUID(bytes_le=told.bytes)))
