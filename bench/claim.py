"""One claim: a figure of ours, figures of others from the same run, and what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Claim:
    """`ours` and each of `others` in the unit that `claim` names; `instances` hold the raw figures."""

    claim: str
    ours: float
    others: Mapping[str, float]
    reach: str
    holds: bool
    instances: tuple[Mapping[str, Any], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def told(self) -> str:
        """A line for a reader."""
        others = ", ".join(f"{name} {figure:g}" for name, figure in self.others.items())
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return f"{self.claim}: ours {self.ours:g}, {others}; reach {self.reach}: {verdict}"
