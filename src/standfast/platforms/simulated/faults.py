"""What a test or a rehearsal may let go wrong."""

from __future__ import annotations

from typing import Literal

from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId, VmId
from standfast.platforms.simulated import motion
from standfast.platforms.simulated.held import Held
from standfast.platforms.simulated.state import ByHand, CallFault, Deed


class Faults:
    """Faults of one world. Hosts and VMs are named by UUID; times are seconds from now unless said."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def fail_moves(
        self,
        times: int = 1,
        *,
        vm: VmId | None = None,
        source: HostId | None = None,
        target: HostId | None = None,
    ) -> None:
        """The next moves of that VM, out of that host or into it fail at the end of their first round."""
        with self._held.open() as state:
            if vm is not None:
                state.vms[vm].fail_moves += times
            if source is not None:
                state.hosts[source].faults.fail_moves_out += times
            if target is not None:
                state.hosts[target].faults.fail_moves_in += times

    def stall_moves(self, vm: VmId, times: int = 1, *, seconds: float | None = None) -> None:
        """The next moves of that VM copy nothing: for that long, or until they are cancelled."""
        with self._held.open() as state:
            state.vms[vm].stall_moves += times
            state.vms[vm].stall_seconds = seconds

    def never_converge(self, vm: VmId, never: bool = True) -> None:
        """The VM writes twice as fast as its link copies, whatever the link."""
        with self._held.open() as state:
            state.vms[vm].never_converges = never

    def agree(self, vm: VmId, *, forced: bool = False) -> None:
        """The VM's owner agrees to a shutdown around its host's reboot, and with `forced` to a power cut."""
        with self._held.open() as state:
            state.vms[vm].may_stop = "forced" if forced else "clean"

    def shutdown_takes(self, vm: VmId, seconds: float | None) -> None:
        """From now on the guest's shutdowns take that long; None: it doesn't heed them."""
        with self._held.open() as state:
            about = state.vms[vm]
            about.never_shuts_down = seconds is None
            about.shutdown_seconds = about.shutdown_seconds if seconds is None else seconds

    def fail_starts(self, vm: VmId, times: int = 1) -> None:
        """The next starts of the VM fail."""
        with self._held.open() as state:
            state.vms[vm].fail_starts = times

    def fail_work(self, host: HostId, kind: WorkKind, times: int = 1) -> None:
        """The next units of that kind fail at their end; a failed reboot leaves the host up."""
        with self._held.open() as state:
            work = state.hosts[host].faults.fail_work
            work[kind] = work.get(kind, 0) + times

    def never_return(self, host: HostId) -> None:
        """The next reboot ends in nothing."""
        with self._held.open() as state:
            state.hosts[host].faults.never_returns = True

    def power_on(self, host: HostId) -> None:
        """Somebody brings a host back that did not return."""
        with self._held.open() as state:
            about = state.hosts[host]
            about.faults.never_returns = False
            if not about.up and about.back_at is None:
                about.back_at = state.now + about.boot_seconds

    def lose_power(self, host: HostId, back_after: float | None = None) -> None:
        """The host is off at once and comes back after so many seconds, or not at all. Its VMs are lost."""
        with self._held.open() as state:
            motion.dies(state, state.hosts[host], back_after)

    def old_kernel(self, host: HostId, times: int = 1) -> None:
        """The next boots are of the kernel that ran before, so that a reboot is still due."""
        with self._held.open() as state:
            state.hosts[host].faults.old_kernel = times

    def stop_half_way(self, host: HostId, times: int = 1) -> None:
        """The next installations end in the middle and leave the package manager interrupted."""
        with self._held.open() as state:
            state.hosts[host].faults.stops_half_way = times

    def disk(self, host: HostId, *, full: bool = False, read_only: bool = False) -> None:
        """The host's own disk has no room for packages, or lets nothing be written; False: it is well."""
        with self._held.open() as state:
            faults = state.hosts[host].faults
            faults.disk_full, faults.read_only = full, read_only

    def cut_off(self, host: HostId, other: HostId, seconds: float) -> None:
        """These two can't reach each other for that long: moves between them stand still."""
        with self._held.open() as state:
            state.hosts[host].faults.cut_off_from.append((other, state.now, state.now + seconds))

    def keep_boot(self, host: HostId) -> None:
        """After the next reboot the host answers with its old boot id."""
        with self._held.open() as state:
            state.hosts[host].faults.keeps_boot = True

    def boot_takes(self, host: HostId, seconds: float) -> None:
        """From now on the host's boots take that long."""
        with self._held.open() as state:
            state.hosts[host].boot_seconds = seconds

    def unreachable(self, host: HostId, seconds: float, *, after: float = 0.0) -> None:
        """Nobody can ask the host for that long, beginning `after` seconds from now. Its VMs go on."""
        with self._held.open() as state:
            begin = state.now + after
            state.hosts[host].faults.unreachable.append((begin, begin + seconds))

    def unhealthy_after_boot(
        self, host: HostId, *, link: str = "", mount: str = "", unit: str = "", hypervisor: bool = False
    ) -> None:
        """After the next boots a link or a mount is missing, a unit has failed, or the hypervisor is down."""
        with self._held.open() as state:
            faults = state.hosts[host].faults
            faults.lose_links += [link] if link else []
            faults.lose_mounts += [mount] if mount else []
            faults.fail_units += [unit] if unit else []
            faults.hypervisor_stays_down = faults.hypervisor_stays_down or hypervisor

    def heal(self, host: HostId) -> None:
        """Somebody mends what was missing after a boot."""
        with self._held.open() as state:
            about = state.hosts[host]
            about.links = list(dict.fromkeys([*about.links, *about.faults.lose_links]))
            about.mounts = list(dict.fromkeys([*about.mounts, *about.faults.lose_mounts]))
            about.failed_units, about.hypervisor_up = [], True
            about.faults.lose_links, about.faults.lose_mounts = [], []
            about.faults.fail_units, about.faults.hypervisor_stays_down = [], False
            about.faults.disk_full = about.faults.read_only = False
            about.faults.cut_off_from, about.faults.old_kernel, about.interrupted = [], 0, ""

    def skew_clock(self, host: HostId, seconds: float) -> None:
        """The host's clock is off by that much."""
        with self._held.open() as state:
            state.hosts[host].faults.clock_skew_seconds = seconds

    def guard_off(self, host: HostId) -> None:
        """The host refuses nothing any more: only to try the world's own record."""
        with self._held.open() as state:
            state.hosts[host].faults.guard_off = True

    def monitoring(self, *, down: bool | None = None, firing: tuple[str, ...] | None = None) -> None:
        """Monitoring does not answer, or does again; these alerts fire from now on, and no others."""
        with self._held.open() as state:
            if down is not None:
                state.monitoring.down = down
            if firing is not None:
                state.monitoring.firing = list(firing)

    def fail_call(
        self,
        name: str,
        times: int = 1,
        *,
        when: Literal["before", "after"] = "before",
        host: HostId | None = None,
    ) -> None:
        """The next calls of that name (of `ports.py`) raise UnreachableError before or after they act.

        With `host`, only calls about that host; a move is about its source.
        """
        with self._held.open() as state:
            state.call_faults.append(CallFault(name, times, after=when == "after", host=host))

    def by_hand(
        self,
        deed: Deed | str,
        host: HostId,
        vm: VmId | None = None,
        *,
        after: float = 0.0,
        forced: bool = False,
        memory_bytes: int = 0,
    ) -> None:
        """Somebody else moves the VM to `host`, starts it there, stops, resizes or deletes it, or cordons
        the host.

        A cordon refuses moves and starts by hand too, unless `forced` goes past it.
        """
        with self._held.open() as state:
            state.by_hand.append(ByHand(state.now + after, Deed(deed), host, vm, forced, memory_bytes))

    def remove_cordon(self, host: HostId) -> None:
        """Somebody takes the cordon away by hand, whoever's it is, as after a run was abandoned."""
        with self._held.open() as state:
            about = state.hosts[host]
            about.cordoned_by = ""
            state.note(f"{about.base.name} is uncordoned by hand")

    def forget_orders(self) -> None:
        """The platform no longer knows any order, as after the death of the process that gave them."""
        with self._held.open() as state:
            state.orders.clear()
