"""Typed reasons: why something may not happen. A refusal is never a bare string."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from standfast.model.ids import HostId, VmId


class Code(StrEnum):
    """Every reason the product can give. Codes are only ever added."""

    # This VM can't be moved at all.
    VM_LOCAL_DISK = "vm_local_disk"
    VM_PASSTHROUGH = "vm_passthrough"
    VM_REMOVABLE_MEDIA = "vm_removable_media"
    VM_PINNED = "vm_pinned"
    VM_CONTROLLER = "vm_controller"
    VM_TRANSIENT = "vm_transient"
    VM_MANAGED_SAVE = "vm_managed_save"
    VM_NOT_RUNNING = "vm_not_running"  # paused, crashed or unknown: not ours to touch
    VM_BUSY = "vm_busy"  # a job (backup, block copy, snapshot, migration) holds the VM
    VM_BLACKOUT = "vm_blackout"  # it writes too fast to be moved within its black-out budget
    VM_UNSUPPORTED = "vm_unsupported"  # the platform says so, in its own words
    # This VM can't go to that host.
    TARGET_MEMORY = "target_memory"
    TARGET_ANTI_AFFINITY = "target_anti_affinity"
    TARGET_CPU = "target_cpu"
    TARGET_MACHINE_TYPE = "target_machine_type"
    TARGET_NETWORK = "target_network"
    TARGET_STORAGE = "target_storage"
    TARGET_CORDONED = "target_cordoned"
    TARGET_UNREACHABLE = "target_unreachable"
    TARGET_NAME_TAKEN = "target_name_taken"
    # The cluster as a whole.
    NO_TARGET = "no_target"
    NO_RESERVE = "no_reserve"  # N+1 would not hold
    RULE_BROKEN_NOW = "rule_broken_now"  # already violated before we begin
    SNAPSHOT_WRONG = "snapshot_wrong"  # what it says can't be true
    RULES_CONTRADICT = "rules_contradict"  # no placement can keep them all
    # A host.
    HOST_UNREACHABLE = "host_unreachable"
    HOST_NOT_SCANNED = "host_not_scanned"  # it answers, and what is pending on it is not known
    HOST_DUPLICATE = "host_duplicate"  # one host under two names
    HOST_TOO_OLD = "host_too_old"
    HOST_DISK_FULL = "host_disk_full"
    HOST_PACKAGES_BROKEN = "host_packages_broken"
    HOST_CORDONED_BY_OTHER = "host_cordoned_by_other"
    HOST_NO_TOOL = "host_no_tool"
    HOST_KEY_UNKNOWN = "host_key_unknown"
    HOST_KEY_CHANGED = "host_key_changed"
    HOST_NO_ACCESS = "host_no_access"
    HOST_NO_RIGHTS = "host_no_rights"
    HOST_NO_GUARD = "host_no_guard"  # its own guard against a reboot with VMs can't be put there
    HOST_HYPERVISOR_DOWN = "host_hypervisor_down"
    HOST_CLOCK = "host_clock"
    HOST_CLUSTER_MANAGER = "host_cluster_manager"  # Pacemaker and the like: starts VMs, fences hosts
    HOST_CLUSTER_MANAGER_IDLE = "host_cluster_manager_idle"
    HOST_BALANCER = "host_balancer"
    HOST_AUTO_UPDATES = "host_auto_updates"
    HOST_AUTO_REBOOT = "host_auto_reboot"
    HOST_GUESTS_SUSPENDED = "host_guests_suspended"  # libvirt-guests at shutdown
    HOST_GUESTS_STOPPED = "host_guests_stopped"
    HOST_SHUTDOWN_SCHEDULED = "host_shutdown_scheduled"
    HOST_PACKAGES_LOCKED = "host_packages_locked"
    HOST_PACKAGES_HELD = "host_packages_held"
    HOST_DISK_LOW = "host_disk_low"
    HOST_UNITS_FAILED = "host_units_failed"
    HOST_NO_KEEPALIVE = "host_no_keepalive"
    HOST_MIGRATION_ADDRESS = "host_migration_address"
    HOST_NO_MIGRATION_ADDRESS = "host_no_migration_address"
    HOST_LACKS_DISKS = "host_lacks_disks"  # of VMs that could come
    HOST_OTHER_DISKS = "host_other_disks"  # another file under a disk's path
    HOST_NEW_HYPERVISOR = "host_new_hypervisor"  # its updates make the way back impossible
    # From host to host.
    WAY_CONTROL = "way_control"  # libvirt can't talk to libvirt
    WAY_DATA = "way_data"  # the migration's ports do not let data through
    WAY_STRANGER = "way_stranger"  # another machine answers
    # Hosts compared.
    UNEQUAL_POOLS = "unequal_pools"
    UNEQUAL_NETWORKS = "unequal_networks"
    UNEQUAL_CPUS = "unequal_cpus"
    UNEQUAL_MACHINE_TYPES = "unequal_machine_types"
    UNEQUAL_VERSIONS = "unequal_versions"
    VM_BLACKOUT_RISK = "vm_blackout_risk"  # it may be dark for longer than its budget
    # A VM, of which one definition would do.
    VM_STARTS_TWICE = "vm_starts_twice"
    VM_DEFINED_TWICE = "vm_defined_twice"
    UNCHECKED = "unchecked"  # a check that could not be made is a finding
    # What happened during a run.
    STAGE_FAILED = "stage_failed"
    PATCH_FAILED = "patch_failed"
    PATCH_TIMEOUT = "patch_timeout"
    STILL_PENDING = "still_pending"
    REBOOT_REFUSED = "reboot_refused"
    REBOOT_TIMEOUT = "reboot_timeout"
    UNHEALTHY = "unhealthy"
    MOVE_FAILED = "move_failed"
    MOVE_TIMEOUT = "move_timeout"
    MOVE_LAGGING = "move_lagging"  # its VM writes memory faster than it is copied
    VM_NOT_SHUT_DOWN = "vm_not_shut_down"  # asked, with consent, and still running
    VM_NOT_STARTED = "vm_not_started"  # shut down by us, and can't be started again
    SILENCE_FAILED = "silence_failed"  # monitoring can't be told to be silent, or asked
    ALERTS_FIRING = "alerts_firing"  # alerts that the user named
    NOT_EMPTY = "not_empty"
    ACTION_FAILED = "action_failed"  # an outward call failed as often as it may
    HOST_SIGNS = "host_signs"  # what the operator's own command says of a host that can't be asked
    FINISH_BY = "finish_by"  # it would not have been done in time
    HALF_PATCHED = "half_patched"  # a VM would have to go from a newer hypervisor to an older one
    UNKNOWN_PHASE = "unknown_phase"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Reason:
    """One typed reason: the sentence says what and why, the mend what would remove it."""

    code: Code
    sentence: str
    mend: str = ""
    host: HostId | None = None
    vm: VmId | None = None

    def __str__(self) -> str:
        return f"{self.sentence} {self.mend}".strip()
