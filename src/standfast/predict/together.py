"""Moves that run at once: when each starts and ends, and which share of its link it has on the way.

As the run starts them: in a given order, each as soon as the limits of its two hosts, the limit over all and
its anti-affinity groups let it. Those in the air divide ports max-min fair. A move's length is a question to
the round model, asked with its share: half a link takes more than twice as long for a guest that writes, and
its set-up takes no longer at all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from standfast.model.cluster import Host, MoveLimits
from standfast.model.ids import HostId
from standfast.model.moves import Prediction
from standfast.predict.precopy import DEFAULT_BITS_PER_SECOND
from standfast.predict.sharing import max_min
from standfast.predict.streams import limits

STEP = 4
"""Shares are told to the quarter: moves that are alike then share a prediction."""

MOST_EXACT = 64
"""Moves in the air whose ports hang together, up to which max-min is solved: beyond, each gets an equal part
of the busier of its ends, which is the same where ports are alike, and never more."""

Seconds = Callable[[float], float]
"""How long the move takes with the link divided by so many (1 or more) all the while."""


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
    air = _Air(flows, speeds, limits, max(1, at_once))
    air.pass_by()
    return [air.flown(index) for index in range(len(flows))]


def between(hosts: Iterable[Host], flows: Sequence[Flow], *, at_once: int) -> list[Flown]:
    """`fly` between these hosts, with what they say of their links and limits."""
    air = _air(hosts, flows, at_once)
    air.pass_by()
    return [air.flown(index) for index in range(len(flows))]


def one_between(hosts: Iterable[Host], flows: Sequence[Flow], index: int, *, at_once: int) -> Flown:
    """What `between` says of one of them, at less cost: what comes after its end is left out."""
    air = _air(hosts, flows, at_once)
    air.pass_by(until=index)
    return air.flown(index)


def _air(hosts: Iterable[Host], flows: Sequence[Flow], at_once: int) -> _Air:
    known = {host.id: host for host in hosts}
    speeds = {
        host: float(about.migration_bits_per_second or DEFAULT_BITS_PER_SECOND)
        for host, about in known.items()
    }
    return _Air(flows, speeds, {host: limits(about) for host, about in known.items()}, max(1, at_once))


def last_end(flown: Iterable[Flown]) -> float:
    """Seconds until all have ended."""
    return max((each.begin + each.seconds for each in flown), default=0.0)


def at_share(alone: Prediction, shared: Prediction, flown: Flown) -> Prediction:
    """`shared` made to last as long as it was seen to; `alone` where it had its links to itself."""
    if flown.share <= 1:
        return alone
    bright = max(alone.brownout_seconds, flown.seconds - shared.blackout_seconds)
    wider = max(1.0, shared.brownout_p95_seconds / max(1e-9, shared.brownout_seconds))
    # Spelt out: `replace` takes four times as long, and a large plan has tens of thousands of these.
    return Prediction(
        brownout_seconds=bright,
        brownout_p95_seconds=bright * wider,
        blackout_seconds=shared.blackout_seconds,
        blackout_p95_seconds=shared.blackout_p95_seconds,
        wire_bytes=shared.wire_bytes,
        converges=shared.converges,
        sure=shared.sure,
        slowed=shared.slowed,
        basis=shared.basis,
        once_seconds=shared.once_seconds,
        again_seconds=shared.again_seconds,
        switch_seconds=shared.switch_seconds,
        buffered_seconds=shared.buffered_seconds,
        share=flown.share,
    )


def told(share: float) -> float:
    """To the quarter, 1 at least."""
    return max(1.0, round(share * STEP) / STEP)


class _Air:
    """Hosts, ports and moves by numbers: host n sends through port n, and receives through port hosts + n."""

    def __init__(
        self,
        flows: Sequence[Flow],
        speeds: Mapping[HostId, float],
        limits: Mapping[HostId, MoveLimits],
        at_once: int,
    ) -> None:
        self.flows, self.at_once = flows, at_once
        number: dict[HostId, int] = {}
        for flow in flows:
            number.setdefault(flow.source, len(number))
            number.setdefault(flow.target, len(number))
        slowest, hosts = min(speeds.values(), default=1.0), len(number)
        self.speeds = 2 * [max(1e-9, speeds.get(host, slowest)) for host in number]
        self.alike = len(set(self.speeds)) < 2
        self.ports = [(number[flow.source], hosts + number[flow.target]) for flow in flows]
        usual = MoveLimits()
        self.most = [max(1, limits.get(host, usual).outbound) for host in number]
        self.most += [max(1, limits.get(host, usual).inbound) for host in number]
        self.at: list[dict[int, None]] = [{} for _ in self.most]
        self.held: set[Hashable] = set()
        self.queues: list[dict[int, None]] = [{} for _ in self.most]
        self.token_queues: dict[Hashable, dict[int, None]] = {}
        self.ready: list[int] = []
        """Waiting ones that something was freed for: all others wait for a port that is full or a token."""
        count = len(flows)
        self.is_ready = [False] * count
        self.flying: set[int] = set()
        self.landed: set[int | None] = set()
        self.now = 0.0
        self.begin, self.end, self.left = [0.0] * count, [0.0] * count, [1.0] * count
        self.share, self.weighed, self.since = [0.0] * count, [0.0] * count, [0.0] * count
        self.length = [0.0] * count
        self.events: list[tuple[float, int]] = []
        self.due = [0.0] * count

    def pass_by(self, until: int | None = None) -> None:
        """Let time go on until all have ended, or this one has."""
        waiting = []
        for index, flow in enumerate(self.flows):
            if flow.done is None:
                waiting.append(index)
                for port in self.ports[index]:
                    self.queues[port][index] = None
                for token in flow.tokens:
                    self.token_queues.setdefault(token, {})[index] = None
            else:
                self.left[index] = max(0.0, 1.0 - flow.done)
                self._lift(index)
        self._free(waiting)
        self._start(range(len(self.at)))
        while self.flying and until not in self.landed:
            self._next()

    def flown(self, index: int) -> Flown:
        """What became of one that has ended."""
        begin, end = self.begin[index], self.end[index]
        return Flown(begin, end - begin, told(self.weighed[index] / (end - begin)) if end > begin else 1.0)

    def _next(self) -> None:
        """To the next end, and whatever may start then."""
        ended: list[int] = []
        while self.events and (not ended or self.events[0][0] <= self.now + 1e-9):
            at, index = heappop(self.events)
            if index in self.flying and at == self.due[index]:
                self.now = max(self.now, at)
                self._land(index)
                ended.append(index)
        self._start([port for index in ended for port in self.ports[index]])

    def _free(self, indices: Iterable[int], at_last: int | None = None) -> None:
        """Something was freed for these; not for one that still waits for its other port, which frees it."""
        at, most = self.at, self.most
        for index in indices:
            if self.is_ready[index]:
                continue
            out, into = self.ports[index]
            other = into if out == at_last else out
            if at_last is None or len(at[other]) < most[other]:
                self.is_ready[index] = True
                heappush(self.ready, index)

    def _start(self, changed: Iterable[int]) -> None:
        """In the order given, of those that wait, all that fit; then new shares, for whatever has changed at
        `changed` ports, too."""
        touched = set(changed)
        at, most = self.at, self.most
        while self.ready and len(self.flying) < self.at_once:
            index = heappop(self.ready)
            self.is_ready[index] = False
            out, into = self.ports[index]
            if len(at[out]) >= most[out] or len(at[into]) >= most[into]:
                continue
            tokens = self.flows[index].tokens
            if tokens and self.held.intersection(tokens):
                continue
            for port in (out, into):
                del self.queues[port][index]
            for token in tokens:
                del self.token_queues[token][index]
            self._lift(index)
            touched.update((out, into))
        self._settle(touched)

    def _lift(self, index: int) -> None:
        self.flying.add(index)
        self.held.update(self.flows[index].tokens)
        for port in self.ports[index]:
            self.at[port][index] = None
        self.begin[index] = self.since[index] = self.now

    def _land(self, index: int) -> None:
        self.weighed[index] += self.share[index] * (self.now - self.since[index])
        self.end[index] = self.now
        self.flying.discard(index)
        self.landed.add(index)
        for port in self.ports[index]:
            here = self.at[port]
            was_full = len(here) >= self.most[port]
            del here[index]
            if was_full:
                self._free(self.queues[port], port)
        for token in self.flows[index].tokens:
            self.held.discard(token)
            self._free(self.token_queues.get(token, ()))

    def _settle(self, changed: Iterable[int]) -> None:
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

    def _shares(self, changed: Iterable[int]) -> Mapping[int, float]:
        at, ports = self.at, self.ports
        touched = {index for port in changed for index in at[port]}
        if not touched:
            return {}
        if self.alike:
            busier = {}
            for index in touched:
                out, into = ports[index]
                busier[index] = max(len(at[out]), len(at[into]))
            if max(busier.values()) <= 2:  # then equal parts are max-min
                return busier
        together = self._together(touched)
        if len(together) > MOST_EXACT:
            return {index: self._split(index) for index in touched}
        order = sorted(together)
        speeds = {port: self.speeds[port] for index in order for port in ports[index]}
        rates = max_min([ports[index] for index in order], speeds)
        return {
            index: max(1.0, self._alone(index) / max(1e-12, rate))
            for index, rate in zip(order, rates, strict=True)
        }

    def _alone(self, index: int) -> float:
        return min(self.speeds[port] for port in self.ports[index])

    def _split(self, index: int) -> float:
        rate = min(self.speeds[port] / len(self.at[port]) for port in self.ports[index])
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
