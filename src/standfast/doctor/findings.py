"""What the doctor can find.

A finding is a reason, the same one that would refuse a plan or hold a host, with how bad it is. The catalogue
says it for every code, and becomes a page of the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Code, Reason


class Severity(StrEnum):
    """An error refuses a plan or holds a host; a warning may cost moves or time; a note is worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE

CATALOGUE: Mapping[Code, tuple[Severity, str]] = {
    # hosts: reaching them
    Code.HOST_KEY_UNKNOWN: (ERROR, "The host's SSH key is not known here. It is never taken on unseen."),
    Code.HOST_KEY_CHANGED: (ERROR, "The host's SSH key is another one than known here."),
    Code.HOST_NO_ACCESS: (ERROR, "The host does not let our account in."),
    Code.HOST_UNREACHABLE: (ERROR, "The host does not answer, or is another machine than it was."),
    Code.HOST_HYPERVISOR_DOWN: (ERROR, "The host answers, its hypervisor does not."),
    Code.HOST_DUPLICATE: (ERROR, "Two names lead to one host: it would be patched while it is the target."),
    Code.HOST_TOO_OLD: (ERROR, "Its libvirt is too old to keep the host free of VMs by a hook."),
    # hosts: what is needed to work on them
    Code.HOST_NO_RIGHTS: (ERROR, "Our account is not root there: it can neither install nor reboot."),
    Code.HOST_NO_TOOL: (ERROR, "A command that the work on the host needs is missing."),
    Code.HOST_NO_GUARD: (
        ERROR,
        "The host's own guard can't be put there: the cordon's hook, and the claims of patch and reboot.",
    ),
    Code.HOST_CORDONED_BY_OTHER: (ERROR, "The host is cordoned: somebody works on it."),
    Code.HOST_SHUTDOWN_SCHEDULED: (ERROR, "Somebody has scheduled a shutdown, which would take VMs along."),
    Code.HOST_CLOCK: (
        ERROR,
        "Its clock is further off than `clock_skew_seconds`: it would not pass as healthy after its boot.",
    ),
    Code.HOST_UNITS_FAILED: (WARNING, "Units have failed already; they are not counted against its boot."),
    Code.HOST_NO_KEEPALIVE: (
        WARNING,
        "libvirt's keepalive is off: a migration to a host that dies waits for TCP to notice.",
    ),
    # hosts: who else acts there
    Code.HOST_CLUSTER_MANAGER: (
        ERROR,
        "A cluster manager (Pacemaker, corosync, Proxmox HA, oVirt, OpenStack …) runs there: it may start or "
        "move VMs, and fence a host that reboots.",
    ),
    Code.HOST_CLUSTER_MANAGER_IDLE: (NOTE, "A cluster manager runs there and is in maintenance mode itself."),
    Code.HOST_BALANCER: (ERROR, "A balancer moves VMs there by itself."),
    Code.HOST_AUTO_REBOOT: (ERROR, "Automatic updates may reboot the host, VMs or not."),
    Code.HOST_AUTO_UPDATES: (WARNING, "Automatic updates change packages while VMs run."),
    Code.HOST_GUESTS_SUSPENDED: (WARNING, "libvirt-guests would save running VMs if the host went down."),
    Code.HOST_GUESTS_STOPPED: (NOTE, "libvirt-guests would shut running VMs down if the host went down."),
    # hosts: packages and room
    Code.HOST_PACKAGES_BROKEN: (ERROR, "dpkg was interrupted."),
    Code.HOST_PACKAGES_LOCKED: (WARNING, "Somebody holds the lock of the package manager now."),
    Code.HOST_PACKAGES_HELD: (NOTE, "Packages are on hold or kept back: they stay as they are."),
    Code.HOST_NOT_SCANNED: (ERROR, "Its package lists can't be fetched: what is pending is not known."),
    Code.HOST_DISK_FULL: (ERROR, "There is less room than the updates need."),
    Code.HOST_DISK_LOW: (WARNING, "There is little room left where updates are unpacked."),
    # the way from host to host
    Code.HOST_MIGRATION_ADDRESS: (ERROR, "The host can't listen on its migration address."),
    Code.HOST_NO_MIGRATION_ADDRESS: (
        WARNING,
        "No migration address is declared: guests' memory takes whichever network the host's name leads to.",
    ),
    Code.WAY_CONTROL: (ERROR, "A host's libvirt can't talk to another's, as a peer-to-peer migration does."),
    Code.WAY_DATA: (ERROR, "The ports for migrations do not let data through from host to host."),
    Code.WAY_STRANGER: (ERROR, "Under a host's name or address another machine answers."),
    # hosts compared
    Code.HOST_LACKS_DISKS: (ERROR, "The host does not see disks that are declared or taken to be shared."),
    Code.HOST_OTHER_DISKS: (ERROR, "Under a disk's path the host has another file than the VM's own host."),
    Code.UNEQUAL_POOLS: (WARNING, "A storage pool is not active on every host, or not the same."),
    Code.UNEQUAL_NETWORKS: (WARNING, "A network is not active on every host."),
    Code.UNEQUAL_CPUS: (WARNING, "A CPU lacks features that others have: VMs that were there may not come."),
    Code.UNEQUAL_MACHINE_TYPES: (WARNING, "QEMU does not offer machine types that others do."),
    Code.UNEQUAL_VERSIONS: (WARNING, "libvirt or QEMU is older than on others: VMs there can't come back."),
    Code.HOST_NEW_HYPERVISOR: (
        WARNING,
        "Pending updates bring a new release of QEMU or libvirt: VMs on a patched host can't go back to one "
        "that is not patched yet.",
    ),
    # VMs
    Code.VM_LOCAL_DISK: (ERROR, "A disk is on its host alone."),
    Code.VM_REMOVABLE_MEDIA: (ERROR, "A medium is inserted that other hosts do not have."),
    Code.VM_PASSTHROUGH: (ERROR, "The VM uses a device of its host directly."),
    Code.VM_NOT_RUNNING: (ERROR, "The VM is active and not running: paused, crashed, or on its way in."),
    Code.VM_MANAGED_SAVE: (ERROR, "There is a managed save image; saved state is never used."),
    Code.VM_UNSUPPORTED: (ERROR, "The platform can't move it as it is: snapshots, folders of its host …"),
    Code.VM_PINNED: (ERROR, "A pin leaves it no other host."),
    Code.VM_CONTROLLER: (ERROR, "It can't be moved, and this controller runs in it."),
    Code.NO_TARGET: (ERROR, "Every other host has something against it; each is named."),
    Code.VM_BUSY: (
        WARNING,
        "Another job holds it now (a backup, a block copy, somebody's migration); a run waits for its end, "
        "and where that does not come, for an operator.",
    ),
    Code.VM_BLACKOUT: (ERROR, "It writes memory too fast to be moved within its black-out budget."),
    Code.VM_BLACKOUT_RISK: (WARNING, "A move may make it dark for longer than its black-out budget."),
    Code.VM_TRANSIENT: (NOTE, "It has no persistent definition: once it stops nothing is left."),
    Code.VM_STARTS_TWICE: (ERROR, "Another host would start a second copy at its boot."),
    Code.VM_DEFINED_TWICE: (WARNING, "Another host holds a definition of it too."),
    # the cluster
    Code.NO_RESERVE: (ERROR, "N+1 does not hold as things stand."),
    Code.RULE_BROKEN_NOW: (WARNING, "A rule is broken already."),
    Code.UNCHECKED: (ERROR, "A check could not be made. What is not known counts as not well."),
}  # fmt: skip
"""How bad each code is, and what it means."""


