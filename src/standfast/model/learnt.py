"""What former moves of a cluster taught: figures only; `predict.calibrate` makes and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """seconds = fixed + once · (seconds to copy memory once) + again · (seconds to copy what was dirtied)."""

    fixed: float
    once: float
    again: float

    def at(self, once: float, again: float) -> float:
        return self.fixed + self.once * once + self.again * again


@dataclass(frozen=True, slots=True)
class Fitted:
    """One kind of span of one transport: a line, how pairs of hosts and VMs on their way differ from it (in
    log seconds), and how far measured spans were above predicted ones 95 times in 100.
    """

    line: Line
    moves: int
    ratio_p95: float
    own_ratio_p95: float
    """Of VMs that have moved this way before."""
    pairs: Mapping[str, float] = field(default_factory=dict)
    vms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Learnt:
    """Of both spans; None where no former move tells one.

    `sent`: of what the round model says of a VM's move, how much its former moves really sent, by VM;
    `sent_usual` that of the middle one, for VMs that have not moved yet. It is how much memory was never
    touched where nobody can see that beforehand, and is in the terms that the lines were fitted to.
    """

    brownout: Fitted | None = None
    blackout: Fitted | None = None
    sent: Mapping[str, float] = field(default_factory=dict)
    sent_usual: float = 1.0
