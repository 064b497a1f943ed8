"""VMs that can't be moved, and what was said beforehand to do about each: asked, recorded, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.cluster import Vm
from standfast.model.ids import VmId
from standfast.model.reasons import Code, Reason


class Handling(StrEnum):
    """What becomes of a host because of a VM on it that can't be moved."""

    SKIP = "skip"  # the host is left alone
    HOLD = "hold"  # the run waits for an operator before it touches the host
    CONSENT = "consent"  # the VM is shut down cleanly and started again around the host's reboot
    FORCE = "force"  # as consent, and its power is cut where the guest doesn't shut down in time

    @property
    def consents(self) -> bool:
        """The VM may be shut down."""
        return self in (Handling.CONSENT, Handling.FORCE)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody said about one VM, by its name, for the case that it can't be moved.

    `by` is a user, `at` Unix seconds, `where` the option or the config's `file:line`.
    """

    vm: VmId
    handling: Handling
    by: str
    at: float
    where: str


@dataclass(frozen=True, slots=True)
class PlannedStop:
    """A VM that stays on its host: shut down around the reboot with consent, or what the run holds for.

    The spans say how long it is off, predicted in seconds; 0 where the run holds.
    """

    vm: VmId
    vm_name: str
    why: Reason
    """Why it can't be moved."""
    said: Said
    off_seconds: float = 0.0
    off_p95_seconds: float = 0.0


COVERED = frozenset(
    {Code.VM_LOCAL_DISK, Code.VM_PASSTHROUGH, Code.VM_REMOVABLE_MEDIA, Code.VM_UNSUPPORTED, Code.VM_PINNED}
)
"""Reasons that what was said is for. Not among them: a job at work (it ends), a VM that is paused or crashed
(not ours to touch), a saved state (never used)."""


def is_controller(vm: Vm) -> Reason:
    """Why no consent is an answer to a VM that can't be moved: whoever would start it again is in it."""
    words = f"{vm.name} can't be moved, and this controller runs in it: nobody would start it again."
    mend = f"Skip its host (--unmovable {vm.name}=skip), or run the controller somewhere else for that host."
    return Reason(Code.VM_CONTROLLER, words, mend, host=vm.host, vm=vm.id)


def not_covered(vm: Vm, against: tuple[Reason, ...]) -> Reason | None:
    """Of all reasons against moving `vm`, the first that nothing said beforehand is an answer to.

    A VM without a persistent definition can be shut down, but nothing would be left to start.
    """
    first = next((reason for reason in against if reason.code not in COVERED), None)
    if first is None and not vm.persistent:
        words = f"{vm.name} is transient: shut down, nothing of it would be left to start again."
        return Reason(Code.VM_TRANSIENT, words, f"Define {vm.name} persistently.", host=vm.host, vm=vm.id)
    return first
