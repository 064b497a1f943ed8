"""The third picture: where each VM ran, and when it moved. A row for each VM that moved.

Where there are too many for rows, the busiest ways between hosts as bars.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from standfast.model.units import span
from standfast.report.html.scale import Tick, TimeScale, fits, short
from standfast.report.words import clock

MOST_VMS = 40
MOST_WAYS = 20
TINTS = 6
"""How many hosts can be told apart by their tint; each piece is labelled besides where it has room."""
ROW = 40
TOP = 6
FOOT = 24


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch on one host or of one move; `x` and `width` in percent."""

    kind: str
    """`on0` … `on5` by host, or `evacuate`, `refill`, `rebalance`, `failed`, `started`."""
    x: float
    width: float
    label: str
    fit: str
    told: str

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True, slots=True)
class VmRow:
    name: str
    way: str
    y: int
    pieces: list[Piece]


@dataclass(frozen=True, slots=True)
class Way:
    """All moves from one host to another; `width` in percent."""

    name: str
    number: int
    width: float


@dataclass(frozen=True, slots=True)
class Places:
    height: int
    rows: list[VmRow]
    ticks: list[Tick]
    kinds: list[str]
    ways: list[Way]
    """Instead of rows, where there are too many."""
    ways_left_out: int

    @property
    def floor(self) -> int:
        return self.height - FOOT


def places(report: dict[str, Any], scale: TimeScale) -> Places | None:
    """The picture's marks; None where nothing moved."""
    of_vm: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for move in report["moves"]:
        of_vm[move["vm_id"]].append(move)
    if not of_vm:
        return None
    if len(of_vm) > MOST_VMS:
        return _busiest(report["moves"])
    hosts = sorted({move[end] for move in report["moves"] for end in ("source", "target")}, key=natural)
    tints = {name: f"on{number % TINTS}" for number, name in enumerate(hosts)}
    vms = sorted(of_vm.values(), key=lambda moves: natural(moves[0]["vm"]))
    rows = [
        VmRow(short(moves[0]["vm"], 24), _way(moves), TOP + ROW * number, list(_pieces(moves, tints, scale)))
        for number, moves in enumerate(vms)
    ]
    found = {piece.kind for row in rows for piece in row.pieces} - set(tints.values())
    return Places(TOP + ROW * len(rows) + FOOT, rows, scale.ticks(), sorted(found), [], 0)


def natural(name: str) -> tuple[object, ...]:
    """So that vm2 comes before vm10."""
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part) if part.isdigit() else 0, part) for part in parts)


def _way(moves: Sequence[dict[str, Any]]) -> str:
    """`kvm1 → kvm2 → kvm3`: failed attempts lead nowhere."""
    done = [move["target"] for move in moves if move["state"] == "done"]
    return short(" → ".join([moves[0]["source"], *done]), 44)


def _pieces(moves: Sequence[dict[str, Any]], tints: dict[str, str], scale: TimeScale) -> Iterator[Piece]:
    host, since = moves[0]["source"], scale.began_at
    for move in moves:
        host = move["source"]
        yield _on(host, since, move["started_at"], tints, scale)
        ended_at = scale.until if move["ended_at"] is None else move["ended_at"]
        yield _moving(move, ended_at, scale)
        host, since = (move["target"] if move["state"] == "done" else host), ended_at
    if since < scale.until:
        yield _on(host, since, scale.until, tints, scale)


def _on(host: str, since: float, until: float, tints: dict[str, str], scale: TimeScale) -> Piece:
    x, width = _place(since, until, scale)
    label = short(host, 16)
    told = f"on {host} from {clock(since)} to {clock(until)}"
    return Piece(tints[host], x, width, label, fits(width, label), told)


def _moving(move: dict[str, Any], ended_at: float, scale: TimeScale) -> Piece:
    kind = move["purpose"] if move["state"] == "done" else move["state"]
    x, width = _place(move["started_at"], ended_at, scale)
    words = {"failed": ": failed", "started": ": not finished"}.get(kind, "")
    dark = move["blackout_seconds"]
    words += f", black-out {span(dark)}" if dark is not None else ""
    told = f"{clock(move['started_at'])} {move['vm']}: {move['source']} → {move['target']}{words}"
    return Piece(kind, x, width, "", "", told)


def _place(since: float, until: float, scale: TimeScale) -> tuple[float, float]:
    x = scale.x(since)
    return x, round(max(scale.x(until) - x, 0.0), 3)


def _busiest(moves: Sequence[dict[str, Any]]) -> Places:
    done = [(move["source"], move["target"]) for move in moves if move["state"] == "done"]
    counted = Counter(done).most_common()
    most = counted[0][1] if counted else 1
    ways = [
        Way(f"{short(source)} → {short(target)}", number, round(100.0 * number / most, 2))
        for (source, target), number in counted[:MOST_WAYS]
    ]
    return Places(0, [], [], [], ways, max(0, len(counted) - MOST_WAYS))
