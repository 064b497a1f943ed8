"""The only room with SQL: runs, their rows, events and journal, and the lease; all of it survives SIGKILL."""

from standfast.store.changes import (
    Change,
    GiveJournal,
    HandleCommand,
    NewEvent,
    PutHost,
    PutMove,
    PutRun,
    SetBack,
    TakeJournal,
)
from standfast.store.lease import Lease
from standfast.store.queries import RunSummary
from standfast.store.repository import Store

__all__ = [
    "Change",
    "GiveJournal",
    "HandleCommand",
    "Lease",
    "NewEvent",
    "PutHost",
    "PutMove",
    "PutRun",
    "RunSummary",
    "SetBack",
    "Store",
    "TakeJournal",
]
