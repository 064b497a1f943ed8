"""A run read once more after we changed it ourselves: what was not written is as it was.

Only where nobody else has committed anything since the run was read, which SQLite says of each connection
(`Transaction.known`); else all of it is read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import BindParameter, bindparam, select

from standfast.model.ids import HostId, MoveId, RunId
from standfast.model.plan import Plan
from standfast.model.run import HostRow, MoveRow, Run
from standfast.store import queries, rows, schema
from standfast.store.changes import Change, GiveJournal, PutHost, PutMove, SetBack, TakeJournal
from standfast.store.prepared import Prepared, Transaction

_h, _m = schema.host.c, schema.move.c
_RUN: BindParameter[str] = bindparam("id")
_HOST = Prepared(select(*rows.HOST_COLUMNS).where(_h.run == _RUN, _h.host == bindparam("host")))
_MOVE = Prepared(select(*rows.MOVE_COLUMNS).where(_m.run == _RUN, _m.id == bindparam("move")))


@dataclass(frozen=True, slots=True)
class Outdated:
    """A run as it was read, and which of its rows were written since. Its own row, its plan and operators'
    words are read each time."""

    run: Run
    hosts: frozenset[HostId] = frozenset()
    moves: frozenset[MoveId] = frozenset()
    journal: bool = False

    @classmethod
    def by(cls, known: Run | Outdated, changes: Iterable[Change]) -> Outdated | None:
        """What was known, with these changes made to it; None where they may have changed any row."""
        before = known if isinstance(known, Outdated) else cls(known)
        hosts, moves, journal = set(before.hosts), set(before.moves), before.journal
        for change in changes:
            match change:
                case PutHost(row):
                    hosts.add(row.host)
                case PutMove(row):
                    moves.add(row.id)
                case TakeJournal() | GiveJournal():
                    journal = True
                case SetBack():
                    return None
        return cls(before.run, frozenset(hosts), frozenset(moves), journal)


def read(transaction: Transaction, outdated: Outdated, plan: Plan) -> Run:
    """The run as it is now. Raises as `queries.run` does."""
    before = outdated.run
    moves = {move: _move(transaction, before.id, move) for move in outdated.moves}
    found = replace(
        queries.run_row(transaction, before.id, plan),
        hosts=_hosts(transaction, before, outdated.hosts),
        journal=queries.journal(transaction, before.id) if outdated.journal else before.journal,
    )
    return found.with_moves_of(before, moves)


def _hosts(transaction: Transaction, before: Run, written: frozenset[HostId]) -> tuple[HostRow, ...]:
    if not written:
        return before.hosts
    fresh = {host: _host(transaction, before.id, host) for host in written}
    found = [fresh.pop(row.host, row) for row in before.hosts]
    return queries.hosts_in_order([*found, *fresh.values()])


def _host(transaction: Transaction, run: RunId, host: HostId) -> HostRow:
    (columns,) = transaction.all(_HOST, id=run, host=host)
    return rows.host_row(*columns)


def _move(transaction: Transaction, run: RunId, move: MoveId) -> MoveRow:
    (columns,) = transaction.all(_MOVE, id=run, move=move)
    return rows.move_row(*columns)