ACCESS = frozenset({Code.HOST_KEY_UNKNOWN, Code.HOST_KEY_CHANGED, Code.HOST_NO_ACCESS, Code.HOST_NO_RIGHTS})
"""Keys and rights: these have an exit code of their own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A reason and how bad it is. `accepted`: the policy takes it as it is, which makes a note of it."""

    severity: Severity
    reason: Reason
    accepted: bool = False

    @property
    def code(self) -> Code:
        return self.reason.code

    @property
    def host(self) -> HostId | None:
        return self.reason.host

    @property
    def vm(self) -> VmId | None:
        return self.reason.vm


def found(reasons: Iterable[Reason], accepted: Iterable[str] = ()) -> tuple[Finding, ...]:
    """Reasons as findings, each once, in their order. A code that the catalogue lacks is an error."""
    taken = set(accepted)
    findings = []
    for reason in dict.fromkeys(reasons):
        if reason.code in taken:
            findings.append(Finding(NOTE, reason, accepted=True))
        else:
            findings.append(Finding(CATALOGUE.get(reason.code, (ERROR, ""))[0], reason))
    return tuple(findings)


def worst(findings: Iterable[Finding]) -> Severity | None:
    """The worst severity among them; None where there are none."""
    there = {finding.severity for finding in findings}
    return next((severity for severity in Severity if severity in there), None)
