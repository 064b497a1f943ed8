"""Names of record: what a row, a plan or an event calls a thing, for ever."""

from __future__ import annotations

from typing import NewType

HostId = NewType("HostId", str)
"""Host UUID, lower case with dashes (libvirt: `<uuid>` of the capabilities' `<host>`)."""

VmId = NewType("VmId", str)
"""Domain UUID (or the platform's own stable identifier), lower case."""

RunId = NewType("RunId", str)
"""ULID, 26 characters, sorts by time."""

MoveId = NewType("MoveId", str)
"""One attempt to move one VM: the run's id, a dash and a number that counts up within the run."""
