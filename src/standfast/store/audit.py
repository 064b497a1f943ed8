"""The audit trail: every event carries a digest over itself and the one before, so that none can be changed,
taken out or put in between unseen.

Who can write the file can also write a whole new chain. Against that helps a head kept elsewhere: `state
verify` and `state export` print it, and `verify` takes an earlier one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from standfast.store import schema
from standfast.store.prepared import Prepared, Transaction

FIELDS = ("run", "cluster", "at", "kind", "host", "vm", "text", "data", "actor")
"""What of an event the digest covers, in this order. Its id is given by its place in the chain."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What was found: `events` in an unbroken row up to `head`; `broken_at` is the id of the first event
    after them whose digest is not what it should be, None if there is none.
    """

    events: int
    head: str
    broken_at: int | None = None
    heads: frozenset[str] = frozenset()
    """All digests on the way, to look an earlier head up."""


def link(before: str, event: Mapping[str, Any]) -> str:
    """The digest of an event after the one of digest `before` (empty: the first): SHA-256, in hex."""
    said = [before, *(event[name] for name in FIELDS)]
    return hashlib.sha256(json.dumps(said, separators=(",", ":")).encode()).hexdigest()


_LAST = Prepared(select(schema.event.c.chain).order_by(schema.event.c.id.desc()).limit(1).with_for_update())
_ADD = Prepared(insert(schema.event), (*FIELDS, "chain"))
_ALL = Prepared(select(schema.event).order_by(schema.event.c.id))


def append(transaction: Transaction, events: Sequence[dict[str, Any]]) -> None:
    """Write events at the end of the chain, within a writer's transaction."""
    before = transaction.value(_LAST) or ""
    linked = []
    for event in events:
        before = link(before, event)
        linked.append({**event, "chain": before})
    transaction.do_each(_ADD, linked)


def walk(transaction: Transaction) -> Iterator[tuple[int, dict[str, Any], str]]:
    """All events in order: id, what the digest covers, the digest on record."""
    for row in transaction.named(_ALL):
        yield row.id, {name: getattr(row, name) for name in FIELDS}, row.chain


def verify(transaction: Transaction) -> Chain:
    """Follow the chain from its begin to its end, or to where it breaks."""
    before = ""
    heads: set[str] = set()
    for number, event, chain in walk(transaction):
        if link(before, event) != chain:
            return Chain(len(heads), before, number, frozenset(heads))
        before = chain
        heads.add(chain)
    return Chain(len(heads), before, None, frozenset(heads))
