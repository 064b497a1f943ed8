"""Moves that run at once: when each starts and ends, and which share of its link it has on the way.

As the run starts them: in a given order, each as soon as the limits of its two hosts, the limit over all and
its anti-affinity groups let it. Those in the air divide ports max-min fair. A move's length is a question to
the round model, asked with its share: half a link takes more than twice as long for a guest that writes, and
its set-up takes no longer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush

from standfast.model.cluster import Host, MoveLimits
from standfast.model.ids import HostId
from standfast.model.moves import Prediction
from standfast.predict.precopy import DEFAULT_BITS_PER_SECOND
from standfast.predict.sharing import max_min

STEP = 4
"""Shares are told to the quarter: moves that are alike then share a prediction."""

MOST_EXACT = 64
"""Moves in the air whose ports hang together, up to which max-min is solved: beyond, each gets an equal part
of the busier of its ends, which is the same where ports are alike, and never more."""

Seconds = Callable[[float], float]
"""How long the move takes with the link divided by so many (1 or more) all the while."""
Port = tuple[int, HostId]
"""(0, host): out; (1, host): in. Links are full duplex."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One move. `tokens`: things of which nobody else may hold the same, as membership of a group."""

    source: HostId
    target: HostId
    seconds: Seconds
    tokens: tuple[Hashable, ...] = ()
    done: float | None = None
    """Share of it that is done already, of one that is in the air at the start; None: it waits."""


@dataclass(frozen=True, slots=True)
class Flown:
    """When it starts, how long it takes, and by how many its link was divided in the mean."""

    begin: float
    seconds: float
    share: float


def fly(
    flows: Sequence[Flow],
    *,
    speeds: Mapping[HostId, float],
    limits: Mapping[HostId, MoveLimits],
    at_once: int,
) -> list[Flown]:
    """What becomes of each, in the order given. `speeds` of ports in any unit; a host that is not named there
    has the slowest one's. Limits below 1 count as 1; those in the air already are never stopped for them.
    """
    return _Air(flows, speeds, limits, max(1, at_once)).all()


def between(hosts: Iterable[Host], flows: Sequence[Flow], *, at_once: int) -> list[Flown]:
    """`fly` between these hosts, with what they say of their links and limits."""
    known = {host.id: host for host in hosts}
    return fly(
        flows,
        speeds={
            host: float(about.migration_bits_per_second or DEFAULT_BITS_PER_SECOND)
            for host, about in known.items()
        },
        limits={host: about.limits for host, about in known.items()},
        at_once=at_once,
    )


def last_end(flown: Iterable[Flown]) -> float:
    """Seconds until all have ended."""
    return max((each.begin + each.seconds for each in flown), default=0.0)


def at_share(alone: Prediction, shared: Prediction, flown: Flown) -> Prediction:
    """`shared` made to last as long as it was seen to; `alone` where it had its links to itself."""
    if flown.share <= 1:
        return alone
    bright = max(alone.brownout_seconds, flown.seconds - shared.blackout_seconds)
    wider = shared.brownout_p95_seconds / max(1e-9, shared.brownout_seconds)
    return replace(
        shared, brownout_seconds=bright, brownout_p95_seconds=bright * max(1.0, wider), share=flown.share
    )


def told(share: float) -> float:
    """To the quarter, 1 at least."""
    return max(1.0, round(share * STEP) / STEP)


