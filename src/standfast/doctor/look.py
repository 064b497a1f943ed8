"""All that a case needs, asked of one cluster through its ports; what does not answer becomes a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace

from standfast.doctor.disks import shared_files
from standfast.doctor.judge import Case
from standfast.model.cluster import Host, Rules, Snapshot
from standfast.model.errors import StandfastError
from standfast.model.exam import Exam
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.plan import blockers
from standfast.plan.board import Board
from standfast.plan.unmovable import Unmovable
from standfast.ports import Outside

MOST_PAIRS = 400
"""How many pairs of a VM and a target the platform itself is asked about. Each VM is asked about with at
least one target; rules, memory, CPUs and networks are judged for all pairs without it."""


def look(
    outside: Outside,
    policy: Policy,
    rules: Callable[[Snapshot], Rules],
    executor: Executor,
    *,
    refresh: bool = True,
) -> Case:
    """Ask all hosts, many at once. Raises StandfastError only if the platform as a whole can't be asked."""
    snapshot, twins = _once_each(outside.platform.observe())
    looked = executor.map(lambda host: _looked_at(outside, host, refresh), snapshot.hosts)
    snapshot = replace(snapshot, hosts=tuple(looked))
    snapshot = replace(snapshot, rules=rules(snapshot))
    exams = _exams(outside, snapshot)
    return Case(
        snapshot=snapshot,
        exams=exams,
        policy=policy,
        objections=_objections(outside, snapshot, executor),
        twins=twins,
    )


def _once_each(snapshot: Snapshot) -> tuple[Snapshot, tuple[tuple[str, str, HostId], ...]]:
    """Hosts by their first name; what else they are called is said apart."""
    first: dict[HostId, Host] = {}
    twins = []
    for host in snapshot.hosts:
        other = first.setdefault(host.id, host)
        if other is not host:
            twins.append((other.name, host.name, host.id))
    return replace(snapshot, hosts=tuple(first.values())), tuple(twins)


def _looked_at(outside: Outside, host: Host, refresh: bool) -> Host:
    """The host with its facts and pending updates, by older lists where new ones can't be fetched."""
    if not host.reachable:
        return host
    try:
        facts = outside.work.look(host.id)
    except StandfastError as error:
        return replace(host, unreachable_why=str(error), unreachable_code=error.code)
    by = facts.cordoned_by
    host = replace(
        host,
        facts=facts,
        cordoned=host.cordoned or by is not None,
        cordoned_by=by if by is not None else host.cordoned_by,
    )
    for fresh in dict.fromkeys((refresh, False)):
        try:
            return replace(host, updates=outside.work.scan(host.id, refresh=fresh))
        except StandfastError as error:
            host = replace(host, unscanned_why=host.unscanned_why or str(error))
    return host


def _exams(outside: Outside, snapshot: Snapshot) -> dict[HostId, Exam]:
    hosts = [host.id for host in snapshot.hosts]
    return {exam.host: exam for exam in outside.examiner.examine(hosts, shared_files(snapshot))}


def _objections(
    outside: Outside, snapshot: Snapshot, executor: Executor
) -> dict[tuple[VmId, HostId], Sequence[Reason]]:
    """What the platform itself has against moves that nothing else speaks against."""
    board = Board.of(snapshot)
    pairs = _pairs(board)

    def ask(pair: tuple[VmId, HostId]) -> Sequence[Reason]:
        try:
            return outside.platform.check_move(*pair)
        except StandfastError as error:
            return (Reason(Code.UNCHECKED, str(error), host=pair[1], vm=pair[0]),)

    return dict(zip(pairs, executor.map(ask, pairs), strict=True))


def _pairs(board: Board) -> list[tuple[VmId, HostId]]:
    unmovable = Unmovable(board)
    able = [vm for vm in board.vms.values() if not unmovable.against(vm)]
    each = max(1, MOST_PAIRS // max(1, len(able)))
    pairs = []
    for vm in able:
        targets = (host for host in sorted(board.hosts) if blockers.allowed(board, vm, host))
        pairs += [(vm.id, host) for _, host in zip(range(each), targets, strict=False)]
    return pairs
