"""What a watcher sees, drawn: for the live screen, and as a file to show to somebody else."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.text import Text

from standfast.cli import frame, screen
from standfast.cli.screen import Seen
from standfast.files import write_whole

COLUMNS = 118
EVENTS = 16
"""How many of the last events a file shows above the screen."""


def picture(seen: Seen, width: int = COLUMNS) -> RenderableType:
    """All of the screen, however many lines it takes."""
    return Group(*frame.whole(seen, width))


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
