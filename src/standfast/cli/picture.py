"""What a watcher sees, drawn: for the live screen, and as a file to show to somebody else."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from standfast.cli import screen
from standfast.cli.screen import Seen
from standfast.files import write_whole

COLUMNS = 118
EVENTS = 16
"""How many of the last events a file shows above the screen."""


def picture(seen: Seen) -> RenderableType:
    """The header, a lane for each host, moves in the air, and what blocks."""
    parts: list[Any] = [Text(line, style="bold") for line in screen.header(seen)]
    lanes = Table.grid(padding=(0, 2))
    for row in sorted(seen.run.hosts, key=lambda row: row.position):
        name, phase, last = screen.lane(seen, row)
        lanes.add_row(Text(name), Text(phase, style=_STYLES.get(str(row.phase), "")), Text(last, style="dim"))
    parts.append(lanes)
    moves = screen.flights(seen.live) if not seen.run.ended else []
    if moves:
        table = Table.grid(padding=(0, 2))
        for move in moves:
            table.add_row(*(Text(part) for part in move))
        parts.append(table)
    parts += [Text(line, style="yellow") for line in screen.blocks(seen)]
    return Group(*parts)


_STYLES = {"done": "green", "held": "yellow", "failed": "red", "planned": "dim", "skipped": "dim"}


def write_svg(path: Path, seen: Seen) -> None:
    """The last events and the screen as an SVG with nothing from outside in it. Raises StandfastError."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    names = screen.host_names(seen.run)
    for event in list(seen.events)[-EVENTS:]:
        console.print(Text(screen.event_line(event, names)), no_wrap=True, overflow="ellipsis")
    console.print()
    console.print(picture(seen))
    drawn = console.export_svg(title=f"standfast run watch {screen.short(seen.run.id)}")
    # rich names fonts on the web; a reader's own monospace font does as well and asks nobody.
    alone = re.sub(r"@font-face\s*\{[^}]*\}", "", drawn)
    write_whole(path, alone, "picture")
