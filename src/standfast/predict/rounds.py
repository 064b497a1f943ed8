"""The rounds of one pre-copy migration in the mean: QEMU's loop over page classes instead of pages.

A round sends what was dirty at the last synchronisation, from where the round before stopped, round and round
through memory. It ends when what is left would fit into the downtime limit at the present rate; then the
dirty log is read again, and either what is dirty now fits as well, and the guest is stopped, or the next
round begins. So late rounds are as short as QEMU looks (50 ms), a page waits for the cursor to come round to
it, and the guest is stopped with nearly a full limit's worth of pages.

Whether a look succeeds is a chance: the rate of the last 100 ms and what the guest wrote vary, and where in
its last step a long round stops is any point of it. So what is carried from look to look is the chance that
the guest still runs; medians and 95th percentiles are where it falls below a half and a twentieth. Everything
is smooth in its inputs: a slower link or a busier guest never looks better by an accident of rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from standfast.predict.dirty import DirtyCurve
from standfast.predict.engine import Engine, Path
from standfast.predict.memory import Memory

STALLED_LOOKS = 60
STALLED_SHARE = 1e-3
"""Looks in a row, 3 s at least, in which the least amount left did not shrink by a thousandth: stalled."""

SHORTEST_ROUND_SECONDS = 1e-3
"""What a round takes whatever it sends: the dirty log is read under a lock."""

LULL_SECONDS = 0.5
"""How far apart two spans have to be for what a guest in bursts writes in them to be unrelated."""

TWENTIETH = 0.05


@dataclass(frozen=True, slots=True)
class Guest:
    """What is moved: memory, the share of it that is zero pages, what is written, the devices' state."""

    memory_bytes: float
    dirty: DirtyCurve
    zero_share: float = 0.0
    state_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Copying:
    """What the rounds come to. Seconds are of the copying alone, without fixed costs.

    `seconds` and `left_bytes` are p50s, `p95_seconds` is p95 over the chances of the loop itself; where
    `converges` is False they are those at which it was given up. `left_bytes` is on the wire. `first_seconds`
    is the first round, which sends everything once.
    """

    converges: bool
    seconds: float
    p95_seconds: float
    first_seconds: float
    sent_bytes: float
    left_bytes: float
    p95_left_bytes: float
    rounds: int
    throttle: float = 0.0


def copy(guest: Guest, path: Path, engine: Engine, *, patience_seconds: float | None = None) -> Copying:
    """Copy until the switch-over, or until it shows that none will come within `patience_seconds`.

    Raises ValueError for a path without bandwidth, which no caller should have let through.
    """
    if not path.bytes_per_second > 0:
        raise ValueError("a path needs a bandwidth above zero")
    loop = _Loop(guest, path, engine)
    loop.first_round()
    return loop.look_until(math.inf if patience_seconds is None else patience_seconds)


