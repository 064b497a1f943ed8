"""A guest's memory during a migration, in the mean: which share of which class is dirty where.

Memory is cut into stretches in the order in which it is sent, and every class lies in all of them alike. The
cursor goes round: what was sent last comes last again, so a page waits a whole turn for it, which a model
that picks dirty pages at random gets wrong by up to a half.

When a page is protected again, so that a write to it counts, is the hypervisor's habit: all at the
synchronisation, or chunk by chunk just before the chunk is sent (1 GiB on KVM).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from standfast.predict.dirty import DirtyCurve, PageClass

STRETCHES, STRETCHES_OF_ONE = 8, 4
"""How many; twice as many change no prediction by a percent. With one class where a page is matters less."""


class Memory:
    """`size_bytes` of pages with content, all of them dirty at first; the curve says how they are written."""

    def __init__(self, curve: DirtyCurve, size_bytes: float, chunks: int) -> None:
        """`chunks`: how many are protected one after the other; 1: everything at the synchronisation."""
        self.curve = curve
        self.chunks = chunks
        self.stretches = STRETCHES if len(curve.classes) > 1 else STRETCHES_OF_ONE
        quiet = max(0.0, size_bytes - curve.size_bytes)
        self.classes: tuple[PageClass, ...] = curve.classes
        self._sizes = [each.size_bytes / self.stretches for each in self.classes]
        self._dirty = [[1.0] * self.stretches for _ in self.classes]
        self._quiet = [quiet / self.stretches] * self.stretches  # of the first pass, not sent yet
        self._cursor = 0
        self.pending = size_bytes
        self.dirtied = 0.0
        self.again = 0.0
        """Of what the last round sent, the share that is dirty again."""
        self.swing = 0.0
        """Standard deviation in bytes of what sweeps leave dirty: the cursor overtakes them, and for a while
        after that there is little, before that much."""

    def round(self, seconds: float, send: float, throttle: float) -> None:
        """So long a round, which sends so many bytes from the cursor on; then the dirty log is read."""
        passed = self._advance(send)
        slow = 1.0 - throttle
        anew = swing = 0.0
        pending = sum(self._quiet)
        for each, size, dirty in zip(self.classes, self._sizes, self._dirty, strict=True):
            turns = slow * seconds / each.period_seconds
            untouched = math.exp(-turns)
            for index, (share, sooner) in enumerate(passed):
                was = dirty[index]
                if share == 0.0:
                    grown = was + (1 - was) * (1 - untouched)
                    dirty[index] = grown = min(1.0, was + turns) if each.regular else grown
                    self.dirtied += size * (grown - was)
                else:
                    back = _again(each.regular, turns, sooner, was)
                    kept, fresh = was * (1 - share), was * share * back
                    clean = min(1 - was, turns) if each.regular else (1 - was) * (1 - untouched)
                    anew += size * fresh
                    self.dirtied += size * (fresh + clean)
                    dirty[index] = min(1.0, kept + fresh + clean)
            share = sum(dirty) / self.stretches
            pending += each.size_bytes * share
            if each.regular:
                swing += each.size_bytes * min(share, 1 - share)
        self.pending = pending
        self.again = min(1.0, anew / send) if send > 0 else 0.0
        self.swing = swing / math.sqrt(3)  # even, from nothing to twice the mean

    def _advance(self, send: float) -> list[tuple[float, Sequence[float]]]:
        """Move the cursor; for each stretch the share of its dirty pages that is sent, and which parts of the
        round (0 to 1) went by before the chunks in it were protected."""
        passed: list[tuple[float, Sequence[float]]] = [(0.0, ())] * self.stretches
        left, protected = send, dict[int, float]()
        pairs = list(zip(self._sizes, self._dirty, strict=True))
        for _ in range(self.stretches):
            index = self._cursor
            amount = self._quiet[index]
            for size, dirty in pairs:
                amount += size * dirty[index]
            taken = min(amount, left)
            if taken > 0:
                share = taken / amount
                passed[index] = (share, self._protected(index, 1 - left / send, taken / send, protected))
                self._quiet[index] *= 1 - share
            left -= taken
            if left <= 1e-9 * send and taken < amount:
                break  # what is left of this stretch is sent first in the next round
            self._cursor = (index + 1) % self.stretches
            if left <= 1e-9 * send:
                break
        return passed

    def _protected(
        self, index: int, begin: float, span: float, protected: dict[int, float]
    ) -> Sequence[float]:
        """When the chunks of a stretch were, as parts of the round; evenly spread where they are many."""
        if self.chunks <= 1:
            return (0.0,)
        if self.chunks <= self.stretches:  # chunks of several stretches: the first of these protects all
            return (protected.setdefault(index * self.chunks // self.stretches, begin),)
        count = min(4, math.ceil(self.chunks / self.stretches))
        early = 0.0 if count < 4 else 0.5
        return tuple(begin + span * (part + early) / count for part in range(count))


def _again(regular: bool, turns: float, sooner: Sequence[float], was: float) -> float:
    """Of the pages sent, how many are dirty again at the end of a round of so many turns of their class.

    Pages of a regular class come again only when all the clean ones have been written.
    """
    total = 0.0
    for part in sooner:
        after = turns * (1 - part)
        total += min(1.0, after) if regular else -math.expm1(-after)
    mean = total / len(sooner)
    if not regular or turns >= 1 or was <= 0:
        return mean
    return min(mean, max(0.0, turns - (1 - was)) / was)
