"""What a log tells of one migration, and what is wrong with a log."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """How a migration ended, as its log says."""

    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One migration. A field is None, or empty, where the log does not say.

    `vm` is its name, else its id, else the file's name. `at` is the time of the last record in the log's own
    words. `where` is file:line of the record that ended it; `evidence` says which records the figures are
    from.
    """

    vm: str
    where: str
    evidence: str
    ending: Ending = Ending.COMPLETED
    at: str = ""
    source: str = ""
    target: str = ""
    brownout_seconds: float | None = None
    blackout_seconds: float | None = None
    total_seconds: float | None = None
    dirty_pages: int | None = None
    """Sent during the black-out."""
    state_bytes: int | None = None
    memory_bytes: int | None = None
    wire_bytes: int | None = None
    bytes_per_second: float | None = None
    why: str = ""
    """Of a migration that failed."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something in a file that gives no figure: where, and what, as a sentence."""

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


def unended(where: str, vm: str) -> Trouble:
    """A migration whose last record is missing: the log is cut off, or was taken while it ran."""
    return Trouble(where, f"the migration of {vm} begins here, and its end is not in this log.")


Found = Seen | Trouble
"""What a reader yields, in the order of the file."""
