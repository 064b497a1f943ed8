"""When a host that its owner's own check calls unwell is evacuated: after so many bad answers in a row."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Trigger:
    """Counts answers of one cluster's hosts. One good answer begins anew; no answer counts for nothing."""

    failures: int
    _bad: dict[str, int] = field(default_factory=dict)

    def heard(self, host: str, trouble: str | None) -> bool:
        """True when the host is to be evacuated now. `trouble` is empty for a host that is well, and None
        where nobody knows: a check that could not be made is no reason to move anybody."""
        if trouble is None:
            return False
        self._bad[host] = self._bad.get(host, 0) + 1 if trouble else 0
        return self._bad[host] >= self.failures
