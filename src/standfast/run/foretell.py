"""What the moves of a run will take from now on: those in the air, and those that wait for their turn there.

They are flown as the run starts them (`predict.together`), so each is told with the share of its links that
it will have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from standfast.model.cluster import Host, Vm
from standfast.model.ids import HostId
from standfast.model.moves import Prediction
from standfast.model.plan import PlannedMove
from standfast.model.run import ENDED_PHASES, MoveRow, Phase
from standfast.predict.precopy import BASIS, UNTOUCHED, predict_move
from standfast.predict.together import Flow, Flown, at_share, between, one_between
from standfast.run.seen import View

KEPT_SECONDS_PER_MOVE = 0.01
"""For how long what was foretold of many moves is still told: working it out takes a tenth of that, or less,
and who watches two thousand moves does not miss that some end ten seconds sooner."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A VM on its way, or about to be. `row`: of the move that is in the air."""

    vm: Vm
    target: HostId
    row: MoveRow | None = None

    @property
    def source(self) -> HostId:
        return self.row.source if self.row is not None else self.vm.host


def foretold(view: View, legs: Sequence[Leg]) -> list[tuple[Prediction, Flown]]:
    """Of each leg, in the order given: what it costs, and when. Hosts must be of the snapshot: KeyError."""
    ways = [_Way(view, leg) for leg in legs]
    flows = [way.flow(view.now) for way in ways]
    flown = between(_ends_of(ways), flows, at_once=view.policy.moves_at_once)
    return [(way.as_flown(each), each) for way, each in zip(ways, flown, strict=True)]


def _ends_of(ways: Iterable[_Way]) -> Iterable[Host]:
    return {end.id: end for way in ways for end in (way.source, way.target)}.values()


def foretell(view: View, vm: Vm, target: HostId) -> Prediction:
    """What a move of the VM that starts now will cost, beside those that share its ports on its way."""
    mine = Leg(vm, target)
    legs = [leg for leg in in_air(view, mine) if leg.vm.id != vm.id]
    later = [leg for leg in waiting(view, mine) if leg.vm.id != vm.id]
    place = len(legs)
    ways = [_Way(view, leg) for leg in (*legs, mine, *later)]
    flows = [way.flow(view.now) for way in ways]
    flown = one_between(_ends_of(ways), flows, place, at_once=view.policy.moves_at_once)
    return ways[place].as_flown(flown)


class Drains:
    """Seconds until each host that is being evacuated is rid of its VMs, as far as the plan knows them.

    For somebody who asks again and again: where thousands of moves are to come, what was worked out a few
    seconds ago is told once more, less the time that has gone by.
    """

    def __init__(self) -> None:
        self._ends: Mapping[HostId, float] = {}
        self._worked_out_at, self._good_for = 0.0, 0.0

    def left(self, view: View) -> Mapping[HostId, float]:
        """By host; of all that are being evacuated."""
        hosts, age = _draining(view), view.now - self._worked_out_at
        if not hosts:
            return {}
        if not (0.0 <= age < self._good_for and hosts <= self._ends.keys()):
            legs = [*in_air(view), *waiting(view)]
            self._ends = {**dict.fromkeys(hosts, 0.0), **_ends(legs, foretold(view, legs))}
            self._worked_out_at, self._good_for, age = view.now, KEPT_SECONDS_PER_MOVE * len(legs), 0.0
        return {host: max(0.0, self._ends[host] - age) for host in hosts}


def _draining(view: View) -> frozenset[HostId]:
    return frozenset(row.host for row in view.run.hosts if row.phase == Phase.DRAINING)


def in_air(view: View, near: Leg | None = None) -> list[Leg]:
    """Moves on record as started, and those that are seen or counted as on their way besides.

    With `near` only those that share its source or its target.
    """
    known, board = view.snapshot.host_by_id, view.board
    rows = {row.vm: row for row in view.started}
    found = []
    for vm_id in (*rows, *(flying for flying in board.flights if flying not in rows)):
        vm, row = view.snapshot.vm(vm_id), rows.get(vm_id)
        target = row.target if row is not None else board.flights[vm_id]
        if vm is None or target is None:
            continue
        source = row.source if row is not None else vm.host
        if near is not None and source != near.source and target != near.target:
            continue
        if source in known and target in known and source != target:
            found.append(Leg(vm, target, row))
    return found


def waiting(view: View, near: Leg | None = None) -> list[Leg]:
    """VMs that the plan sends elsewhere now, in its order: off hosts being emptied, at the end the others.

    With `near` only those that share its source or its target.
    """
    known, board = view.snapshot.host_by_id, view.board
    found = []
    for move in _to_come(view).moves(near):
        vm = view.snapshot.vm(move.vm)
        there = vm is not None and vm.host == move.source and move.vm not in board.flights
        if vm is not None and there and move.target in known:
            found.append(Leg(vm, move.target))
    return found


