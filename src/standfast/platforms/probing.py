"""How long a VM was away for those who use it, as far as they can be played from here.

Any platform with this around it asks a VM over and over while it moves, from the order on until it has
answered again, and adds the longest silence to the move's record. One thread for each move under way of a VM
that has a probe; none goes on for longer than the move was given and a few seconds more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from standfast.model.cluster import Snapshot
from standfast.model.ids import MoveId, VmId
from standfast.model.moves import MoveOrder, MoveOutcome, OutcomeKind
from standfast.model.probes import VmProbe
from standfast.platforms.passing import Passing
from standfast.ports import Platform
from standfast.transports.asking import answers

EVERY_SECONDS = 0.05
PATIENCE_SECONDS = 0.25
"""A question without an answer by then is given up: shorter silences can't be told from slow answers."""
AFTER_SECONDS = 3.0
"""How long is waited, once a move has ended, for the VM's next answer; then the silence lasts at least so
long."""
LONGEST_SECONDS = 6 * 3600.0

Ask = Callable[[VmProbe], bool]


def ask(probe: VmProbe) -> bool:
    return answers(probe.kind, probe.host, probe.port, probe.path, PATIENCE_SECONDS)


class Watch:
    """Asks until it is told that the move has ended."""

    def __init__(self, probe: VmProbe, longest_seconds: float, ask: Ask = ask) -> None:
        self._probe, self._ask = probe, ask
        self._until = time.monotonic() + min(LONGEST_SECONDS, longest_seconds)
        self._ended = threading.Event()
        self._gone = threading.Event()
        self._answered_at: float | None = None
        self._longest = 0.0
        threading.Thread(target=self._run, name="vm-probe", daemon=True).start()

    def end(self) -> float | None:
        """The longest silence in seconds; None where it never answered. Waits `AFTER_SECONDS` at most."""
        self._ended.set()
        self._gone.wait(AFTER_SECONDS + 2 * PATIENCE_SECONDS)
        return None if self._answered_at is None else round(self._longest, 3)

    def _run(self) -> None:
        ended_at: float | None = None
        try:
            while time.monotonic() < self._until:
                if self._ended.is_set() and ended_at is None:
                    ended_at = time.monotonic()
                good = self._ask(self._probe)
                now = time.monotonic()
                if self._answered_at is not None:
                    self._longest = max(self._longest, now - self._answered_at - EVERY_SECONDS)
                if good:
                    self._answered_at = now
                if ended_at is not None and (good or now - ended_at > AFTER_SECONDS):
                    return
                self._ended.wait(EVERY_SECONDS) if ended_at is None else time.sleep(EVERY_SECONDS)
        except PermissionError:
            self._answered_at = None  # this process may not ask: nothing is known
        finally:
            self._gone.set()


class Probing(Passing):
    """A platform whose moves are also seen from outside. `probes` by the VM's name."""

    def __init__(self, platform: Platform, probes: Mapping[str, VmProbe], ask: Ask = ask) -> None:
        super().__init__(platform)
        self._probes, self._ask = probes, ask
        self._names: dict[VmId, str] = {}
        self._watches: dict[MoveId, Watch] = {}
        self._seen: dict[MoveId, float | None] = {}
        self._lock = threading.Lock()

    def observe(self) -> Snapshot:
        snapshot = self._platform.observe()
        self._names.update({vm.id: vm.name for vm in snapshot.vms})
        return snapshot

    def start_move(self, order: MoveOrder) -> None:
        probe = self._probes.get(self._names.get(order.vm, ""))
        with self._lock:
            if probe is not None and order.id not in self._watches and order.id not in self._seen:
                longest = order.timeout_seconds + AFTER_SECONDS
                self._watches[order.id] = Watch(probe, longest, self._ask)
        self._platform.start_move(order)

    def move_outcome(self, order: MoveOrder) -> MoveOutcome:
        outcome = self._platform.move_outcome(order)
        if outcome.kind in (OutcomeKind.RUNNING, OutcomeKind.UNKNOWN):
            return outcome
        with self._lock:
            watch = self._watches.pop(order.id, None)
        if watch is not None:
            self._seen[order.id] = watch.end()
        seen = self._seen.get(order.id)
        if seen is None or outcome.record is None:
            return outcome
        return replace(outcome, record=replace(outcome.record, seen_seconds=seen))