class _Air:
    def __init__(
        self,
        flows: Sequence[Flow],
        speeds: Mapping[HostId, float],
        limits: Mapping[HostId, MoveLimits],
        at_once: int,
    ) -> None:
        self.flows, self.at_once = flows, at_once
        slowest = min(speeds.values(), default=1.0)
        self.speeds = {
            host: max(1e-9, speeds.get(host, slowest))
            for flow in flows
            for host in (flow.source, flow.target)
        }
        self.alike = len(set(self.speeds.values())) < 2
        self.ports: list[tuple[Port, Port]] = [((0, flow.source), (1, flow.target)) for flow in flows]
        self.at: dict[Port, dict[int, None]] = {port: {} for pair in self.ports for port in pair}
        self.most = {port: _most(port, limits.get(port[1], MoveLimits())) for port in self.at}
        self.full: set[Port] = set()
        self.held: set[Hashable] = set()
        self.queues: dict[Hashable, dict[int, None]] = {}
        self.waiting: dict[int, None] = {}
        self.flying: set[int] = set()
        self.now = 0.0
        count = len(flows)
        self.begin, self.end, self.left = [0.0] * count, [0.0] * count, [1.0] * count
        self.share, self.weighed, self.since = [0.0] * count, [0.0] * count, [0.0] * count
        self.length = [0.0] * count
        self.events: list[tuple[float, int]] = []
        self.due = [0.0] * count

    def all(self) -> list[Flown]:
        for index, flow in enumerate(self.flows):
            if flow.done is None:
                self.waiting[index] = None
                for key in (*self.ports[index], *flow.tokens):
                    self.queues.setdefault(key, {})[index] = None
            else:
                self.left[index] = max(0.0, 1.0 - flow.done)
                self._lift(index)
        self._settle(self.at)
        self._start(self.waiting)
        while self.flying:
            self._next()
        return [
            Flown(begin, end - begin, told(weighed / (end - begin)) if end > begin else 1.0)
            for begin, end, weighed in zip(self.begin, self.end, self.weighed, strict=True)
        ]

    def _next(self) -> None:
        """To the next end, and whatever may start then."""
        full = len(self.flying) >= self.at_once
        ended: list[int] = []
        while self.events and (not ended or self.events[0][0] <= self.now + 1e-9):
            at, index = heappop(self.events)
            if index in self.flying and at == self.due[index]:
                self.now = max(self.now, at)
                self._land(index)
                ended.append(index)
        freed: dict[int, None] = {}
        for index in ended:
            for key in (*self.ports[index], *self.flows[index].tokens):
                freed.update(self.queues.get(key, {}))
        self._settle({port for index in ended for port in self.ports[index]})
        self._start(self.waiting if full else sorted(freed))

    def _start(self, candidates: Iterable[int]) -> None:
        begun: list[int] = []
        ports, full = self.ports, self.full
        for index in list(candidates):
            if len(self.flying) >= self.at_once:
                break
            out, into = ports[index]
            if out in full or into in full or self.held.intersection(self.flows[index].tokens):
                continue
            self._lift(index)
            begun.append(index)
        self._settle({port for index in begun for port in ports[index]})

    def _lift(self, index: int) -> None:
        if index in self.waiting:
            del self.waiting[index]
            for key in (*self.ports[index], *self.flows[index].tokens):
                self.queues[key].pop(index, None)
        self.flying.add(index)
        self.held.update(self.flows[index].tokens)
        for port in self.ports[index]:
            self.at[port][index] = None
            if len(self.at[port]) >= self.most[port]:
                self.full.add(port)
        self.begin[index] = self.since[index] = self.now

    def _land(self, index: int) -> None:
        self.weighed[index] += self.share[index] * (self.now - self.since[index])
        self.end[index] = self.now
        self.flying.discard(index)
        self.held.difference_update(self.flows[index].tokens)
        for port in self.ports[index]:
            del self.at[port][index]
            if len(self.at[port]) < self.most[port]:
                self.full.discard(port)

    def _settle(self, changed: Iterable[Port]) -> None:
        """New shares for all that are touched by a change at these ports."""
        for index, share in self._shares(changed).items():
            if share == self.share[index]:
                continue
            past = self.now - self.since[index]
            if self.length[index] > 0:
                self.left[index] = max(0.0, self.left[index] - past / self.length[index])
            self.weighed[index] += self.share[index] * past
            self.since[index], self.share[index] = self.now, share
            self.length[index] = max(1e-6, self.flows[index].seconds(told(share)))
            self.due[index] = self.now + self.left[index] * self.length[index]
            heappush(self.events, (self.due[index], index))

    def _shares(self, changed: Iterable[Port]) -> dict[int, float]:
        touched = {index for port in changed for index in self.at[port]}
        if not touched:
            return {}
        if self.alike:
            busier = {
                index: max(len(self.at[out]), len(self.at[into]))
                for index in touched
                for out, into in (self.ports[index],)
            }
            if max(busier.values()) <= 2:  # then equal parts are max-min
                return {index: float(most) for index, most in busier.items()}
        together = self._together(touched)
        if len(together) > MOST_EXACT:
            return {index: self._split(index) for index in touched}
        order = sorted(together)
        ports = {port: self.speeds[port[1]] for index in order for port in self.ports[index]}
        rates = max_min([self.ports[index] for index in order], ports)
        return {
            index: max(1.0, self._alone(index) / max(1e-12, rate))
            for index, rate in zip(order, rates, strict=True)
        }

    def _alone(self, index: int) -> float:
        return min(self.speeds[host] for _, host in self.ports[index])

    def _split(self, index: int) -> float:
        rate = min(self.speeds[port[1]] / len(self.at[port]) for port in self.ports[index])
        return max(1.0, self._alone(index) / rate)

    def _together(self, touched: set[int]) -> set[int]:
        """All in the air whose ports hang together with theirs; or more than enough of them."""
        found, edge = set(touched), list(touched)
        while edge and len(found) <= MOST_EXACT:
            for port in self.ports[edge.pop()]:
                new = [index for index in self.at[port] if index not in found]
                found.update(new)
                edge += new
        return found


def _most(port: Port, limits: MoveLimits) -> int:
    return max(1, limits.inbound if port[0] else limits.outbound)
