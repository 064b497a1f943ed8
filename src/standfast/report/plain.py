"""Text that comes from outside, made safe to show: it can't move a cursor, hide a line or make one up."""

from __future__ import annotations


def visible(text: str) -> str:
    """Control characters written out as in Python; line ends stay."""
    return "".join(letter if letter.isprintable() or letter == "\n" else _written(letter) for letter in text)


def cell(text: str) -> str:
    """The same on one line."""
    return "".join(letter if letter.isprintable() else _written(letter) for letter in text)


def _written(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
