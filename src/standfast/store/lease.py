"""Who may write: one row with an epoch that rises at every take, which tells a stale writer from a live one.

All functions act inside the caller's transaction. Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update

from standfast.model.errors import LeaseLostError
from standfast.store.prepared import Prepared, Transaction
from standfast.store.schema import lease as table

_NOBODY = ""
_COLUMNS = ("holder", "epoch", "expires_at", "ttl_seconds")
_ROW = Prepared(select(*(table.c[name] for name in _COLUMNS)).with_for_update())
_ADD = Prepared(insert(table), ("id", *_COLUMNS))
_PUT = Prepared(update(table).values({name: bindparam(name) for name in _COLUMNS}))
_RENEW = Prepared(update(table).values(expires_at=bindparam("expires_at")))
_RELEASE = Prepared(
    update(table)
    .where(table.c.epoch == bindparam("key_epoch"), table.c.holder == bindparam("key_holder"))
    .values(holder=_NOBODY, expires_at=0.0)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write, until `expires_at` or until somebody takes it with a higher epoch."""

    holder: str
    epoch: int
    expires_at: float


class _Held(NamedTuple):
    holder: str
    epoch: int
    expires_at: float
    ttl_seconds: float


def current(transaction: Transaction) -> Lease | None:
    """The lease as last taken, which may have expired; None if it was never taken or was released."""
    row = _row(transaction)
    if row is None or row.holder == _NOBODY:
        return None
    return Lease(row.holder, row.epoch, row.expires_at)


def take(transaction: Transaction, holder: str, now: float, ttl_seconds: float) -> Lease | None:
    """The lease, with a new epoch; None while another holder's has not expired.

    A holder that still has it gets it anew, with a new epoch: it may have been restarted.
    """
    if not holder:
        raise ValueError("a lease needs a holder's name")
    row = _row(transaction)
    if row is not None and row.holder not in (_NOBODY, holder) and row.expires_at > now:
        return None
    epoch = 1 if row is None else row.epoch + 1
    values = {
        "holder": holder,
        "epoch": epoch,
        "expires_at": now + ttl_seconds,
        "ttl_seconds": ttl_seconds,
    }
    if row is None:
        transaction.do(_ADD, id=1, **values)
    else:
        transaction.do(_PUT, **values)
    return Lease(holder, epoch, now + ttl_seconds)


def renew(transaction: Transaction, lease: Lease, now: float) -> Lease:
    """As long again as it was taken for. One that has expired but that nobody took is still ours.

    Raises LeaseLostError.
    """
    row = guard(transaction, lease.epoch)
    if row.holder != lease.holder:
        raise _lost(lease.epoch, row)
    expires_at = now + row.ttl_seconds
    transaction.do(_RENEW, expires_at=expires_at)
    return Lease(lease.holder, lease.epoch, expires_at)


def release(transaction: Transaction, lease: Lease) -> None:
    """Let it go, so that the next one need not wait. Nothing happens if it is no longer ours."""
    transaction.do(_RELEASE, key_epoch=lease.epoch, key_holder=lease.holder)


def guard(transaction: Transaction, epoch: int) -> _Held:
    """Hold the lease row until the transaction ends. Raises LeaseLostError if it isn't of that epoch."""
    row = _row(transaction)
    if row is None or row.epoch != epoch or row.holder == _NOBODY:
        raise _lost(epoch, row)
    return row


def _row(transaction: Transaction) -> _Held | None:
    rows = transaction.all(_ROW)
    return _Held(*rows[0]) if rows else None


def _lost(epoch: int, row: _Held | None) -> LeaseLostError:
    if row is None or row.holder == _NOBODY:
        why = f"nobody holds the lease now, epoch {epoch} is over"
    else:
        why = f"{row.holder} holds the lease with epoch {row.epoch}, ours is {epoch}"
    return LeaseLostError(
        "lease_lost",
        "another controller acts, this one may not",
        why=why,
        do="Nothing was written. Watch the run with `standfast run watch`.",
    )
