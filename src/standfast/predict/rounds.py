"""The rounds of one pre-copy migration in the mean: QEMU's loop over page classes instead of pages.

A round sends what was dirty at the last synchronisation, from where the round before stopped. It ends when
what is left would fit into the downtime limit at the present rate; then the dirty log is read again, and
either what is dirty now fits as well, and the guest is stopped, or the next round begins. So late rounds are
as short as QEMU looks (50 ms), and the guest is stopped with nearly a full limit's worth of pages.

Whether a look succeeds is a chance: the rate of the last 100 ms and what the guest wrote vary, and where in
its last step a round stops is any point of it. So what is carried from look to look is the chance that the
guest still runs; medians and 95th percentiles are where it falls below a half and a twentieth. Everything is
smooth in its inputs: a slower link or a busier guest never looks better by an accident of rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from standfast.predict.dirty import DirtyCurve, PageClass
from standfast.predict.engine import AutoConverge, Engine, Path

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
    patience = math.inf if patience_seconds is None else patience_seconds
    loop = _Loop(guest, path, engine)
    loop.first_round()
    return loop.look_until(patience)


class _Loop:
    """The state between two looks: for each class the share that is dirty, and the time and bytes so far."""

    def __init__(self, guest: Guest, path: Path, engine: Engine) -> None:
        self.engine, self.path = engine, path
        self.memory = max(0.0, guest.memory_bytes)
        zero = min(1.0, max(0.0, guest.zero_share))
        self.curve = guest.dirty.within(self.memory * (1 - zero))
        page = engine.page_bytes
        self.factor = (page + engine.header_bytes) / page
        self.full_wire = self.memory * ((1 - zero) * self.factor + zero * engine.zero_bytes / page)
        # Zero pages lie together mostly: they pass as fast as they are looked at, the others as the link
        # takes them.
        per_zero = max(engine.zero_bytes / path.bytes_per_second, 1 / engine.pages_per_second)
        per_page = max((page + engine.header_bytes) / path.bytes_per_second, 1 / engine.pages_per_second)
        self.first_seconds = self.memory / page * ((1 - zero) * per_page + zero * per_zero)
        self.rate = path.bytes_per_second / self.factor  # of page bytes
        told = path.switchover_bytes_per_second or path.bytes_per_second
        self.limit = told * engine.downtime_limit_seconds
        self.chunks = 1.0
        if engine.chunk_bytes is not None and self.memory > engine.chunk_bytes:
            self.chunks = math.ceil(self.memory / engine.chunk_bytes)
        self.dirty = [1.0] * len(self.curve.classes)
        self.now = self.sent = self.pending = 0.0
        self.again = 0.0  # of what the last round sent, the share that is dirty again
        self.rounds = 1
        self.throttle, self.due = 0.0, 0
        self.looked_at, self.sent_then, self.dirtied = 0.0, 0.0, 0.0

    def first_round(self) -> None:
        """All of memory once, but for what is left when the round ends."""
        self.pending = self.memory
        left = 0.0
        if self.first_seconds > 0:
            # Nothing of the guest is special here: all its pages, zero ones too, are pending alike.
            told = self.path.switchover_bytes_per_second or self.full_wire / self.first_seconds
            threshold = told * self.engine.downtime_limit_seconds
            step = self.memory / self.first_seconds * self.engine.check_seconds
            left = min(self.memory, _left(threshold, step))
        share = 1.0 - left / self.memory if self.memory else 1.0
        self.sent = self.full_wire * share
        self._pass(self.first_seconds * share, share)
        clean = left - sum(c.size_bytes for c in self.curve.classes) * (1 - share)
        self.untouched = max(0.0, clean) * self.full_wire / self.memory / self.factor if self.memory else 0.0
        """Pages of the first round still to be sent that the guest does not write, as full pages."""
        self._count()

    def look_until(self, patience: float) -> Copying:
        """Rounds that end at the threshold."""
        engine = self.engine
        step = self.rate * engine.check_seconds
        running, best, since = 1.0, math.inf, 0
        median: tuple[float, float, float] | None = None
        while True:
            chance = self._chance(step)
            running *= 1.0 - chance
            if median is None and running <= 0.5:
                median = (self.now, self.sent, self._at_stop(step))
            if running <= TWENTIETH and median is not None:
                return self._done(median, self.now, max(median[2], self._at_stop(step)))
            if self.pending < best * (1 - STALLED_SHARE) or self.throttle_moves:
                best, since = self.pending, 0
            since += 1
            stalled = since > STALLED_LOOKS and chance < 1e-4
            if stalled or self.now >= patience:
                if median is not None:
                    return self._done(median, self.now, max(median[2], self.pending * self.factor))
                return self._given_up(patience)
            self._round(step)

    def _round(self, step: float) -> None:
        """Send until what is left is below the threshold again, one step at least."""
        pending = self.pending
        left = min(_left(self.limit, step), max(0.0, pending - step))
        self._send((pending - left) / self.rate, 1.0 - left / pending if pending else 1.0)

    def _send(self, seconds: float, share: float) -> None:
        self.sent += seconds * self.path.bytes_per_second
        seconds = max(seconds, SHORTEST_ROUND_SECONDS)
        self.untouched *= 1 - share
        self._pass(seconds, share)
        self.rounds += 1
        self._count()

    def _count(self) -> None:
        pairs = zip(self.curve.classes, self.dirty, strict=True)
        self.pending = self.untouched + sum(c.size_bytes * dirty for c, dirty in pairs)

    def _pass(self, seconds: float, share: float) -> None:
        """A round of that length, which sends `share` of what is dirty; then the dirty log is read."""
        self.now += seconds
        curve = self.curve
        pending, sent_anew = self.pending, 0.0
        for index, each in enumerate(curve.classes):
            slow = self._slow(each)
            was = self.dirty[index]
            anew = was * share * _sent_share(slow, seconds, share, self.chunks, was)
            clean = (1 - was) * _clean_share(slow, seconds, was)
            self.dirtied += each.size_bytes * (anew + clean)
            sent_anew += each.size_bytes * anew
            self.dirty[index] = min(1.0, was * (1 - share) + anew + clean)
        self.again = min(1.0, sent_anew / (pending * share)) if pending * share > 0 else 0.0
        self._throttle()

    def _slow(self, each: PageClass) -> PageClass:
        if not self.throttle:
            return each
        return PageClass(each.size_bytes, each.period_seconds / (1 - self.throttle), each.regular)

    def _throttle(self) -> None:
        """Looked at once a second, like migration_trigger_throttle."""
        rules = self.engine.auto_converge
        self.throttle_moves = rules is not None and self.throttle < rules.most
        if rules is None or self.now - self.looked_at < 1.0:
            return
        if self.dirtied > rules.trigger * (self.sent - self.sent_then):
            self.due += 1
            if self.due >= 2:
                self.due = 0
                self.throttle = self._more(rules)
        elif not self.throttle:
            self.throttle_moves = False
        self.looked_at, self.sent_then, self.dirtied = self.now, self.sent, 0.0

    def _more(self, rules: AutoConverge) -> float:
        return min(rules.most, self.throttle + rules.increment if self.throttle else rules.initial)

    def _chance(self, step: float) -> float:
        """That what is dirty now is below the threshold as measured now."""
        mean = self.pending  # QEMU compares whole pages with wire bytes
        if mean <= 0:
            return 1.0
        limit = self.limit
        if limit < self.engine.page_bytes:
            return 0.0  # not one page may be dirty: nothing to count upon
        noise = math.hypot(self.path.unsteady * limit, math.sqrt(self.pending * self.engine.page_bytes))
        # Where in its last step the round stopped; but a page that is written all the time is dirty anyway.
        width = min(step, limit) * (1 - self.again)
        always = _below(limit, mean, noise, width)
        if not self.curve.unsteady:
            return always
        # A lull lasts longer than the time between two looks: it is one chance for all looks within it.
        lull = _below(limit, mean, math.hypot(noise, self.curve.unsteady * mean), width)
        return always + (1 - always) * lull * min(1.0, self.engine.check_seconds / LULL_SECONDS)

    def _at_stop(self, step: float) -> float:
        """Wire bytes that are left when a look succeeds."""
        return min(self.pending * self.factor, max(0.0, self.limit - step * self.factor / 2) or self.limit)

    def _done(self, median: tuple[float, float, float], p95: float, p95_left: float) -> Copying:
        seconds, sent, left = median
        return Copying(
            True,
            seconds,
            max(p95, seconds),
            self.first_seconds,
            sent,
            left,
            p95_left,
            self.rounds,
            self.throttle,
        )

    def _given_up(self, patience: float) -> Copying:
        left = self.pending * self.factor
        seconds = self.now if math.isinf(patience) else patience
        return Copying(
            False, seconds, seconds, self.first_seconds, self.sent, left, left, self.rounds, self.throttle
        )


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


def _sent_share(each: PageClass, seconds: float, share: float, chunks: float, was: float) -> float:
    """Of the pages of a class sent in a round, how many are dirty again at its end.

    A page is protected when its chunk is first sent from. Pages of a regular class come again only when all
    the clean ones have been written.
    """
    whole = each.share(seconds) if chunks <= 1 else _mean_share(each, seconds, share, chunks)
    if not each.regular:
        return whole
    clean = 1 - was
    turns = seconds / each.period_seconds
    if turns >= 1 or was <= 0:
        return whole
    return min(whole, max(0.0, turns - clean) / was)


def _clean_share(each: PageClass, seconds: float, was: float) -> float:
    """Of the pages of a class that were clean when a round began, how many are dirty at its end."""
    if not each.regular or was >= 1:
        return each.share(seconds)
    return min(1.0, seconds / each.period_seconds / (1 - was))


def _mean_share(each: PageClass, seconds: float, share: float, chunks: float) -> float:
    """The mean of each.share over the times since each chunk of the round was protected."""
    count = max(1, math.ceil(share * chunks - 1e-9))
    apart = seconds / max(share * chunks, 1e-12) if count > 1 else 0.0
    if each.regular:
        if count > 32:
            return _mean_ramp(seconds / each.period_seconds)
        return sum(each.share(max(0.0, seconds - j * apart)) for j in range(count)) / count
    decay = apart / each.period_seconds
    last = max(0.0, seconds - (count - 1) * apart) / each.period_seconds
    if decay * count < 1e-9:
        return each.share(seconds)
    clean = math.exp(-last) * -math.expm1(-decay * count) / (-math.expm1(-decay) * count)
    return 1.0 - min(1.0, clean)


def _mean_ramp(turns: float) -> float:
    return turns / 2 if turns <= 1 else 1 - 1 / (2 * turns)
