"""A run as one screen of exactly the size there is: what fits, what matters most first. Pure; draws nothing.

The header and the way out stand always. Then come what blocks, hosts (those that wait for somebody, then
those at work, then the next ones), moves in the air, and with what is left over the last events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from standfast.cli import screen
from standfast.cli.screen import Seen
from standfast.model.run import ENDED_PHASES, HostRow, Phase
from standfast.model.units import size, span
from standfast.report.plain import cell

WAY = (
    *(Phase.SILENCED, Phase.DRAINING, Phase.EMPTY, Phase.PATCHING),
    *(Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING),
)
"""What a host passes between `planned` and `done`."""
STYLES = {
    "done": "green",
    "held": "bold red",
    "failed": "bold red",
    "planned": "dim",
    "skipped": "dim",
    "rolled_back": "yellow",
}
NAME_COLUMNS = 20
PHASE_COLUMNS = 34
MOST_WAITING = 5
"""Hosts that wait for their turn, where not all hosts fit."""
WIDE_COLUMNS = 70
"""From here on there is room for the way of each host and for bars."""
BAR_COLUMNS = 12
LEAST_LANES = 3
MOST_MOVES = 6


@dataclass(frozen=True, slots=True)
class Room:
    """Lines given to each part."""

    blocks: int
    lanes: int
    moves: int
    events: int


def frame(seen: Seen, width: int, height: int, *, keys: bool = True) -> list[Text]:
    """At most `height` lines of at most `width` columns; `keys`: somebody can press them."""
    head = header(seen, width)
    foot = [Text(_foot(seen, width, keys=keys), style="dim")]
    rows = sorted(seen.run.hosts, key=lambda row: row.position)
    blocked = blocks(seen, width)
    moves = screen.in_the_air(seen)
    left = height - len(head) - len(foot) - 1
    room = share(left, len(blocked), rows, len(moves), len(seen.events))
    parts = [blocked[: room.blocks], lanes(seen, rows, width, room.lanes)]
    parts.append(flights(moves, width, room.moves))
    parts.append(last_events(seen, room.events))
    body = [line for part in parts if part for line in (Text(), *part)]
    lines = [*head, *body][: max(0, height - 1)]
    lines += [Text()] * (height - 1 - len(lines))
    lines += foot
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines[:height]


def whole(seen: Seen, width: int) -> list[Text]:
    """The same without a limit and without events, to be printed and kept."""
    rows = sorted(seen.run.hosts, key=lambda row: row.position)
    moves = screen.in_the_air(seen)
    parts = [lanes(seen, rows, width, len(rows)), flights(moves, width, len(moves)), blocks(seen, width)]
    lines = [*header(seen, width), *(line for part in parts if part for line in (Text(), *part))]
    for line in lines:
        line.truncate(width, overflow="ellipsis")
    return lines


def share(lines: int, blocks: int, rows: Sequence[HostRow], moves: int, events: int) -> Room:
    """Who gets how many lines; each part that gets some costs one more, for the gap above it."""
    left = max(0, lines)

    def take(wanted: int) -> int:
        nonlocal left
        given = max(0, min(wanted, left - 1))
        left -= given + 1 if given else 0
        return given

    given_blocks = take(blocks)
    keep = min(moves, MOST_MOVES) + 1 if moves else 0
    most = max(LEAST_LANES, left - keep - 1)
    given_lanes = take(len(rows) if len(rows) <= most else len(chosen(rows, most)) + 1)
    given_moves = take(min(moves, MOST_MOVES))
    return Room(given_blocks, given_lanes, given_moves, take(events))


# --- the parts ----------------------------------------------------------------------------------------------


def header(seen: Seen, width: int) -> list[Text]:
    """State and time left in words, and how far the hosts are as a bar."""
    lines = [
        Text(line, style="bold" if not number else "") for number, line in enumerate(screen.header(seen))
    ]
    rows = seen.run.hosts
    done = sum(row.phase in ENDED_PHASES for row in rows)
    at_work = sum(row.phase not in ENDED_PHASES and row.phase != Phase.PLANNED for row in rows)
    if rows and not seen.run.ended:
        lines.append(_bar(done, at_work, len(rows), min(width, 72)))
    return lines


def _bar(done: int, at_work: int, hosts: int, width: int) -> Text:
    told = f" {done} done, {at_work} at work, {hosts - done - at_work} to come"
    columns = max(0, width - len(told))
    full = columns * done // hosts
    working = min(columns - full, max(1, columns * at_work // hosts)) if at_work else 0
    return Text.assemble(
        ("━" * full, "green"),
        ("━" * working, "bright_blue"),
        ("─" * (columns - full - working), "dim"),
        (told, "dim"),
    )


def blocks(seen: Seen, width: int) -> list[Text]:
    """What blocks and what to type, wrapped: none of it may be cut off."""
    lines: list[Text] = []
    for line in screen.blocks(seen):
        lines += [Text(part, style="yellow") for part in _wrapped(line, width)]
    return lines


def _wrapped(line: str, width: int) -> list[str]:
    """At blanks, and where a word is longer than the screen, in it."""
    parts: list[str] = []
    for word in line.split(" "):
        if parts and cell_len(parts[-1]) + 1 + cell_len(word) <= width:
            parts[-1] += f" {word}"
        else:
            parts.append(word)
    return [part[start : start + width] for part in parts for start in range(0, max(len(part), 1), width)]


def lanes(seen: Seen, rows: Sequence[HostRow], width: int, room: int) -> list[Text]:
    """A line for each host; where they don't all fit, those that matter now, and a line for the others."""
    if room <= 0:
        return []
    shown = chosen(rows, room)
    told = [
        (name, f"{phase}{screen.age(seen, row)}", last)
        for (name, phase, last), row in zip(screen.lanes(seen, shown), shown, strict=True)
    ]
    names = min(NAME_COLUMNS, max((cell_len(name) for name, _, _ in told), default=0))
    phases = min(PHASE_COLUMNS, max((cell_len(phase) for _, phase, _ in told), default=0))
    lines = [_lane(row, each, width, names, phases) for row, each in zip(shown, told, strict=True)]
    return lines if len(shown) == len(rows) else [*lines, _others(rows, shown)]


