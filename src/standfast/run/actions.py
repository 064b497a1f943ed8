"""What `decide` may answer: rows to write first, then at most one call to the outside.

The rows of an action are committed before its call is made, so that whoever takes over after a death
finds what was meant. A call may fail, act and fail, or act without an answer: the next observation tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from standfast.model.hostwork import Setting, WorkOrder
from standfast.model.ids import HostId, VmId
from standfast.model.moves import MoveOrder
from standfast.store.changes import Change, NewEvent

CallKey = tuple[str, str]
"""(what, whom): one call of a key is under way at most."""


class Question(StrEnum):
    """A question to a host whose answer takes a while; asking changes nothing there."""

    SCAN = "scan"
    HEALTH = "health"
    EXAM = "exam"
    CONSOLE = "console"  # put to the operator's own command, about a host that can't be asked


@dataclass(frozen=True, slots=True)
class Ask:
    host: HostId
    question: Question

    @property
    def key(self) -> CallKey:
        return (self.question, self.host)


@dataclass(frozen=True, slots=True)
class Cordon:
    host: HostId

    @property
    def key(self) -> CallKey:
        return ("cordon", self.host)


@dataclass(frozen=True, slots=True)
class Uncordon:
    host: HostId

    @property
    def key(self) -> CallKey:
        return ("uncordon", self.host)


@dataclass(frozen=True, slots=True)
class Begin:
    """Start a named unit on a host; the host refuses a name that it has seen."""

    order: WorkOrder

    @property
    def host(self) -> HostId:
        return self.order.host

    @property
    def key(self) -> CallKey:
        return (f"begin {self.order.kind}", self.order.host)


ALLOW_BLACKOUT = "allow black-out"


@dataclass(frozen=True, slots=True)
class StartMove:
    order: MoveOrder

    @property
    def host(self) -> HostId:
        return self.order.source

    @property
    def key(self) -> CallKey:
        return ("move", self.order.id)


@dataclass(frozen=True, slots=True)
class CancelMove:
    order: MoveOrder

    @property
    def host(self) -> HostId:
        return self.order.source

    @property
    def key(self) -> CallKey:
        return ("cancel move", self.order.id)


@dataclass(frozen=True, slots=True)
class AllowBlackout:
    """Let a move under way be dark for as long as that."""

    order: MoveOrder
    seconds: float

    @property
    def host(self) -> HostId:
        return self.order.source

    @property
    def key(self) -> CallKey:
        return (ALLOW_BLACKOUT, self.order.id)


@dataclass(frozen=True, slots=True)
class GiveBack:
    setting: Setting

    @property
    def host(self) -> HostId:
        return self.setting.host

    @property
    def key(self) -> CallKey:
        return (f"give back {self.setting.name}", self.setting.host)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Ask a VM to shut down, or cut its power. The cordon is put up anew before: nobody is admitted by it."""

    host: HostId
    vm: VmId
    name: str
    force: bool = False

    @property
    def key(self) -> CallKey:
        return (f"{'power cut' if self.force else 'shutdown'} of {self.name}", self.vm)


@dataclass(frozen=True, slots=True)
class Start:
    """Boot a VM that was shut down. `admit`: whom our cordon is to let boot; None: it is not up."""

    WHAT: ClassVar[str] = "start vm"

    host: HostId
    vm: VmId
    name: str
    admit: frozenset[VmId] | None

    @property
    def key(self) -> CallKey:
        return (self.WHAT, self.vm)


SILENCE, ALERTS = "silence", "alerts"
MONITORING = (f"{SILENCE} ", f"{ALERTS} ")
"""How keys of calls to silencers begin. Their failures are no host's."""


@dataclass(frozen=True, slots=True)
class KeepSilence:
    """Make or renew it. Never beside a `LiftSilence` of the same: they have one key."""

    host: HostId
    silencer: str

    @property
    def key(self) -> CallKey:
        return (f"{SILENCE} {self.silencer}", self.host)


@dataclass(frozen=True, slots=True)
class LiftSilence:
    host: HostId
    silencer: str

    @property
    def key(self) -> CallKey:
        return (f"{SILENCE} {self.silencer}", self.host)


@dataclass(frozen=True, slots=True)
class AskAlerts:
    """Which watched alerts fire; asked for the sake of `host`."""

    host: HostId
    silencer: str

    @property
    def key(self) -> CallKey:
        return (f"{ALERTS} {self.silencer}", "")


Call = (
    Ask
    | Cordon
    | Uncordon
    | Begin
    | StartMove
    | CancelMove
    | AllowBlackout
    | GiveBack
    | KeepSilence
    | LiftSilence
    | AskAlerts
    | Shutdown
    | Start
)


@dataclass(frozen=True, slots=True)
class Action:
    """One step: `changes` and `events` in one transaction, then `call`.

    `look` asks that what comes next is decided on a new look, also where nothing outside was changed.
    """

    changes: tuple[Change, ...] = ()
    events: tuple[NewEvent, ...] = ()
    call: Call | None = None
    look: bool = False


WAIT = (Action(),)
"""Not finished, and nothing to do about it now: content-free, so that it isn't taken for done."""
