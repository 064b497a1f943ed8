"""One claim: a figure of ours, figures of others from the same run, and what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class Skipped(Exception):
    """A claim that can't be measured here, with the reason as its text."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a measurement is told. `full`: the long way, where a module knows a longer and a shorter one."""

    data: Path | None = None
    full: bool = False

    def folder(self, name: str) -> Path:
        """That folder of published instances and measurements. Raises Skipped with what to do."""
        if self.data is None:
            raise Skipped(f"needs the data folder {name}/; name the directory that holds it with --data DIR")
        if not (self.data / name).is_dir():
            raise Skipped(f"{self.data} has no folder {name}/")
        return self.data / name


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
        beside = "".join(f", {name} {figure:g}" for name, figure in self.others.items())
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        return f"{self.claim}: ours {self.ours:g}{beside}; reach {self.reach}: {verdict}"
