"""`history`: how right the predictions of former moves were, and what was learnt of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from standfast.cli.out import plural, say, show, show_json, table
from standfast.cli.session import Session, verb

if TYPE_CHECKING:
    from standfast.model.learnt import Learnt
    from standfast.model.run import MoveRow
    from standfast.predict.history import Accuracy

MOST = 1000
LISTED = 20


@verb(name="history")
@click.option("--cluster", metavar="NAME", help="Only moves of this cluster.")
@click.option("--all", "everything", is_flag=True, help=f"List up to {MOST} moves, not the last {LISTED}.")
def history(session: Session, cluster: str | None, everything: bool) -> int:
    """Show former moves: predicted and measured brown-out and black-out, and how far they were apart.

    What they teach is used by `plan` of the same cluster. Reads the store alone.
    """
    session.check_cluster(cluster)
    moves = past_moves(session, cluster)
    if session.json:
        show_json(as_dict(moves))
    elif not moves:
        say("There is no finished move on record yet.")
    else:
        show(as_text(moves, LISTED if not everything else MOST))
    return 0


def past_moves(session: Session, cluster: str | None) -> tuple[MoveRow, ...]:
    """Finished moves of the cluster, or of all, the last ones, oldest first; none without a store."""
    if not session.store_path.exists():
        return ()
    return session.store.past_moves(cluster, MOST)


def learnt_of(session: Session, cluster: str) -> Learnt | None:
    """What the cluster's former moves teach of the next ones; None where there is none."""
    from standfast.predict.history import learn

    return learn(past_moves(session, cluster))


def as_dict(moves: Sequence[MoveRow]) -> dict[str, Any]:
    """Everything for a program; errors are relative, above zero where it was predicted too long."""
    from standfast.predict.history import accuracy, blackouts, brownouts, learn

    learnt = learn(moves)
    accuracies = {"brownout": accuracy(brownouts(moves)), "blackout": accuracy(blackouts(moves))}
    return {
        "moves": [_move(move) for move in moves],
        "accuracy": {name: None if each is None else asdict(each) for name, each in accuracies.items()},
        "learnt": None if learnt is None else asdict(learnt),
    }


def _move(move: MoveRow) -> dict[str, Any]:
    told, record = move.predicted, move.record
    return {
        "vm": move.vm_name,
        "source": str(move.source),
        "target": str(move.target),
        "started_at": move.started_at,
        "predicted": asdict(told),
        "measured": None if record is None else asdict(record),
    }


def as_text(moves: Sequence[MoveRow], most: int) -> str:
    """A table of the last moves, then figures over all of them."""
    from standfast.predict.history import accuracy, blackouts, brownouts, learn

    head: tuple[str, ...] = ("VM", "BROWN-OUT", "PREDICTED", "OFF BY", "BLACK-OUT", "PREDICTED", "OFF BY")
    rows = [_row(move) for move in moves[-most:]]
    seen = [_seen(move) for move in moves[-most:]]
    if any(seen):  # only where somebody asked VMs while they moved
        head, rows = (*head, "PROBE SAW"), [(*row, each) for row, each in zip(rows, seen, strict=True)]
    lines = [table(head, rows)]
    if len(moves) > most:
        lines.append(f"… and {plural(len(moves) - most, 'earlier move')}; --all lists them.")
    lines.append("")
    for word, each in (("Brown-out", accuracy(brownouts(moves))), ("Black-out", accuracy(blackouts(moves)))):
        if each is not None:
            lines.append(_accuracy(word, each))
    learnt = learn(moves)
    if learnt is not None and learnt.brownout is not None:
        line, of = learnt.brownout.line, plural(learnt.brownout.moves, "move")
        speed = f"{line.once:.2f} times what copying takes at the nominal speed"
        lines.append(f"Learnt of {of}: {line.fixed:.2g} s, and {speed}.")
    return "\n".join(lines)


def _accuracy(word: str, each: Accuracy) -> str:
    return (
        f"{word}: off by {each.median_error:.0%} in the median, by {each.p90_error:.0%} at most 9 times in "
        f"10, within the predicted p95 {each.within_p95:.0%} of the time ({plural(each.moves, 'move')})."
    )


def _row(move: MoveRow) -> tuple[str, ...]:
    told, record = move.predicted, move.record
    bright = None if record is None else record.brownout_seconds
    dark = None if record is None else record.blackout_seconds
    return (
        move.vm_name,
        *_pair(told.brownout_seconds, bright),
        *_pair(told.blackout_seconds, dark),
    )


def _seen(move: MoveRow) -> str:
    from standfast.model.units import span

    seconds = None if move.record is None else move.record.seen_seconds
    return "" if seconds is None else span(seconds)


def _pair(predicted: float, measured: float | None) -> tuple[str, str, str]:
    from standfast.model.units import span

    if measured is None:
        return "-", span(predicted), ""
    off = f"{predicted / measured - 1:+.0%}" if measured > 0 else ""
    return span(measured), span(predicted), off