class _ToCome:
    """Planned moves in their order, found by either end: each new move asks for those that it meets."""

    def __init__(self, moves: Sequence[PlannedMove]) -> None:
        self._all = moves
        self._off: dict[HostId, list[int]] = {}
        self._to: dict[HostId, list[int]] = {}
        for place, move in enumerate(moves):
            self._off.setdefault(move.source, []).append(place)
            self._to.setdefault(move.target, []).append(place)

    def moves(self, near: Leg | None) -> Sequence[PlannedMove]:
        if near is None:
            return self._all
        places = {*self._off.get(near.source, ()), *self._to.get(near.target, ())}
        return [self._all[place] for place in sorted(places)]


def _to_come(view: View) -> _ToCome:
    """Worked out once for all who decide on one look."""
    found = view.worked_out.get(__name__)
    if not isinstance(found, _ToCome):
        found = view.worked_out[__name__] = _ToCome(_planned_now(view))
    return found


def _planned_now(view: View) -> list[PlannedMove]:
    emptied, plan = _draining(view), view.run.plan
    steps = [plan.step_of[host] for host in emptied if host in plan.step_of]
    moves = [move for step in sorted(steps, key=lambda step: step.wave) for move in step.moves]
    if all(row.phase in ENDED_PHASES for row in view.run.hosts):
        tried = {row.vm for row in view.run.moves_of.get(None, ())}
        moves = [move for move in plan.rebalance if move.vm not in tried]
    return sorted(moves, key=lambda move: move.start_seconds or 0.0)


class _Way:
    """One leg's prediction at any share, asked once."""

    def __init__(self, view: View, leg: Leg) -> None:
        self.view, self.leg = view, leg
        self.source, self.target = view.snapshot.host(leg.source), view.snapshot.host(leg.target)
        self.planned = _planned(view, leg)
        self.groups = tuple(group.name for group in view.snapshot.rules.groups_of.get(leg.vm.id, ()))
        self.known: dict[float, Prediction] = {}

    def at(self, share: float) -> Prediction:
        if share not in self.known:
            fresh = self._fresh(share)
            if self.planned is not None:
                fresh = _scaled(self.planned.predicted, self._fresh(self.planned.predicted.share), fresh)
            self.known[share] = fresh
        return self.known[share]

    def as_flown(self, flown: Flown) -> Prediction:
        return at_share(self.at(1.0), self.at(flown.share), flown)

    def _fresh(self, share: float) -> Prediction:
        plan = self.view.run.plan
        return predict_move(
            self.leg.vm,
            self.source,
            self.target,
            share=share,
            auto_converge=plan.policy.auto_converge,
            learnt=plan.learnt,
        )

    def flow(self, now: float) -> Flow:
        def seconds(share: float) -> float:
            predicted = self.at(share)
            return predicted.brownout_seconds + predicted.blackout_seconds

        row = self.leg.row
        done = None
        if row is not None:
            whole = row.predicted.brownout_seconds + row.predicted.blackout_seconds
            done = min(0.99, (now - row.started_at) / whole) if whole > 0 else 0.99
        return Flow(self.leg.source, self.leg.target, seconds, self.groups, done)


def _planned(view: View, leg: Leg) -> PlannedMove | None:
    """The plan's word on this very move, where it rests on measurements that a run does not make."""
    if leg.vm.memory_use is not None:
        return None
    planned = view.run.plan.planned.get((leg.vm.id, leg.source, leg.target))
    told = planned.predicted.basis if planned is not None else ""
    return planned if told.startswith(BASIS["windows"]) or UNTOUCHED in told else None


def _scaled(planned: Prediction, then: Prediction, now: Prediction) -> Prediction:
    """The plan's, changed as another share changes a prediction from the run's own looks."""
    if now.share == planned.share or not (then.converges and now.converges and planned.converges):
        return planned
    times = now.brownout_seconds / max(1e-9, then.brownout_seconds)
    return replace(
        planned,
        brownout_seconds=planned.brownout_seconds * times,
        brownout_p95_seconds=planned.brownout_p95_seconds * times,
        once_seconds=planned.once_seconds * now.share / planned.share,
        again_seconds=planned.again_seconds * now.share / planned.share,
        share=now.share,
    )


def _ends(legs: Sequence[Leg], told: Sequence[tuple[Prediction, Flown]]) -> Mapping[HostId, float]:
    """Seconds from now until each source is rid of its legs."""
    found: dict[HostId, float] = {}
    for leg, (_, flown) in zip(legs, told, strict=True):
        found[leg.source] = max(found.get(leg.source, 0.0), flown.begin + flown.seconds)
    return found
