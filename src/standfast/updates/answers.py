"""What our scripts on a host answer, line by line. Pure.

Two kinds of lines: `key=value` of our own, and `mark|text`, where a tool's own words follow the mark.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from standfast.model.errors import OutsideError


@dataclass(frozen=True)
class Answer:
    """All lines of one answer, in order, by key and by mark."""

    host: str
    pairs: tuple[tuple[str, str], ...]
    marked: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def get(self, key: str, default: str = "") -> str:
        """The first value of a key."""
        return next((value for name, value in self.pairs if name == key), default)

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of a key."""
        return tuple(value for name, value in self.pairs if name == key)

    def number(self, key: str) -> float | None:
        """The first value as a number; None where it is missing or none."""
        try:
            return float(self.get(key))
        except ValueError:
            return None

    def lines(self, mark: str) -> tuple[str, ...]:
        return self.marked.get(mark, ())


def read_answer(host: str, text: str) -> Answer:
    """Raises OutsideError where the last line is missing: half an answer proves nothing."""
    pairs: list[tuple[str, str]] = []
    marked: dict[str, list[str]] = {}
    for line in text.splitlines():
        head, equals, value = line.partition("=")
        mark, bar, rest = line.partition("|")
        if bar and (not equals or len(mark) < len(head)):
            marked.setdefault(mark, []).append(rest)
        elif equals:
            pairs.append((head, value))
    if ("end", "yes") not in pairs[-1:]:
        raise OutsideError(
            "answer_cut", "its answer is not whole", where=host, why=text.strip()[-200:] or "it said nothing"
        )
    return Answer(host, tuple(pairs), {mark: tuple(lines) for mark, lines in marked.items()})


def joined(lines: Iterable[str]) -> str:
    """Several lines as one, for a sentence."""
    return " ".join(line.strip() for line in lines if line.strip())
