"""Which hosts a run is for: those to be done, those left alone, and those refused, each with its reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from standfast.model.cluster import Host
from standfast.model.ids import HostId
from standfast.model.plan import LeftAlone
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.units import size
from standfast.plan.blackout import Darkness
from standfast.plan.reboots import has_work
from standfast.plan.unmovable import Unmovable


@dataclass(frozen=True, slots=True)
class Triage:
    """`ready` may be done; `compliant` have nothing to do; `refused` should be done and can't."""

    ready: tuple[HostId, ...]
    compliant: frozenset[HostId]
    left_alone: tuple[LeftAlone, ...]
    refusals: tuple[Reason, ...]

    @property
    def refused(self) -> frozenset[HostId]:
        return frozenset(reason.host for reason in self.refusals if reason.host is not None)


def triage(
    unmovable: Unmovable, policy: Policy, *, only: frozenset[HostId] | None, exclude: frozenset[HostId]
) -> Triage:
    """Sort the hosts, in the order of their names.

    A host that the operator leaves out is not examined: what is wrong with it is no reason against the rest.
    """
    ready: list[HostId] = []
    compliant: set[HostId] = set()
    alone: list[LeftAlone] = []
    refusals: list[Reason] = []
    board = unmovable.board
    darkness = Darkness(board, policy)
    for host in sorted(board.hosts.values(), key=lambda host: (host.name, host.id)):
        chosen = (only is None or host.id in only) and host.id not in exclude
        scanned = host.reachable and host.updates is not None and not host.updates.interrupted
        if scanned and not has_work(host, policy):
            compliant.add(host.id)
            alone.append(LeftAlone(host.id, host.name, None))
        elif not chosen:
            alone.append(LeftAlone(host.id, host.name, _left_out(host)))
        elif (skipped := unmovable.skips(host)) is not None:
            alone.append(LeftAlone(host.id, host.name, skipped))
        elif reasons := tuple(_against(unmovable, host, darkness)):
            refusals.extend(reasons)
            alone.append(LeftAlone(host.id, host.name, reasons[0]))
        else:
            ready.append(host.id)
    return Triage(tuple(ready), frozenset(compliant), tuple(alone), tuple(refusals))


def _left_out(host: Host) -> Reason:
    return Reason(Code.OPERATOR, f"{host.name} was left out on request.", host=host.id)


def _against(unmovable: Unmovable, host: Host, darkness: Darkness) -> Iterator[Reason]:
    if not host.reachable or host.facts is None:
        yield _no_answer(host)
        return
    if host.updates is None:
        yield not_scanned(host)
    else:
        yield from packages_of(host)
    if host.cordoned:
        yield cordoned(host)
    yield from unmovable.refusals(host)
    stays = {stop.vm for stop in unmovable.stops(host.id)}
    for vm in unmovable.board.on(host.id):
        if vm.id not in stays and (too_dark := darkness.refusal(vm)):
            yield too_dark


def cordoned(host: Host) -> Reason:
    """A cordon that is up, and how it goes: no run may end what another one has begun."""
    return Reason(
        Code.HOST_CORDONED_BY_OTHER,
        f"{host.name} is cordoned by {host.cordoned_by or 'somebody'}.",
        f"Wait for that work to end; `standfast host return {host.name}` takes away what a run has left.",
        host=host.id,
    )


def not_scanned(host: Host) -> Reason:
    """What is pending there is not known."""
    why = _because(host, host.unscanned_why)
    words = f"{host.name} {'could not be' if why else 'was not'} scanned for updates{why}."
    return Reason(Code.HOST_NOT_SCANNED, words, "Mend that, or leave it out.", host=host.id)


def _no_answer(host: Host) -> Reason:
    """Why nothing can be done to a host that can't be asked, or not all that has to be asked of it."""
    why = _because(host, host.unreachable_why)
    if host.unreachable_code == "host_too_old":
        words = f"{host.name} can't be used{why}."
        return Reason(Code.HOST_TOO_OLD, words, f"Upgrade {host.name} or leave it out.", host=host.id)
    what = "itself did not answer" if host.reachable else "can't be reached"
    mend = f"Bring {host.name} back or leave it out."
    return Reason(Code.HOST_UNREACHABLE, f"{host.name} {what}{why}.", mend, host=host.id)


def _because(host: Host, why: str) -> str:
    """The error behind it in brackets, without the host's name a second time."""
    return f" ({why.removeprefix(f'{host.name}: ').rstrip('.')})" if why else ""


def packages_of(host: Host) -> Iterator[Reason]:
    """What the package manager's own state has against updates; nothing where the host was not scanned."""
    updates = host.updates
    if updates is None:
        return
    if updates.interrupted:
        yield Reason(
            Code.HOST_PACKAGES_BROKEN,
            f"The package manager of {host.name} was interrupted: {updates.interrupted.rstrip('.')}.",
            f"Run `dpkg --configure -a` on {host.name}, then plan again.",
            host=host.id,
        )
    free, needed = updates.free_disk_bytes, updates.needed_disk_bytes
    if free is not None and needed is not None and free < needed:
        yield Reason(
            Code.HOST_DISK_FULL,
            f"{host.name} has {size(free)} of disk free, and the updates need {size(needed)}.",
            f"Free disk space on {host.name}.",
            host=host.id,
        )
