"""One seed's world and what goes wrong in it: cluster, policy, faults, deeds by hand, words, deaths."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from standfast.model.hostwork import WorkKind
from standfast.model.ids import HostId, VmId
from standfast.model.policy import Policy
from standfast.model.run import Verb
from standfast.model.units import GIB, MIB
from standfast.platforms.simulated import Deed, SimSpec, SimWorld
from standfast.run.verdicts import ABOUT_HOSTS

HORIZON_SECONDS = 1_500.0
"""Over which faults and words are strewn: about as long as a run takes."""
CALLS = (
    *("observe", "look", "scan", "health", "begin", "cordon", "uncordon"),
    *("start_move", "move_outcome", "cancel_move", "give_back"),
    *("find_silence", "keep_silence", "lift_silence"),
)


@dataclass(frozen=True, slots=True)
class Mishap:
    """Something that goes wrong. `transient`: the run has to complete all the same, without an operator."""

    text: str
    strike: Callable[[SimWorld], None]
    transient: bool = True
    at: float = 0.0
    """Seconds after the begin of the run."""


@dataclass(frozen=True, slots=True)
class Word:
    """An operator says `verb` at that time, of the host of that number where the verb names one."""

    verb: Verb
    at: float
    host: int | None = None


class Trouble(StrEnum):
    """What may befall the controller itself."""

    ABSENT = "the controller is dead"
    LOCKED = "the store can't be used"
    JUMP = "the controller's clock is set"
    DOWNGRADE = "an older release takes over"
    DAMAGE = "the store is damaged"
    RESTORE = "an older copy of the store is put back"


@dataclass(frozen=True, slots=True)
class OwnTrouble:
    """Of the controller: for `seconds`, or by so many (the clock), or so many ago (the copy)."""

    what: Trouble
    at: float
    seconds: float

    @property
    def transient(self) -> bool:
        """The run has to complete all the same, without an operator."""
        if self.what is Trouble.JUMP:  # set forward while no controller lives, it is time that has passed
            return self.seconds <= 60.0
        return self.what in (Trouble.ABSENT, Trouble.LOCKED) and self.seconds <= 300.0


@dataclass(frozen=True)
class Scenario:
    """All that a seed decides."""

    seed: int
    spec: SimSpec
    policy: Policy
    mishaps: tuple[Mishap, ...]
    words: tuple[Word, ...]
    own: tuple[OwnTrouble, ...]
    death_chance: float
    """Chance to die at each commit and at each side of each outward call."""
    most_deaths: int

    @property
    def must_complete(self) -> bool:
        """Nothing but what passes goes wrong, and nobody ends the run."""
        ends = {Verb.CANCEL, Verb.ABANDON, Verb.SKIP}
        passes = all(one.transient for one in self.mishaps) and all(one.transient for one in self.own)
        return passes and not any(word.verb in ends for word in self.words)


def scenario(seed: int) -> Scenario:
    """The scenario of a seed; the same one each time."""
    chance = random.Random(seed)
    spec = _spec(chance, seed)
    makers = [_MISHAPS[chance.randrange(len(_MISHAPS))] for _ in range(chance.choice((0, 1, 1, 2, 3, 5)))]
    return Scenario(
        seed,
        spec,
        _policy(chance),
        tuple(make(chance, spec) for make in makers),
        _words(chance),
        _own(chance),
        death_chance=chance.choice((0.0, 0.01, 0.03, 0.1, 0.3)),
        most_deaths=chance.choice((1, 3, 10, 60)),
    )


def _spec(chance: random.Random, seed: int) -> SimSpec:
    hosts = chance.randint(3, 6)
    vms = chance.randint(0, hosts * 4)
    free = list(range(vms))
    chance.shuffle(free)
    groups = []
    while len(free) > 3 and chance.random() < 0.4:
        groups.append(
            tuple(free.pop() for _ in range(chance.randint(2, min(3, hosts - 2) if hosts > 4 else 2)))
        )
    slow = chance.random() < 0.3
    return SimSpec(
        hosts=hosts,
        vms=vms,
        # Two guests that share a slow link have to be quiet enough for it: convergence is tried by mishaps.
        dirty_bytes_per_second=(0.1 * MIB, 1.5 * MIB) if slow else (0.5 * MIB, 8 * MIB),
        host_memory_bytes=chance.choice((3, 4, 8)) * GIB,
        seed=seed,
        boot_seconds=chance.choice((10.0, 45.0, 200.0)),
        patch_seconds=chance.choice((5.0, 20.0, 90.0)),
        link_bits_per_second=100_000_000 if slow else 1_000_000_000,
        anti_affinity=tuple(groups),
        compliant=tuple(host for host in range(hosts) if chance.random() < 0.1),
        controller=chance.randrange(vms) if vms and chance.random() < 0.4 else None,
        settings=(("balancer", "on", "off"),) if chance.random() < 0.3 else (),
    )


def _policy(chance: random.Random) -> Policy:
    return Policy(
        tick_seconds=chance.choice((2.0, 5.0)),
        verify_stable_seconds=chance.choice((0.0, 5.0, 60.0)),
        wave_hosts_max=chance.choice((1, 2, 3)),
        canary_hosts=chance.choice((0, 1)),
        canary_soak_seconds=chance.choice((0.0, 30.0)),
        auto_converge=chance.random() < 0.3,
        # Hours of a simulated night are not what is tried here.
        move_timeout_floor_seconds=120.0,
        reboot_timeout_seconds=900.0,
    )


def _words(chance: random.Random) -> tuple[Word, ...]:
    words: list[Word] = []
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = chance.uniform(0.0, HORIZON_SECONDS)
        verb = chance.choice((Verb.PAUSE, Verb.PAUSE, *Verb))
        about = chance.randrange(100) if verb in ABOUT_HOSTS else None
        words.append(Word(verb, at, about))
        if verb is Verb.PAUSE:
            words.append(Word(Verb.RESUME, at + chance.uniform(1.0, 300.0)))
    return tuple(sorted(words, key=lambda word: word.at))


def _own(chance: random.Random) -> tuple[OwnTrouble, ...]:
    found = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        what = chance.choice(list(Trouble))
        seconds = chance.choice((20.0, 200.0, 2_000.0))
        if what is Trouble.JUMP:
            seconds = chance.choice((-7_200.0, -30.0, 30.0, 600.0, 7_200.0))
        found.append(OwnTrouble(what, chance.uniform(0.0, HORIZON_SECONDS), seconds))
    return tuple(sorted(found, key=lambda trouble: trouble.at))


# --- mishaps ------------------------------------------------------------------------------------------------


def _host(world: SimWorld, index: int) -> HostId:
    return list(world.names)[index % len(world.names)]


def _vm(world: SimWorld, index: int) -> VmId | None:
    with world.open(write=False) as state:
        vms = list(state.vms)
    return vms[index % len(vms)] if vms else None


def _when(chance: random.Random) -> float:
    return chance.choice((0.0, chance.uniform(0.0, HORIZON_SECONDS)))


def _moves_fail(chance: random.Random, _: SimSpec) -> Mishap:
    index, times = chance.randrange(100), chance.randint(1, 2)

    def strike(world: SimWorld) -> None:
        if (vm := _vm(world, index)) is not None:
            world.fail_moves(times, vm=vm)

    return Mishap(f"{times} moves of VM {index} fail", strike, at=_when(chance))


def _move_stalls(chance: random.Random, _: SimSpec) -> Mishap:
    index = chance.randrange(100)

    def strike(world: SimWorld) -> None:
        if (vm := _vm(world, index)) is not None:
            world.stall_moves(vm)

    return Mishap(f"a move of VM {index} stalls", strike, at=_when(chance))


def _never_converges(chance: random.Random, _: SimSpec) -> Mishap:
    index = chance.randrange(100)

    def strike(world: SimWorld) -> None:
        if (vm := _vm(world, index)) is not None:
            world.never_converge(vm)

    return Mishap(f"VM {index} never converges", strike, transient=False, at=_when(chance))


def _call_fails(chance: random.Random, _: SimSpec) -> Mishap:
    name, times = chance.choice(CALLS), chance.randint(1, 3)
    side = "before" if chance.random() < 0.5 else "after"

    def strike(world: SimWorld) -> None:
        world.fail_call(name, times, when="before" if side == "before" else "after")

    return Mishap(f"{name} fails {times} times {side} it acts", strike, at=_when(chance))


def _host_silent(chance: random.Random, _: SimSpec) -> Mishap:
    index, seconds = chance.randrange(100), chance.uniform(1.0, 50.0)

    def strike(world: SimWorld) -> None:
        world.unreachable(_host(world, index), seconds)

    return Mishap(f"host {index} is silent for {seconds:.0f} s", strike, at=_when(chance))


def _host_cut_off(chance: random.Random, _: SimSpec) -> Mishap:
    index, seconds = chance.randrange(100), chance.uniform(60.0, 2_000.0)

    def strike(world: SimWorld) -> None:
        world.unreachable(_host(world, index), seconds)

    return Mishap(f"host {index} is cut off for {seconds:.0f} s", strike, transient=False, at=_when(chance))


def _slow_boot(chance: random.Random, _: SimSpec) -> Mishap:
    index, seconds = chance.randrange(100), chance.uniform(60.0, 600.0)

    def strike(world: SimWorld) -> None:
        world.boot_takes(_host(world, index), seconds)

    return Mishap(f"host {index} boots in {seconds:.0f} s", strike)


def _never_returns(chance: random.Random, _: SimSpec) -> Mishap:
    index = chance.randrange(100)
    return Mishap(
        f"host {index} does not return", lambda world: world.never_return(_host(world, index)), False
    )


def _keeps_boot(chance: random.Random, _: SimSpec) -> Mishap:
    index = chance.randrange(100)
    return Mishap(f"host {index} keeps its boot", lambda world: world.keep_boot(_host(world, index)), False)


def _unwell(chance: random.Random, _: SimSpec) -> Mishap:
    index, what = chance.randrange(100), chance.choice(("link", "mount", "unit", "hypervisor"))

    def strike(world: SimWorld) -> None:
        host = _host(world, index)
        if what == "link":
            world.unhealthy_after_boot(host, link="br0")
        elif what == "mount":
            world.unhealthy_after_boot(host, mount="/var/lib/images")
        elif what == "unit":
            world.unhealthy_after_boot(host, unit="nginx.service")
        else:
            world.unhealthy_after_boot(host, hypervisor=True)

    return Mishap(f"host {index} comes back without its {what}", strike, False)


def _work_fails(chance: random.Random, _: SimSpec) -> Mishap:
    index, kind = chance.randrange(100), chance.choice((WorkKind.STAGE, WorkKind.PATCH, WorkKind.REBOOT))
    return Mishap(
        f"{kind} fails on host {index}", lambda world: world.fail_work(_host(world, index), kind), False
    )


def _clock_off(chance: random.Random, _: SimSpec) -> Mishap:
    index, seconds = chance.randrange(100), chance.choice((-3_000.0, -3.0, 40.0))
    return Mishap(
        f"the clock of host {index} is off by {seconds:.0f} s",
        lambda world: world.skew_clock(_host(world, index), seconds),
        transient=abs(seconds) < 5,
        at=_when(chance),
    )


def _by_hand(chance: random.Random, _: SimSpec) -> Mishap:
    host, index, deed = chance.randrange(100), chance.randrange(100), chance.choice(list(Deed))
    size = chance.choice((96, 640, 1_024)) * MIB

    def strike(world: SimWorld) -> None:
        vm = None if deed is Deed.CORDON else _vm(world, index)
        if vm is not None or deed is Deed.CORDON:
            world.by_hand(deed, _host(world, host), vm, memory_bytes=size)

    return Mishap(f"somebody does by hand: {deed} VM {index}, host {host}", strike, False, _when(chance))


def _orders_forgotten(chance: random.Random, _: SimSpec) -> Mishap:
    return Mishap("the platform forgets its orders", lambda world: world.forget_orders(), at=_when(chance))


def _late_success(chance: random.Random, _: SimSpec) -> Mishap:
    index, seconds = chance.randrange(100), chance.uniform(100.0, 400.0)

    def strike(world: SimWorld) -> None:
        if (vm := _vm(world, index)) is not None:
            world.stall_moves(vm, seconds=seconds)
            world.fail_call("cancel_move", 3)

    return Mishap(f"a move of VM {index} stands still for {seconds:.0f} s, then goes on", strike)


def _loses_power(chance: random.Random, _: SimSpec) -> Mishap:
    index, back = chance.randrange(100), chance.choice((None, 30.0, 400.0))

    def strike(world: SimWorld) -> None:
        world.lose_power(_host(world, index), back)

    told = "for good" if back is None else f"for {back:.0f} s"
    return Mishap(f"host {index} loses its power {told}", strike, False, _when(chance))


def _target_dies(chance: random.Random, _: SimSpec) -> Mishap:
    index, back = chance.randrange(100), chance.choice((None, 60.0))

    def strike(world: SimWorld) -> None:
        with world.open(write=False) as state:
            targets = [vm.flight.target for vm in state.vms.values() if vm.flight is not None]
        world.lose_power(targets[0] if targets else _host(world, index), back)

    return Mishap("the target of a move loses its power", strike, False, chance.uniform(5.0, 600.0))


def _hosts_cut_off(chance: random.Random, spec: SimSpec) -> Mishap:
    one, seconds = chance.randrange(spec.hosts), chance.choice((20.0, 1_000.0))
    other = (one + chance.randrange(1, spec.hosts)) % spec.hosts

    def strike(world: SimWorld) -> None:
        world.cut_off(_host(world, one), _host(world, other), seconds)

    text = f"hosts {one} and {other} can't reach each other for {seconds:.0f} s"
    return Mishap(text, strike, seconds < 60, _when(chance))


def _old_kernel(chance: random.Random, _: SimSpec) -> Mishap:
    index, times = chance.randrange(100), chance.choice((1, 5))
    return Mishap(
        f"host {index} comes back with its old kernel {times} times",
        lambda world: world.old_kernel(_host(world, index), times),
        transient=times == 1,
    )


def _half_way(chance: random.Random, _: SimSpec) -> Mishap:
    index = chance.randrange(100)
    return Mishap(
        f"the update of host {index} stops half-way",
        lambda world: world.stop_half_way(_host(world, index)),
        False,
    )


def _disk(chance: random.Random, _: SimSpec) -> Mishap:
    index, full = chance.randrange(100), chance.random() < 0.5
    return Mishap(
        f"the disk of host {index} is {'full' if full else 'read-only'}",
        lambda world: world.disk(_host(world, index), full=full, read_only=not full),
        False,
        _when(chance),
    )


def _monitoring_down(chance: random.Random, _: SimSpec) -> Mishap:
    return Mishap("monitoring is down", lambda world: world.monitoring(down=True), False, _when(chance))


_MISHAPS: tuple[Callable[[random.Random, SimSpec], Mishap], ...] = (
    *(_moves_fail, _move_stalls, _call_fails, _call_fails, _host_silent, _slow_boot, _orders_forgotten),
    *(
        _never_converges,
        _host_cut_off,
        _never_returns,
        _keeps_boot,
        _unwell,
        _work_fails,
        _clock_off,
        _by_hand,
        _by_hand,
    ),
    *(_late_success, _loses_power, _target_dies, _hosts_cut_off, _old_kernel, _half_way, _disk),
    _monitoring_down,
)