def chosen(rows: Sequence[HostRow], room: int) -> list[HostRow]:
    """Hosts to be shown on so many lines, one of which is for the others if not all are shown."""
    if len(rows) <= room:
        return list(rows)
    first = sorted(rows, key=_matters)
    now = [row for row in first if _matters(row)[0] < 3]
    waiting = [row for row in first if row.phase == Phase.PLANNED][:MOST_WAITING]
    return sorted([*now, *waiting][: room - 1], key=lambda row: row.position)


def _matters(row: HostRow) -> tuple[int, int]:
    if row.phase == Phase.HELD:
        return 0, row.position
    if row.phase not in ENDED_PHASES and row.phase != Phase.PLANNED:
        return 1, row.position
    if row.phase == Phase.FAILED:
        return 2, row.position
    return (3, row.position) if row.phase == Phase.PLANNED else (4, -row.position)


def _others(rows: Sequence[HostRow], shown: Sequence[HostRow]) -> Text:
    """`and 412 more: 400 planned, 12 done`"""
    there = {row.host for row in shown}
    counted: dict[str, int] = {}
    for row in rows:
        if row.host not in there:
            counted[row.phase] = counted.get(row.phase, 0) + 1
    told = ", ".join(
        f"{number} {cell(phase)}" for phase, number in sorted(counted.items(), key=lambda x: -x[1])
    )
    return Text(f"and {sum(counted.values())} more: {told}", style="dim")


