"""What a watcher sees, drawn: for the live screen, and as a file to show to somebody else."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console, Group, RenderableType

from standfast.cli import frame, screen
from standfast.cli.screen import Seen
from standfast.files import write_whole

COLUMNS = 100
LINES = 26
"""Size of the screen in a file: what `run watch` shows on a terminal of that size."""


def picture(seen: Seen, width: int = COLUMNS) -> RenderableType:
    """All of the screen, however many lines it takes."""
    return Group(*frame.whole(seen, width))


def write_svg(path: Path, seen: Seen) -> None:
    """The last events and the screen as an SVG with nothing from outside in it. Raises StandfastError."""
    console = Console(record=True, width=COLUMNS, height=LINES, file=io.StringIO(), force_terminal=True)
    console.print(Group(*frame.frame(seen, COLUMNS, LINES)))
    drawn = console.export_svg(title=f"standfast run watch {screen.short(seen.run.id)}")
    # rich names fonts on the web; a reader's own monospace font does as well and asks nobody.
    alone = re.sub(r"@font-face\s*\{[^}]*\}", "", drawn)
    write_whole(path, alone, "picture")
