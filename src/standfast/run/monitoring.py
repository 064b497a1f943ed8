"""What monitoring said so far of silences and alerts, as values that `decide` may read. Times are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from standfast.model.ids import HostId

LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Calls that failed since the last one that did not."""

    since: float
    count: int
    last_at: float
    text: str

    def over(self, now: float, backoff_seconds: float) -> bool:
        """Whether it may be tried again."""
        return now >= self.last_at + min(backoff_seconds * self.count, LONGEST_RETRY_SECONDS)


@dataclass(frozen=True, slots=True)
class Note:
    """One silencer about one host. `id` and `kept_at` are of the silence that it last confirmed."""

    ends_at: float
    """No silence of ours lasts longer than this unless it is renewed."""
    id: str = ""
    kept_at: float | None = None
    lifted: bool = False
    """Seen to have none of ours in force, and none was asked for since."""
    trouble: Trouble | None = None

    def holds(self, now: float) -> bool:
        """A silence is known to be in force."""
        return self.kept_at is not None and not self.lifted and now < self.ends_at


@dataclass(frozen=True, slots=True)
class Alerts:
    """One silencer about the alerts that let no host begin."""

    asked_at: float | None = None
    firing: tuple[str, ...] = ()
    firing_since: float | None = None
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Monitoring:
    """All silencers of a cluster. What was said before `began_at` is not known any more, only bounded."""

    leases: Mapping[str, float] = field(default_factory=dict)
    """Length of a silence in seconds, by the name of each silencer of the config."""
    watching: frozenset[str] = frozenset()
    """Those of them that are asked for alerts."""
    began_at: float | None = None
    notes: Mapping[tuple[str, HostId], Note] = field(default_factory=dict)
    alerts: Mapping[str, Alerts] = field(default_factory=dict)

    def note(self, silencer: str, host: HostId, lease_seconds: float) -> Note:
        """What is known; of a silence that a dead controller renewed last, when it is over at the latest."""
        return self.notes.get((silencer, host)) or Note((self.began_at or 0.0) + lease_seconds)
