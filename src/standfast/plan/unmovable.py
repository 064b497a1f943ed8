"""VMs that stay on their host: what was said about each beforehand, and what that makes of the host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace

from standfast.model.cluster import Host, Vm
from standfast.model.ids import HostId, VmId
from standfast.model.plan import HostStep
from standfast.model.reasons import Code, Reason
from standfast.model.unmovable import COVERED, Handling, PlannedStop, Said, is_controller, not_covered
from standfast.plan import blockers
from standfast.plan.board import Board
from standfast.predict import spans


@dataclass(frozen=True, slots=True)
class Unmovable:
    """Why VMs of one cluster can't be moved, and what was said about them."""

    board: Board
    said: Mapping[VmId, Said] = field(default_factory=dict)

    def refusals(self, host: Host) -> Iterator[Reason]:
        """Why the host can't be emptied; nothing said beforehand is an answer to these.

        A job that holds a VM now (a backup, a move) ends; the run waits for it, so the plan only warns.
        """
        for vm in self.board.on(host.id):
            found, answer = self.against(vm), self.said.get(vm.id)
            if answer is None:
                yield from (_with_a_way_out(vm, reason) for reason in found)
            elif answer.handling is Handling.HOLD:
                yield from (reason for reason in found if reason.code not in COVERED)
            elif found and answer.handling.consents and vm.id == self.board.rules.controller:
                yield is_controller(vm)
            elif found and (first := not_covered(vm, found)) is not None:
                yield first

    def skips(self, host: Host) -> Reason | None:
        """Why the host is left alone, where that was said beforehand."""
        for vm in self.board.on(host.id) if self.said else ():
            answer = self.said.get(vm.id)
            if answer is None or answer.handling is not Handling.SKIP:
                continue
            if found := self.against(vm):
                words = f"{host.name} is skipped, as {answer.by} said ({answer.where}): {found[0].sentence}"
                return replace(found[0], sentence=words)
        return None

    def stops(self, host: HostId) -> tuple[PlannedStop, ...]:
        """VMs that stay on the host: shut down around its reboot, or what the run holds for."""
        if not self.said:
            return ()
        answered = ((vm, self.said.get(vm.id)) for vm in self.board.on(host))
        return tuple(
            PlannedStop(vm.id, vm.name, reasons[0], answer)
            for vm, answer in answered
            if answer is not None and answer.handling is not Handling.SKIP and (reasons := self.against(vm))
        )

    def against(self, vm: Vm) -> tuple[Reason, ...]:
        """Why the VM can't be moved at all, by itself or by its pin, jobs that end left out."""
        reasons = tuple(reason for reason in blockers.of_vm(vm) if reason.code is not Code.VM_BUSY)
        pin = self.board.pins.get(vm.id)
        if pin is None:
            return reasons
        return reasons + pinned_here(vm, pin, self.board.hosts.keys(), self.board.name(vm.host))


def pinned_here(
    vm: Vm, pin: frozenset[HostId] | None, hosts: Set[HostId], host_name: str
) -> tuple[Reason, ...]:
    """A pin that allows the VM no other of `hosts` than its own, of that name; empty without one."""
    if pin is None or pin & hosts - {vm.host}:
        return ()
    words = f"A pin keeps {vm.name} on {host_name} alone."
    mend = f"Add another host to the pin of {vm.name}."
    return (Reason(Code.VM_PINNED, words, mend, host=vm.host, vm=vm.id),)


def _with_a_way_out(vm: Vm, reason: Reason) -> Reason:
    if reason.code not in COVERED:
        return reason
    way = f"Or say beforehand what shall be done: --unmovable {vm.name}=skip, hold or consent."
    return replace(reason, mend=f"{reason.mend} {way}")


def with_spans(step: HostStep) -> HostStep:
    """The step with the time that its shutdowns and starts take, and how long each VM will be off."""
    consented = [stop for stop in step.stops if stop.said.handling.consents]
    if not consented:
        return step
    by_itself = step.patch_seconds + step.reboot_seconds
    off = by_itself + step.verify_seconds + spans.START_SECONDS
    off_p95 = spans.P95_FACTOR * (by_itself + spans.START_SECONDS) + step.verify_seconds
    return replace(
        step,
        drain_seconds=step.drain_seconds + spans.SHUTDOWN_SECONDS,
        p95_seconds=step.p95_seconds + spans.P95_FACTOR * (spans.SHUTDOWN_SECONDS + spans.START_SECONDS),
        verify_seconds=step.verify_seconds + spans.START_SECONDS,
        stops=tuple(_with_off(stop, off, off_p95) for stop in step.stops),
    )


def _with_off(stop: PlannedStop, off: float, off_p95: float) -> PlannedStop:
    if not stop.said.handling.consents:
        return stop
    return replace(stop, off_seconds=off, off_p95_seconds=off_p95)


def shut_down_in(steps: Iterable[HostStep]) -> tuple[PlannedStop, ...]:
    """All VMs that a plan shuts down."""
    return tuple(stop for step in steps for stop in step.stops if stop.said.handling.consents)
