"""What libvirt itself has against a move, asked of both hosts right before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from standfast.model.ids import HostId, VmId
from standfast.model.reasons import Code, Reason
from standfast.platforms.libvirt.binding import libvirt
from standfast.platforms.libvirt.cpus import AS_IT_IS
from standfast.platforms.libvirt.domain import Definition, parse_domain
from standfast.platforms.libvirt.jobs import busy_words
from standfast.platforms.libvirt.moves import read_job
from standfast.platforms.libvirt.reading import HostReading, version_text
from standfast.platforms.libvirt.storage import shared


@dataclass(frozen=True, slots=True)
class Pair:
    """A VM's host and the host that it may go to, by name and last reading."""

    vm: VmId
    source: str
    target: str
    target_id: HostId
    before: HostReading
    after: HostReading


def ask_source(
    connection: Any, pair: Pair, shared_paths: tuple[str, ...]
) -> tuple[Definition | None, list[Reason]]:
    """The VM's definition read afresh, and what its own host has against moving it. Raises libvirtError."""
    try:
        domain = connection.lookupByUUIDString(pair.vm)
        definition = parse_domain(domain.XMLDesc(0))
        state = domain.state()[0]
        busy = busy_words(read_job(domain)) if domain.isActive() else ""
    except libvirt.libvirtError as error:
        if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
            raise
        words = f"{pair.source} no longer has this VM."
        return None, [Reason(Code.VM_NOT_RUNNING, words, vm=pair.vm)]
    reasons = []
    if state not in (libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED):
        reasons.append(_reason(pair, Code.VM_NOT_RUNNING, f"{definition.name} is not running."))
    if busy or definition.busy:
        words = f"{definition.name} is held by {busy or definition.busy}."
        reasons.append(_reason(pair, Code.VM_BUSY, words, "Wait until it has ended."))
    for disk in definition.disks:
        known = pair.before
        if not disk.removable and not shared(
            disk, folders=shared_paths, pools=known.pools, mounts=known.mounts
        ):
            words = f"{definition.name}: disk {disk.source} is not known to be shared."
            mend = "Put it on shared storage, or declare its folder under shared_paths."
            reasons.append(_reason(pair, Code.VM_LOCAL_DISK, words, mend))
    return definition, reasons


def ask_target(connection: Any, pair: Pair, definition: Definition, cpu_kind: str) -> list[Reason]:
    """What the target has against this VM. `cpu_kind` is the domain type for the CPU's comparison."""
    return [
        *_versions(pair),
        *_networks(pair, definition),
        *_name(connection, pair, definition),
        *_machine_type(pair, definition),
        *_cpu(connection, pair, definition, cpu_kind),
    ]


def _reason(pair: Pair, code: Code, sentence: str, mend: str = "") -> Reason:
    return Reason(code, sentence, mend, host=pair.target_id, vm=pair.vm)


def _versions(pair: Pair) -> list[Reason]:
    """A stream of QEMU's may only go to the same or a newer feature release; micro versions do not matter."""
    found = []
    pairs: Mapping[str, tuple[int, int]] = {
        "libvirt": (pair.before.libvirt_version, pair.after.libvirt_version),
        "hypervisor": (pair.before.hypervisor_version, pair.after.hypervisor_version),
    }
    for what, (here, there) in pairs.items():
        if there // 1000 < here // 1000:
            newer = f"{version_text(here)} on {pair.source}"
            words = f"{pair.target} has {what} {version_text(there)}, older than {newer}."
            found.append(_reason(pair, Code.HOST_TOO_OLD, words, f"Update {pair.target} first."))
    return found


def _networks(pair: Pair, definition: Definition) -> list[Reason]:
    missing = sorted(set(definition.networks) - pair.after.networks)
    if not missing:
        return []
    words = f"{definition.name} needs {', '.join(missing)}, which {pair.target} does not have."
    return [_reason(pair, Code.TARGET_NETWORK, words, "Create it there, or start the network.")]


def _name(connection: Any, pair: Pair, definition: Definition) -> list[Reason]:
    try:
        other = connection.lookupByName(definition.name).UUIDString()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN:
            return []
        raise
    if other == pair.vm:
        return []
    words = f"{pair.target} has another VM called {definition.name} ({other})."
    return [_reason(pair, Code.TARGET_NAME_TAKEN, words, "Rename or remove one of the two.")]


def _machine_type(pair: Pair, definition: Definition) -> list[Reason]:
    known = pair.after.machine_types
    if not definition.machine or not known or definition.machine in known:
        return []
    words = f"{definition.name} is a {definition.machine}, which the QEMU of {pair.target} does not know."
    return [_reason(pair, Code.TARGET_MACHINE_TYPE, words)]


def _cpu(connection: Any, pair: Pair, definition: Definition, kind: str) -> list[Reason]:
    """libvirt compares what the guest needs with what the target's hypervisor can give."""
    if definition.cpu is None or not definition.cpu_xml:
        return []
    if definition.cpu.model in AS_IT_IS:
        if pair.before.cpu == pair.after.cpu:
            return []
        words = (
            f"{definition.name} sees the CPU of {pair.source} as it is, and {pair.target} has another one."
        )
        return [_reason(pair, Code.TARGET_CPU, words, "Give the VM a named CPU model that both have.")]
    try:
        # The emulator's path is left out: it may differ between the hosts.
        verdict = connection.compareHypervisorCPU(None, definition.arch, None, kind, definition.cpu_xml, 0)
    except libvirt.libvirtError as error:
        words = f"libvirt on {pair.target} could not compare CPUs: {error.get_error_message()}."
        return [_reason(pair, Code.TARGET_CPU, words)]
    if verdict in (libvirt.VIR_CPU_COMPARE_IDENTICAL, libvirt.VIR_CPU_COMPARE_SUPERSET):
        return []
    words = f"{pair.target} can't give {definition.name} the CPU that it has now ({definition.cpu.model})."
    return [_reason(pair, Code.TARGET_CPU, words)]
