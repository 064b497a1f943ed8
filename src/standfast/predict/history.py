"""Former moves as what they teach, and as how right their predictions were.

A move that shared its link is set against the time that the model gives to its share: with k on the busier
end all the while, copying takes k times as long, and that says nothing of the link.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from standfast.model.ids import HostId
from standfast.model.learnt import Learnt
from standfast.model.run import MoveRow, MoveState
from standfast.predict.calibrate import Past, Way, at_stop, fit_transport
from standfast.predict.fit import Point, median
from standfast.predict.precopy import SETUP_SECONDS, SWITCHOVER_SECONDS

LEAST_SENT, MOST_SENT = 0.1, 3.0
"""Beyond, a move is not what was foretold, or its count of bytes is not one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One span of one finished move: predicted p50 and p95, measured, all in seconds."""

    predicted: float
    predicted_p95: float
    measured: float

    @property
    def error(self) -> float:
        """Relative, above zero where it took longer than predicted. Infinite where nothing was measured."""
        return self.predicted / self.measured - 1 if self.measured > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Over many moves: median and 90th percentile of the absolute relative error, and the share within
    p95."""

    moves: int
    median_error: float
    p90_error: float
    within_p95: float


def learn(moves: Iterable[MoveRow]) -> Learnt | None:
    """What finished moves of one cluster teach; None where none tells anything."""
    done = [move for move in moves if usable(move)]
    sent = _sent(done)
    usual = median(list(sent.values())) if sent else 1.0
    bright = [
        _past(move, share, sent.get(move.vm, usual))
        for move, share in zip(done, shares(done), strict=True)
        if _brownout(move) > 0
    ]
    dark = [
        Past(_way(move), _dark(move, sent.get(move.vm, usual)))
        for move in done
        if _blackout(move) > 0 and move.predicted.switch_seconds > 0
    ]
    if not bright and not dark:
        return None
    return Learnt(
        brownout=fit_transport(bright, SETUP_SECONDS) if bright else None,
        blackout=fit_transport(dark, SWITCHOVER_SECONDS) if dark else None,
        sent=sent,
        sent_usual=usual,
    )


def _sent(moves: Sequence[MoveRow]) -> dict[str, float]:
    """Of each VM, the middle one of its moves' bytes as a share of what was foretold."""
    ratios: dict[str, list[float]] = {}
    for move in moves:
        wire = move.record.wire_bytes if move.record is not None else None
        if wire and move.predicted.wire_bytes > 0:
            ratio = wire / move.predicted.wire_bytes
            ratios.setdefault(str(move.vm), []).append(min(MOST_SENT, max(LEAST_SENT, ratio)))
    return {vm: median(each) for vm, each in ratios.items()}


def usable(move: MoveRow) -> bool:
    """Finished, measured, and foretold by this model to converge."""
    told = move.predicted
    return (
        move.state is MoveState.DONE
        and move.record is not None
        and told.converges
        and told.once_seconds > 0
        and math.isfinite(_brownout(move))
        and math.isfinite(_blackout(move))
    )


def shares(moves: Sequence[MoveRow]) -> list[float]:
    """For each move, how many divided its link on average while it ran, itself included; 1 or more."""
    found = []
    for move in moves:
        begin, end = move.started_at, move.ended_at if move.ended_at is not None else move.started_at
        out = _overlap(move.source, begin, end, moves, source=True)
        into = _overlap(move.target, begin, end, moves, source=False)
        found.append(max(1.0, out, into))
    return found


def _overlap(host: HostId, begin: float, end: float, moves: Sequence[MoveRow], *, source: bool) -> float:
    if end <= begin:
        return 1.0
    total = 0.0
    for other in moves:
        if other.ended_at is None or (other.source if source else other.target) != host:
            continue
        total += max(0.0, min(end, other.ended_at) - max(begin, other.started_at))
    return total / (end - begin)


def _past(move: MoveRow, share: float, sent: float) -> Past:
    told = move.predicted
    more = sent * share / max(1.0, told.share)  # the terms have the share that was expected in them
    return Past(_way(move), Point(told.once_seconds * more, told.again_seconds * more, _brownout(move)))


def _dark(move: MoveRow, sent: float) -> Point:
    """A black-out's terms: what was left, and what the socket held before it."""
    told = move.predicted
    left = at_stop(told.switch_seconds, told.again_seconds, sent)
    return Point(left, told.buffered_seconds, _blackout(move))


def _way(move: MoveRow) -> Way:
    return Way("", str(move.source), str(move.target), str(move.vm))


def _brownout(move: MoveRow) -> float:
    return _measured(move, "brownout_seconds") or 0.0


def _blackout(move: MoveRow) -> float:
    return _measured(move, "blackout_seconds") or 0.0


def brownouts(moves: Iterable[MoveRow]) -> list[Compared]:
    """Predicted and measured brown-outs of the moves that have both."""
    return [
        Compared(move.predicted.brownout_seconds, move.predicted.brownout_p95_seconds, seconds)
        for move in moves
        if (seconds := _measured(move, "brownout_seconds")) is not None
    ]


def blackouts(moves: Iterable[MoveRow]) -> list[Compared]:
    """The same of black-outs."""
    return [
        Compared(move.predicted.blackout_seconds, move.predicted.blackout_p95_seconds, seconds)
        for move in moves
        if (seconds := _measured(move, "blackout_seconds")) is not None
    ]


def _measured(move: MoveRow, span: str) -> float | None:
    if move.state is not MoveState.DONE or move.record is None:
        return None
    seconds: float | None = getattr(move.record, span)
    return seconds


def accuracy(compared: Sequence[Compared]) -> Accuracy | None:
    """None where nothing was measured. Percentiles are values that occurred."""
    errors = sorted(abs(each.error) for each in compared if math.isfinite(each.error))
    if not errors:
        return None
    within = sum(each.measured <= each.predicted_p95 for each in compared) / len(compared)
    return Accuracy(
        moves=len(errors),
        median_error=errors[math.ceil(0.5 * len(errors)) - 1],
        p90_error=errors[math.ceil(0.9 * len(errors)) - 1],
        within_p95=within,
    )
