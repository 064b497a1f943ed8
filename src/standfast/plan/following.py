"""The board of a cluster that is looked at again and again: only what has changed is read anew."""

from __future__ import annotations

from standfast.model.cluster import Host, Snapshot, Vm
from standfast.plan.board import Board
from standfast.plan.proof import Counts

MOST_CHANGED = 0.25
"""Share of VMs that have changed from which on a new board costs less."""


class Following:
    """Keeps the board of the last snapshot. A platform that hands out the same values for what has not
    changed makes this cheap; one that does not gets a new board each time."""

    def __init__(self) -> None:
        self._last: Snapshot | None = None
        self._board: Board | None = None

    def board(self, snapshot: Snapshot) -> Board:
        """The board of the snapshot, not to be changed: whoever tries moves takes a copy."""
        changed = self._changed(snapshot)
        if changed is None:
            self._board = Board.of(snapshot)
        else:
            assert self._board is not None, "nothing is followed before it was read"
            self._board.learnt = snapshot.learnt
            moved = [pair for pair in changed if not self._board.progressed(*pair)]
            for before, _ in moved:
                self._board.retire(before)
            for _, after in moved:
                self._board.admit(after)
        self._last = snapshot
        Counts.of(self._board)  # so that copies have no more to count than what they change
        return self._board

    def _changed(self, snapshot: Snapshot) -> list[tuple[Vm, Vm]] | None:
        """VMs before and after, those that have not changed left out; None where all has to be read."""
        last = self._last
        if last is None or last.rules != snapshot.rules or len(last.vms) != len(snapshot.vms):
            return None
        if not self._same_hosts(last, snapshot):
            return None
        if last.vms is snapshot.vms:
            return [] if self._plain else None
        pairs = zip(last.vms, snapshot.vms, strict=True)
        changed = [(before, after) for before, after in pairs if before is not after]
        if len(changed) > MOST_CHANGED * len(snapshot.vms):
            return None
        return changed if all(before.id == after.id for before, after in changed) and self._plain else None

    def _same_hosts(self, last: Snapshot, snapshot: Snapshot) -> bool:
        """The same hosts, that could run the same VMs; the board takes what else is new about them."""
        if len(last.hosts) != len(snapshot.hosts) or self._board is None:
            return False
        for before, after in zip(last.hosts, snapshot.hosts, strict=True):
            if before is not after:
                if _lasting(before) != _lasting(after):
                    return False
                self._board.hosts[after.id] = after
        return True

    @property
    def _plain(self) -> bool:
        """No half of a migration and no name twice: what is seen of one VM hangs on no other."""
        return self._board is not None and self._board.plain


def _lasting(host: Host) -> tuple[object, ...]:
    return host.id, host.memory_bytes, host.cpu, host.machine_types, host.networks, host.pools, host.name
