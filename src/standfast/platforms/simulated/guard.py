"""What a host itself does and refuses: units, epochs, cordons. The real hosts do the same."""

from __future__ import annotations

from collections.abc import Sequence

from standfast.model.errors import OutsideError, WorkRefusedError
from standfast.model.exam import Exam, SeenFile, Way
from standfast.model.hostwork import Health, HostFacts, UpdateState, WorkKind, WorkOrder, WorkPhase, WorkState
from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated import judge
from standfast.platforms.simulated.state import SimHost, SimWork, State

SHUTDOWN_SECONDS = 1.0
"""From the reboot's order until the host is gone."""


def check_epoch(host: SimHost, epoch: int) -> None:
    """Remember a higher epoch; refuse a lower one. Raises WorkRefusedError, and OutsideError where the host
    can't write anything down."""
    if host.faults.read_only:
        raise OutsideError("read_only", "Read-only file system", where=host.base.name)
    if epoch < host.epoch:
        raise WorkRefusedError(
            "stale_epoch",
            f"epoch {epoch} is stale",
            where=host.base.name,
            why=f"the host has seen epoch {host.epoch}",
        )
    host.epoch = epoch


def begin(state: State, order: WorkOrder) -> None:
    """Start a unit. A name that was seen before raises WorkRefusedError, and nothing else happens.

    A refusal of the guard inside the unit is no exception but a unit that ended with REFUSED, as on a real
    host, where the call that starts a unit has returned by then.
    """
    host = state.hosts[order.host]
    if host.faults.read_only:
        raise OutsideError("read_only", "Read-only file system", where=host.base.name)
    if order.unit in host.works:
        raise WorkRefusedError("unit_exists", f"unit {order.unit} was begun before", where=host.base.name)
    work = SimWork(order.unit, order.kind, WorkPhase.RUNNING, host.boot_id, state.now)
    work.security_only = order.security_only
    host.works[order.unit] = work
    refusal = _refusal(state, host, order)
    host.epoch = max(host.epoch, order.epoch)
    if refusal:
        work.phase, work.detail, work.exit_code = WorkPhase.REFUSED, refusal, 75
        state.note(f"{order.kind} on {host.base.name} refused: {refusal}")
        return
    left = host.faults.fail_work.get(order.kind, 0)
    if host.faults.disk_full and order.kind is not WorkKind.REBOOT:
        work.fails, work.detail = True, "E: You don't have enough free space"
    elif host.faults.stops_half_way > 0 and order.kind is WorkKind.PATCH:
        work.fails, work.detail = True, "E: dpkg was interrupted"
    elif left > 0:
        host.faults.fail_work[order.kind], work.fails = left - 1, True
    state.note(f"{order.kind} on {host.base.name} begins")
    if order.kind is WorkKind.STAGE:
        work.ends_at = state.now + host.stage_seconds
    elif order.kind is WorkKind.PATCH:
        work.ends_at = state.now + host.patch_seconds
        judge.patch_began(state, order.host)
    elif work.fails:
        work.ends_at = state.now + SHUTDOWN_SECONDS
    else:
        host.down_at = state.now + SHUTDOWN_SECONDS


def _refusal(state: State, host: SimHost, order: WorkOrder) -> str:
    if host.faults.guard_off:
        return ""
    if order.epoch < host.epoch:
        return f"epoch {order.epoch} is stale, the host has seen {host.epoch}"
    if order.kind is WorkKind.STAGE:
        return ""
    busy = [
        work.unit
        for work in host.works.values()
        if work.phase is WorkPhase.RUNNING and work.unit != order.unit
    ]
    if busy:
        return f"{', '.join(busy)} is running"
    if not host.hypervisor_up:
        return "the hypervisor does not answer, so nobody knows whether VMs run here"
    names = sorted(vm.base.name for vm in state.active(order.host))
    return f"{len(names)} active VMs: {', '.join(names)}" if names else ""


