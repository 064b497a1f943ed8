"""One Windows event as every export tells it, and what the events of live migrations mean.

Sources: Microsoft's event texts; KB4558514 for 20417; a real 20415 in XML, whose parameters are positional;
the parameter lists of Microsoft-Windows-Hyper-V-High-Availability for 21300 to 21309.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VMMS, WORKER, CLUSTER = "hyper-v-vmms", "hyper-v-worker", "hyper-v-high-availability"

MIGRATION_IDS: Mapping[int, str] = {
    22507: WORKER,  # completed, with a total
    22508: WORKER,  # brown-out
    22509: WORKER,  # black-out, dirty pages, saved state
    20415: VMMS,  # completed, with a black-out
    20417: VMMS,  # completed, with an unexpectedly long black-out
    21300: CLUSTER,  # live migration started on the source
    21301: CLUSTER,  # completed, seconds
    21302: CLUSTER,  # offline phase started
    21303: CLUSTER,  # completed, seconds
    21304: CLUSTER,  # move phase started
    21305: CLUSTER,  # completed, seconds
    21306: CLUSTER,  # live migration started on the target
    21307: CLUSTER,  # completed, seconds
    21308: CLUSTER,  # restore phase started
    21309: CLUSTER,  # completed, seconds
}


@dataclass(frozen=True, slots=True)
class WinEvent:
    """`parameters` are positional, from 0; `named` where the record names them; `at` as the export writes
    it."""

    id: int
    where: str
    provider: str = ""
    at: str = ""
    computer: str = ""
    message: str = ""
    parameters: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)

    @property
    def of_migration(self) -> bool:
        """By id and provider: other providers log the same numbers. An export may leave the provider out."""
        meant = MIGRATION_IDS.get(self.id)
        return meant is not None and (not self.provider or meant in self.provider.lower())
