"""A machine of rules: tick, kill, every word, deeds by hand, faults in any order, judged after each step."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from run_drive import QUICK, RUN, Drive, open_drives

from standfast.model.errors import RefusedError
from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId, VmId
from standfast.model.run import MoveState, Phase, RunState, Verb
from standfast.model.units import MIB
from standfast.platforms.simulated import Deed, SimSpec
from standfast.run.verdicts import ABOUT_HOSTS

POLICY = replace(
    QUICK, move_timeout_floor_seconds=120.0, reboot_timeout_seconds=300.0, verify_timeout_seconds=60.0
)
HOSTS = st.integers(0, 3)
VMS = st.integers(0, 6)
SECONDS = st.sampled_from([10.0, 90.0, 600.0])
CALLS = st.sampled_from(["observe", "look", "begin", "cordon", "uncordon", "start_move", "move_outcome"])
WORK_FAULTS = ("fails", "half-way", "old kernel", "no return", "full", "read-only")
LAST_TICKS = 3_000


class Runs(RuleBasedStateMachine):
    """One run of four hosts and seven VMs."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.abandoned = False
        self.drive: Drive

    @initialize(seed=st.integers(0, 20), width=st.integers(1, 2))
    def begin(self, seed: int, width: int) -> None:
        place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        make = self.stack.enter_context(open_drives(place))
        policy = replace(POLICY, wave_hosts_max=width)
        self.drive = make(SimSpec(hosts=4, vms=7, seed=seed, controller=seed % 7), policy)
        self.drive.begin()

    def host(self, number: int) -> HostId:
        return list(self.drive.world.names)[number]

    def vm(self, number: int) -> VmId | None:
        with self.drive.world.open(write=False) as state:
            vms = list(state.vms)
        return vms[number % len(vms)] if vms else None

    # --- the controller ---

    @rule(times=st.integers(1, 12))
    def ticks(self, times: int) -> None:
        for _ in range(times):
            if not self.drive.tick():
                self.drive.world.clock.sleep(5.0)

    @rule()
    def killed(self) -> None:
        self.drive.start_controller()

    @rule(seconds=SECONDS)
    def nobody_drives(self, seconds: float) -> None:
        self.drive.world.clock.sleep(seconds)
        self.drive.start_controller()

    # --- operators ---

    @rule(verb=st.sampled_from([verb for verb in Verb if verb is not Verb.ABANDON]), host=HOSTS)
    def says(self, verb: Verb, host: int) -> None:
        try:
            self.drive.say(verb, self.host(host) if verb in ABOUT_HOSTS else None)
        except RefusedError:
            assert self.drive.run.ended

    @precondition(lambda self: self.drive.run.state is RunState.HELD)
    @rule()
    def gives_up(self) -> None:
        self.drive.say(Verb.ABANDON)
        self.abandoned = True

    # --- others ---

    @rule(deed=st.sampled_from(list(Deed)), host=HOSTS, vm=VMS)
    def by_hand(self, deed: Deed, host: int, vm: int) -> None:
        named = self.vm(vm)
        if deed is Deed.CORDON or named is not None:
            about = None if deed is Deed.CORDON else named
            self.drive.world.by_hand(deed, self.host(host), about, memory_bytes=320 * MIB)

    # --- what goes wrong ---

    @rule(host=HOSTS, back=st.sampled_from([None, 60.0]))
    def power_is_lost(self, host: int, back: float | None) -> None:
        self.drive.world.lose_power(self.host(host), back)

    @rule(host=HOSTS, seconds=SECONDS)
    def host_is_cut_off(self, host: int, seconds: float) -> None:
        self.drive.world.unreachable(self.host(host), seconds)

    @rule(one=HOSTS, other=HOSTS, seconds=SECONDS)
    def hosts_are_cut_off_from_each_other(self, one: int, other: int, seconds: float) -> None:
        if one != other:
            self.drive.world.cut_off(self.host(one), self.host(other), seconds)

    @rule(name=CALLS, times=st.integers(1, 3), after=st.booleans())
    def calls_fail(self, name: str, times: int, after: bool) -> None:
        self.drive.world.fail_call(name, times, when="after" if after else "before")

    @rule(vm=VMS, how=st.sampled_from(["fails", "stalls", "is late", "never converges"]))
    def moves_go_wrong(self, vm: int, how: str) -> None:
        world, named = self.drive.world, self.vm(vm)
        if named is None:
            return
        if how == "fails":
            world.fail_moves(1, vm=named)
        elif how == "never converges":
            world.never_converge(named)
        else:
            world.stall_moves(named, seconds=150.0 if how == "is late" else None)

    @rule(host=HOSTS, what=st.sampled_from(WORK_FAULTS))
    def work_goes_wrong(self, host: int, what: str) -> None:
        world, named = self.drive.world, self.host(host)
        if what == "fails":
            world.fail_work(named, WorkKind.PATCH)
        elif what == "half-way":
            world.stop_half_way(named)
        elif what == "old kernel":
            world.old_kernel(named)
        elif what == "no return":
            world.never_return(named)
        else:
            world.disk(named, full=what == "full", read_only=what == "read-only")

    @rule(down=st.booleans())
    def monitoring(self, down: bool) -> None:
        self.drive.world.monitoring(down=down)

    # --- what always holds ---

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert self.drive.world.violations == ()

    @invariant()
    def what_is_borrowed_is_on_record(self) -> None:
        run = self.drive.run
        on_record = {
            entry.host for entry in run.journal if entry.kind == "cordon" and entry.given_back_at is None
        }
        with self.drive.world.open(write=False) as state:
            for host, about in state.hosts.items():
                assert about.cordoned_by != RUN or host in on_record, f"{about.base.name}: an unknown cordon"
            orders = {vm.flight.order for vm in state.vms.values() if vm.flight is not None}
        assert orders - {None} <= {move.id for move in run.moves}

    @invariant()
    def a_held_run_says_why(self) -> None:
        run = self.drive.run
        assert run.state is not RunState.HELD or run.reason is not None
        assert all(row.reason is not None for row in run.hosts if row.phase == Phase.HELD)

    def teardown(self) -> None:
        """Mended and resumed, every run ends; what it borrowed is given back, or it was abandoned."""
        try:
            if hasattr(self, "drive"):
                self._end()
        finally:
            self.stack.close()

    def _end(self) -> None:
        drive = self.drive
        for number in range(LAST_TICKS):
            run = drive.run
            if run.ended:
                break
            if number % 100 == 0:
                self._mend()
            if run.state in (RunState.HELD, RunState.PAUSED) and number % 10 == 0:
                drive.say(Verb.RESUME if number < LAST_TICKS // 2 else Verb.CANCEL)
            if not drive.tick():
                drive.world.clock.sleep(5.0)
        assert drive.run.ended, drive.texts()[-2_000:]
        self.no_promise_is_broken()
        self.what_is_borrowed_is_on_record()
        open_moves = [move for move in drive.run.moves if move.state is MoveState.STARTED]
        if not self.abandoned:
            assert open_moves == []
            self._given_back()

    def _given_back(self) -> None:
        """All but the cordon of a host that was skipped after its patch, which is on record and told."""
        told = {entry.host for entry in self.drive.run.journal if entry.given_back_at is None}
        still = {self.drive.world.names[host] for host in told}
        for text in self.drive.world.not_given_back:
            assert "by somebody" in text or any(name in text for name in still), text

    def _mend(self) -> None:
        world = self.drive.world
        world.monitoring(down=False)
        for host in world.names:
            world.power_on(host)
            world.heal(host)
        with world.open() as state:
            for vm in state.vms.values():
                vm.never_converges = False
            for about in state.hosts.values():
                about.faults.stops_half_way = 0
                if about.cordoned_by != RUN:
                    about.cordoned_by = ""


TestRuns = Runs.TestCase
TestRuns.settings = settings(
    max_examples=3,
    stateful_step_count=15,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
