"""All checks over one case: what was seen, in; a verdict on every VM, every host and the cluster, out.

Pure. A host that can't be reached is said once: what follows from that is not said again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from standfast.doctor import disks, equal, hosts, vms, ways
from standfast.doctor.disks import Sight
from standfast.doctor.findings import Finding, Severity, found, worst
from standfast.doctor.vms import Movable, Objections
from standfast.model.cluster import Host, Snapshot, VmState
from standfast.model.exam import Exam
from standfast.model.ids import HostId, VmId
from standfast.model.moves import Prediction
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.plan.blackout import Darkness
from standfast.plan.board import Board
from standfast.plan.standing import broken_now


@dataclass(frozen=True, slots=True)
class Case:
    """All that was asked. `twins` are two names and the host that both lead to, of which the snapshot has the
    first."""

    snapshot: Snapshot
    exams: Mapping[HostId, Exam]
    policy: Policy = field(default_factory=Policy)
    objections: Objections = field(default_factory=dict)
    twins: tuple[tuple[str, str, HostId], ...] = ()
    offline: bool = False
    """A snapshot from a file: hosts were not asked, and what only they can say is left out."""


@dataclass(frozen=True, slots=True)
class HostVerdict:
    host: Host
    vms: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class VmVerdict:
    """`targets` are the hosts that could take it now; none where it can't move."""

    id: VmId
    name: str
    host: HostId
    state: VmState
    targets: tuple[HostId, ...]
    predicted: Prediction | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The one table."""

    cluster: str
    taken_at: float
    hosts: tuple[HostVerdict, ...]
    vms: tuple[VmVerdict, ...]
    whole: tuple[Finding, ...]
    """What is to be said of the cluster as a whole."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them: the cluster's, then hosts', then VMs'."""
        parts = (self.whole, *(host.findings for host in self.hosts), *(vm.findings for vm in self.vms))
        return tuple(finding for part in parts for finding in part)

    @property
    def worst(self) -> Severity | None:
        return worst(self.findings)


def judge(case: Case) -> Verdict:
    """The verdict. The same case gives the same one."""
    snapshot, exams = case.snapshot, case.exams
    board = Board.of(snapshot)
    sight, darkness = Sight(exams), Darkness(board, case.policy)
    troubled = {host.id for host in snapshot.hosts if _out(host, exams.get(host.id))}
    broken = ways.broken(exams, {host.name: host.id for host in snapshot.hosts}, troubled)
    closed = frozenset((way.source, way.target) for way in broken if way.code is not Code.UNCHECKED)
    reasons = [*_about_hosts(case, troubled), *ways.reasons(broken), *disks.differing(snapshot, sight)]
    reasons += equal.unequal(snapshot)
    whole: list[Reason] = []
    for reason in broken_now(board):
        (reasons if reason.vm is not None or reason.host is not None else whole).append(reason)
    whole += _twins(case)
    about_vms: list[tuple[Movable, list[Reason]]] = []
    for vm in board.vms.values():
        seen = vms.movable(
            board, vm, darkness=darkness, sight=sight, closed=closed, objections=case.objections
        )
        about_vms.append((seen, [*seen.reasons, *vms.twice(vm, snapshot.leftovers, board)]))
    return _verdict(case, board, reasons, about_vms, whole)


def _out(host: Host, exam: Exam | None) -> bool:
    """No way from or to this host is spoken of: it has trouble enough."""
    return not host.reachable or (exam is not None and (bool(exam.silent) or exam.uid != 0))


def _about_hosts(case: Case, troubled: set[HostId]) -> Iterator[Reason]:
    snapshot = case.snapshot
    declared = any(host.migration_address for host in snapshot.hosts)
    for host in snapshot.hosts:
        exam = case.exams.get(host.id)
        if (not case.offline or not host.reachable) and (exam is None or exam.uid == 0):
            yield from hosts.access(host, exam)
        if exam is not None and not exam.silent:
            yield from hosts.examined(exam, case.policy)
            if host.id not in troubled:
                yield from hosts.address(host, exam, declared_by_others=declared)
        if host.id in troubled:
            continue
        yield from hosts.held_by_others(host)
        yield from hosts.failed_units(host)
        if host.updates is not None or not case.offline:
            yield from hosts.scanned(host)


def _twins(case: Case) -> Iterator[Reason]:
    for first, second, host in case.twins:
        yield Reason(
            Code.HOST_DUPLICATE,
            f"{first} and {second} are one host (UUID {host}).",
            "Give each host once. Two machines need a `host_uuid` of their own in libvirtd.conf.",
            host=host,
        )


def _verdict(
    case: Case,
    board: Board,
    reasons: list[Reason],
    about_vms: list[tuple[Movable, list[Reason]]],
    whole: list[Reason],
) -> Verdict:
    accepted = case.policy.accepted_findings
    by_vm: dict[VmId, list[Reason]] = {seen.vm.id: said for seen, said in about_vms}
    by_host: dict[HostId, list[Reason]] = {host: [] for host in board.hosts}
    for reason in reasons:
        if reason.vm in by_vm and reason.code is not Code.NO_RESERVE:
            by_vm[reason.vm].append(reason)
        elif reason.host in by_host and reason.code is not Code.NO_RESERVE:
            by_host[reason.host].append(reason)
        else:
            whole.append(reason)
    ordered = sorted(board.hosts.values(), key=lambda host: (host.name, host.id))
    return Verdict(
        case.snapshot.cluster,
        case.snapshot.taken_at,
        tuple(
            HostVerdict(host, len(board.residents[host.id]), found(by_host[host.id], accepted))
            for host in ordered
        ),
        tuple(
            VmVerdict(
                seen.vm.id,
                seen.vm.name,
                seen.vm.host,
                seen.vm.state,
                seen.targets,
                seen.predicted,
                found(by_vm[seen.vm.id], accepted),
            )
            for seen, _ in sorted(about_vms, key=lambda pair: (pair[0].vm.name, pair[0].vm.id))
        ),
        found(whole, accepted),
    )