class _Loop:
    """The state between two looks: memory, and the time and bytes so far."""

    def __init__(self, guest: Guest, path: Path, engine: Engine) -> None:
        self.engine, self.path = engine, path
        self.size = max(0.0, guest.memory_bytes)
        zero = min(1.0, max(0.0, guest.zero_share))
        page, rate = engine.page_bytes, engine.sending_bytes_per_second(path)
        self.factor = (page + engine.header_bytes) / page
        self.full_wire = self.size * ((1 - zero) * self.factor + zero * engine.zero_bytes / page)
        # Zero pages lie together mostly: they pass as fast as they are looked at, the others as the link
        # allows.
        per_zero = max(engine.zero_bytes / rate, 1 / engine.pages_per_second)
        per_page = (page + engine.header_bytes) / rate
        self.first_seconds = self.size / page * ((1 - zero) * per_page + zero * per_zero)
        self.wire_rate = rate
        self.rate = rate / self.factor  # of page bytes
        self.step = self.rate * engine.check_seconds
        self.limit = (path.switchover_bytes_per_second or rate) * engine.downtime_limit_seconds
        chunks = 1
        if engine.chunk_bytes is not None:
            chunks = max(1, math.ceil(self.size / engine.chunk_bytes))
        self.memory = Memory(guest.dirty.within(self.size * (1 - zero)), self.size * (1 - zero), chunks)
        self.now = self.sent = 0.0
        self.width = 0.0  # how far apart the points are at which the last round may have stopped
        self.rounds = 1
        self.throttle, self.due, self.throttle_moves = 0.0, 0, False
        self.looked_at, self.sent_then, self.dirtied_then = 0.0, 0.0, 0.0

    def first_round(self) -> None:
        """All of memory once, but for what is left when the round ends."""
        share = 1.0
        if self.first_seconds > 0:
            # Nothing of the guest is special here: all its pages, zero ones too, are pending alike.
            told = self.path.switchover_bytes_per_second or self.full_wire / self.first_seconds
            threshold = told * self.engine.downtime_limit_seconds
            step = self.size / self.first_seconds * self.engine.check_seconds
            share = 1.0 - min(self.size, _left(threshold, step)) / self.size
        self.width = self.step
        self.sent = self.full_wire * share
        self._pass(self.first_seconds * share, self.memory.pending * share)

    def look_until(self, patience: float) -> Copying:
        """Rounds until a look succeeds as good as surely, or none will."""
        running, best, since = 1.0, math.inf, 0
        median: tuple[float, float, float] | None = None
        while True:
            chance = self._chance()
            running *= 1.0 - chance
            if median is None and running <= 0.5:
                median = (self.now, self.sent, self._at_stop())
            if running <= TWENTIETH and median is not None:
                return self._done(median, max(median[2], self._at_stop()))
            pending = self.memory.pending
            if pending < best * (1 - STALLED_SHARE) or self.throttle_moves:
                best, since = pending, 0
            since += 1
            if (since > STALLED_LOOKS and chance < 1e-4) or self.now >= patience:
                if median is not None:
                    return self._done(median, max(median[2], pending * self.factor))
                return self._given_up(patience)
            self._round(pending)

    def _round(self, pending: float) -> None:
        """Send until what is left is below the threshold again, one step at least."""
        left = min(_left(self.limit, self.step), max(0.0, pending - self.step))
        steps = (pending - left) / self.step
        self.width = self.step * min(1.0, max(0.0, steps - 1.0))
        seconds = (pending - left) / self.rate
        self.sent += seconds * self.wire_rate
        self.rounds += 1
        self._pass(max(seconds, SHORTEST_ROUND_SECONDS), pending - left)

    def _pass(self, seconds: float, send: float) -> None:
        self.now += seconds
        self.memory.round(seconds, send, self.throttle)
        self._throttle()

    def _throttle(self) -> None:
        """Looked at once a second, like migration_trigger_throttle."""
        rules = self.engine.auto_converge
        self.throttle_moves = rules is not None and self.throttle < rules.most
        if rules is None or self.now - self.looked_at < 1.0:
            return
        if self.memory.dirtied - self.dirtied_then > rules.trigger * (self.sent - self.sent_then):
            self.due += 1
            if self.due >= 2:
                self.due = 0
                more = self.throttle + rules.increment if self.throttle else rules.initial
                self.throttle = min(rules.most, more)
        elif not self.throttle:
            self.throttle_moves = False
        self.looked_at, self.sent_then, self.dirtied_then = self.now, self.sent, self.memory.dirtied

    def _chance(self) -> float:
        """That what is dirty now is below the threshold as measured now."""
        mean, limit = self.memory.pending, self.limit  # QEMU compares whole pages with wire bytes
        if mean <= 0:
            return 1.0
        page = self.engine.page_bytes
        if limit < page:
            return math.exp(-mean / page)  # not one page may be dirty
        noise = math.hypot(self.path.unsteady * limit, math.sqrt(mean * page))
        # Where in its last step the round stopped; but a page that is written all the time is dirty anyway.
        width = min(self.width, limit) * (1 - self.memory.again)
        always = _below(limit, mean, noise, width)
        bursts, sweeps = self.memory.curve.unsteady * mean, self.memory.swing
        if not bursts and not sweeps:
            return always
        # A lull lasts longer than the time between two looks: it is one chance for all looks within it.
        lull = _below(limit, mean, math.hypot(noise, bursts, sweeps), width)
        return always + (1 - always) * lull * min(1.0, self.engine.check_seconds / LULL_SECONDS)

    def _at_stop(self) -> float:
        """Wire bytes that are left when a look succeeds."""
        most = self.limit - self.width * self.factor / 2
        return min(self.memory.pending * self.factor, most if most > 0 else self.limit)

    def _done(self, median: tuple[float, float, float], p95_left: float) -> Copying:
        seconds, sent, left = median
        p95 = max(self.now, seconds)
        first = self.first_seconds
        return Copying(True, seconds, p95, first, sent, left, p95_left, self.rounds, self.throttle)

    def _given_up(self, patience: float) -> Copying:
        left = self.memory.pending * self.factor
        seconds = self.now if math.isinf(patience) else patience
        first = self.first_seconds
        return Copying(False, seconds, seconds, first, self.sent, left, left, self.rounds, self.throttle)


def _left(threshold: float, step: float) -> float:
    """What is left, in the mean, when a look every `step` finds less than the threshold left."""
    if threshold >= step:
        return threshold - step / 2
    return threshold * threshold / (2 * step) if step > 0 else 0.0


def _below(limit: float, mean: float, noise: float, width: float) -> float:
    """The chance that mean + noise · N(0,1) + width · U(-1/2, 1/2) is below the limit."""
    low, high = limit - mean - width / 2, limit - mean + width / 2
    if noise <= 0:
        return 1.0 if low >= 0 else 0.0 if high <= 0 else high / width
    if width <= 1e-9 * noise:
        return _normal((limit - mean) / noise)
    return min(1.0, max(0.0, (_ramp(high, noise) - _ramp(low, noise)) / width))


def _ramp(x: float, noise: float) -> float:
    """The integral of the normal distribution function up to x."""
    z = x / noise
    if z > 8:
        return x
    if z < -8:
        return 0.0
    return x * _normal(z) + noise * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _normal(z: float) -> float:
    return 0.5 * math.erfc(-z / math.sqrt(2))