def _lane(row: HostRow, told: tuple[str, str, str], width: int, names: int, phases: int) -> Text:
    """`kvm2  ■■▣····  draining 12 s of about 30 s  vm3: moving kvm2 -> kvm1`"""
    name, phase, last = told
    style = STYLES.get(str(row.phase), "bright_blue")
    parts: list[tuple[str, str]] = [
        (_set(name, names), "bold" if style == "bright_blue" else style),
        ("  ", ""),
    ]
    if width >= WIDE_COLUMNS:
        parts += [*_way(row), ("  ", "")]
    parts += [(_set(phase, phases), style), ("  ", ""), (last, "dim")]
    return Text.assemble(*parts, no_wrap=True)


def _way(row: HostRow) -> list[tuple[str, str]]:
    """A mark for each phase: behind it, in it, before it."""
    now = row.held_phase if row.phase == Phase.HELD else row.phase
    if now == Phase.DONE:
        return [("■" * len(WAY), "green")]
    if now not in WAY:
        return [("·" * len(WAY), "dim")]
    place = WAY.index(Phase(now))
    style = STYLES["held"] if row.phase == Phase.HELD else "bright_blue"
    return [("■" * place, "green"), ("▣", style), ("·" * (len(WAY) - place - 1), "dim")]


def flights(moves: Sequence[dict[str, Any]], width: int, room: int) -> list[Text]:
    """A line for each move in the air; where they don't all fit, the last line counts the others."""
    if room <= 0 or not moves:
        return []
    shown = moves if len(moves) <= room else moves[: room - 1]
    names = min(NAME_COLUMNS, max((cell_len(cell(str(each["vm"]))) for each in shown), default=0))
    ways = min(2 * NAME_COLUMNS, max((cell_len(_from_to(each)) for each in shown), default=0))
    lines = [_flight(each, width, names, ways) for each in shown]
    if len(shown) < len(moves):
        rate = sum(each["bytes_per_second"] for each in moves)
        lines.append(Text(f"and {len(moves) - len(shown)} more moves, {size(rate)}/s in all", style="dim"))
    return lines


def _from_to(each: dict[str, Any]) -> str:
    return cell(f"{each['source']} -> {each['target']}")


def _flight(each: dict[str, Any], width: int, names: int, ways: int) -> Text:
    total, sent = each["total_bytes"], min(each["sent_bytes"], each["total_bytes"])
    full = BAR_COLUMNS * sent // total if total else 0
    parts: list[tuple[str, str]] = [(_set(cell(str(each["vm"])), names), "bold"), ("  ", "")]
    parts += [(_set(_from_to(each), ways), ""), ("  ", "")]
    if width >= WIDE_COLUMNS:
        parts += [("█" * full, "bright_blue"), ("░" * (BAR_COLUMNS - full), "dim"), ("  ", "")]
    told = f"{size(sent)} of {size(total)}" if total else "starting"
    told += f", {size(each['bytes_per_second'])}/s" if each["bytes_per_second"] else ""
    told += f", round {each['iteration']}" if each["iteration"] > 1 else ""
    told += f", {span(each['seconds'])}" if each.get("seconds") else ""
    return Text.assemble(*parts, told, no_wrap=True)


def last_events(seen: Seen, room: int) -> list[Text]:
    """The newest at the bottom."""
    names = screen.host_names(seen.run)
    shown = list(seen.events)[-room:] if room > 0 else []
    return [Text(screen.event_line(event, names), style="dim", no_wrap=True) for event in shown]


def _foot(seen: Seen, width: int, *, keys: bool) -> str:
    """How to leave and how to steer: as much of it as fits."""
    leave = "q: leave" if keys else "Ctrl-C: leave"
    if seen.run.ended:
        return leave
    run = screen.short(seen.run.id)
    options = (
        f"{leave}, the run goes on · standfast run pause | resume | cancel {run}",
        f"{leave}, the run goes on · standfast run pause | resume | cancel",
        f"{leave}, the run goes on",
    )
    return next((option for option in options if len(option) <= width), leave)


def _set(text: str, columns: int) -> str:
    """Cut or filled to so many columns; what is cut ends in `…`."""
    if cell_len(text) > columns:
        return set_cell_size(text, columns - 1) + "…" if columns else ""
    return set_cell_size(text, columns)
