"""Text that comes from outside, made safe to show: it can't move a cursor, hide a line or make one up."""

from __future__ import annotations

from collections.abc import Sequence


def visible(text: str) -> str:
    """Control characters written out as in Python; line ends stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _written(letter) for letter in text)


def cell(text: str) -> str:
    """The same on one line."""
    return "".join(letter if letter.isprintable() else _written(letter) for letter in text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns parted by two spaces; no box, so that it can be cut and grepped."""
    lines = [[cell(each) for each in row] for row in (head, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