def cordon(state: State, host: HostId, run: str, epoch: int, admit: frozenset[VmId] = frozenset()) -> None:
    """Raises WorkRefusedError where another run, or somebody, has cordoned the host."""
    about = state.hosts[host]
    check_epoch(about, epoch)
    if about.cordoned_by and about.cordoned_by != run:
        raise WorkRefusedError("cordon_of_other", f"cordoned by {about.cordoned_by}", where=about.base.name)
    if not about.cordoned_by:
        state.note(f"{about.base.name} is cordoned")
    about.cordoned_by, about.admitted = run, sorted(admit)


def uncordon(state: State, host: HostId, run: str, epoch: int) -> None:
    """Raises WorkRefusedError where the cordon is another's; it stays."""
    about = state.hosts[host]
    check_epoch(about, epoch)
    if about.cordoned_by and about.cordoned_by != run:
        raise WorkRefusedError("cordon_of_other", f"cordoned by {about.cordoned_by}", where=about.base.name)
    if about.cordoned_by:
        state.note(f"{about.base.name} is uncordoned")
    about.cordoned_by, about.admitted = "", []


def facts(state: State, host: SimHost) -> HostFacts:
    """A quick look."""
    return HostFacts(
        boot_id=host.boot_id,
        uptime_seconds=state.now - host.booted_at,
        epoch=host.epoch,
        system_state="degraded" if host.failed_units else "running",
        failed_units=tuple(host.failed_units),
        kernel=f"6.1.0-{host.boots}-amd64",
        works=tuple(_work(work) for work in host.works.values()),
        hypervisor_up=host.hypervisor_up,
        active_vms=len(state.active(host.base.id)) if host.hypervisor_up else None,
        clock_unix_seconds=state.now + host.faults.clock_skew_seconds,
    )


def _work(work: SimWork) -> WorkState:
    return WorkState(
        unit=work.unit,
        phase=work.phase,
        boot_id=work.boot_id,
        exit_code=work.exit_code,
        detail=work.detail,
        versions_before=work.versions_before,
        versions_after=work.versions_after,
    )


def scan(state: State, host: SimHost) -> UpdateState:
    """What is pending."""
    return UpdateState(
        taken_at=state.now,
        boot_id=host.boot_id,
        pending=host.pending,
        reboot_signs=host.reboot_signs,
        held_back=host.held_back,
        interrupted=host.interrupted,
        free_disk_bytes=0 if host.faults.disk_full else host.free_disk_bytes,
        needed_disk_bytes=host.needed_disk_bytes,
    )


def health(host: SimHost) -> Health:
    """A closer look."""
    return Health(
        boot_id=host.boot_id,
        hypervisor_up=host.hypervisor_up,
        links_up=frozenset(host.links),
        mounts=frozenset(host.mounts),
        networks=host.base.networks,
        failed_units=frozenset(host.failed_units),
        clock_skew_seconds=host.faults.clock_skew_seconds,
    )


def exam(state: State, host: HostId, files: Sequence[str]) -> Exam:
    """What it says before work: its clock, its files, and its ways to the others."""
    about = state.hosts[host]
    name = about.base.name
    if not state.reachable(host):
        return Exam(host, name, silent=f"{name}: no answer.", silent_code="unreachable")
    return Exam(
        host,
        name,
        taken_at=state.now,
        user="root",
        clock_skew_seconds=about.faults.clock_skew_seconds,
        files=tuple(SeenFile(path, number) for number, path in enumerate(files)),
        ways=tuple(_way(state, host, other) for other in state.hosts if other != host),
    )


def _way(state: State, host: HostId, target: HostId) -> Way:
    name = state.host_name(target)
    if not state.reachable(target):
        return Way(name, control="no answer", untried="no answer")
    if state.cut(host, target):
        return Way(name, control="no route to host", untried="no route to host")
    return Way(name, answered=target, open_ports=(49152,))
