"""Which hosts are asked at a tick. Asking costs a login; of most hosts nothing is wanted at the moment.

A host that the run works on and any that a call went to are asked every time. Where only its VMs are to
move, or an operator to say something, and of those whose turn is next, an answer is good for a few seconds;
what all others said of themselves is kept for longer. Whether they are there is seen by the platform anyhow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from standfast.model.cluster import Snapshot
from standfast.model.hostwork import HostFacts
from standfast.model.ids import HostId
from standfast.model.run import ENDED_PHASES, Phase, Run

KEEP_SECONDS = 30.0
"""How old the words of a host that nobody works on may be."""

WAITING_SECONDS = 3.0
"""The same of one where nothing is at work that only the host itself can tell of."""

WAITING_PHASES = frozenset({Phase.DRAINING, Phase.HELD})


@dataclass
class Lookout:
    """What hosts said last, and which of them something was asked of since."""

    _facts: dict[HostId, tuple[float, HostFacts]] = field(default_factory=dict)
    _touched: set[HostId] = field(default_factory=set)

    def touched(self, host: HostId) -> None:
        """A call goes to that host, or a VM left it: what it said before no longer counts."""
        self._touched.add(host)

    def kept(self, run: Run, now: float) -> Mapping[HostId, HostFacts]:
        """Facts that will do for this tick, by host."""
        longest = _at_work(run)
        return {
            host: facts
            for host, (at, facts) in self._facts.items()
            if host not in self._touched and 0.0 <= now - at < longest.get(host, KEEP_SECONDS)
        }

    def looked(
        self, snapshot: Snapshot, kept: Mapping[HostId, HostFacts], under_way: frozenset[str], now: float
    ) -> None:
        """Remember what was said. A host with a call under way when it was asked is asked again."""
        for host in snapshot.hosts:
            if not host.reachable or host.facts is None:
                self._facts.pop(host.id, None)
            elif host.id not in kept:
                self._facts[host.id] = (now, host.facts)
        self._touched = {host for host in self._touched if host in under_way}


def _at_work(run: Run) -> dict[HostId, float]:
    """How old, in seconds, the words may be: of hosts in the middle of their turn or held, of those whose
    cordon is up, and of the next wave."""
    resting = ENDED_PHASES | {Phase.PLANNED}
    found = {row.host: WAITING_SECONDS for row in run.next_wave}
    for row in run.hosts:
        if row.phase not in resting or row.cordon_taken:
            found[row.host] = WAITING_SECONDS if row.phase in WAITING_PHASES else 0.0
    return found
