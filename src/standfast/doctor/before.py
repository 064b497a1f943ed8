"""The doctor's word right before one host is worked on: what holds it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from standfast.doctor import hosts, ways
from standfast.doctor.findings import ERROR, found
from standfast.model.exam import Exam
from standfast.model.ids import HostId
from standfast.model.policy import Policy
from standfast.model.reasons import Reason


def holding(
    exam: Exam, ids: Mapping[str, HostId], targets: Collection[HostId], policy: Policy
) -> tuple[Reason, ...]:
    """Errors of this exam alone. `targets` are the hosts that its VMs are to go to: a way to one that none of
    them needs holds nobody. `ids` are all hosts by name."""
    needed = {name: host for name, host in ids.items() if host in targets}
    reasons = [*hosts.examined(exam, policy), *ways.reasons(ways.broken({exam.host: exam}, needed))]
    return tuple(
        finding.reason for finding in found(reasons, policy.accepted_findings) if finding.severity is ERROR
    )
