"""What somebody is told of a run: one notice, the same for every receiver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

Occasion = Literal["started", "held", "failed", "done"]
OCCASIONS: tuple[Occasion, ...] = ("started", "held", "failed", "done")


@dataclass(frozen=True, slots=True)
class Notice:
    """What, where, why, and what to do. `key` is the same whenever this notice is delivered again."""

    key: str
    occasions: tuple[Occasion, ...]
    """What it is about; a run that ended degraded is done and failed. Never empty."""
    at: float
    cluster: str
    run: str
    host: str = ""
    what: str = ""
    why: str = ""
    do: str = ""

    @property
    def subject(self) -> str:
        """One line."""
        return " ".join(f"standfast: {self.cluster}: {self.what}".split())

    @property
    def when(self) -> str:
        return datetime.fromtimestamp(self.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def text(self) -> str:
        """As a mail has it."""
        where = f"cluster {self.cluster}, run {self.run}" + (f", host {self.host}" if self.host else "")
        parts = [
            f"What:  {self.what}",
            f"Where: {where}",
            f"When:  {self.when}",
            f"Why:   {self.why}" if self.why else "",
            f"Do:    {self.do}" if self.do else "",
        ]
        return "\n".join(part for part in parts if part) + "\n"

    def as_dict(self) -> dict[str, object]:
        """As a webhook and a command get it."""
        return {
            "version": 1,
            "id": self.key,
            "occasion": self.occasions[0],
            "occasions": list(self.occasions),
            "at": self.when,
            "cluster": self.cluster,
            "run": self.run,
            "host": self.host or None,
            "what": self.what,
            "why": self.why,
            "do": self.do,
            "text": f"{self.subject}. {self.why}".strip(),
        }
