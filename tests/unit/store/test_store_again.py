"""A run read again after a write is what a store that never read it reads."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest
from store_samples import HOSTS, RUN, full_host, full_move, plan

from standfast.model.errors import LeaseLostError
from standfast.model.ids import HostId
from standfast.model.run import Run, RunState, Verb
from standfast.store import (
    GiveJournal,
    HandleCommand,
    Lease,
    PutHost,
    PutMove,
    PutRun,
    Store,
    TakeJournal,
    queries,
)
from standfast.store.changes import Change, PutPlan, SetBack
from standfast.store.prepared import Transaction


def whole(path: Path) -> Run:
    with closing(Store.open(path)) as other:
        return other.run(RUN)


def some(draw: random.Random) -> list[Change]:
    host, number = draw.choice([*HOSTS, HostId("later")]), draw.randint(0, 9)
    every: list[Change] = [
        PutHost(full_host(host, number)),
        PutMove(full_move(f"M{draw.randint(0, 20)}", started_at=float(number))),
        TakeJournal(HOSTS[0], "silence", f"s{number}", {"silenced": False}),
        GiveJournal(HOSTS[0], "silence", f"s{number}"),
        PutRun(draw.choice([RunState.RUNNING, RunState.PAUSED])),
        HandleCommand(draw.randint(1, 5), "done"),
        SetBack(float(number)),
        PutPlan(plan()),
    ]
    return draw.choices(every, weights=[6, 6, 2, 2, 1, 2, 1, 1], k=draw.randint(0, 3))


@pytest.mark.parametrize("seed", range(4))
def test_after_any_writes_the_run_is_what_is_in_the_file(
    store: Store, lease: Lease, path: Path, seed: int
) -> None:
    draw = random.Random(seed)
    for number in range(25):
        if draw.random() < 0.2:
            store.command(RUN, Verb.PAUSE, "anna", 1000.0)
        for _ in range(draw.randint(1, 2)):
            store.write(lease.epoch, RUN, some(draw), [], 1001.0 + number)
        found, fresh = store.run(RUN), whole(path)
        assert found == fresh
        assert (found.started, found.moves_of) == (fresh.started, fresh.moves_of)


def test_only_rows_that_were_written_are_read_again(
    store: Store, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.run(RUN)
    store.write(lease.epoch, RUN, [PutMove(full_move("B")), PutHost(full_host())], [], 1001.0)
    monkeypatch.setattr(queries, "run", lambda *_: pytest.fail("all of it was read"))
    found = store.run(RUN)
    assert [move.id for move in found.moves] == ["B"]
    assert found.row(full_host().host) == full_host()


def test_what_somebody_else_wrote_meanwhile_is_read_too(store: Store, lease: Lease, path: Path) -> None:
    store.run(RUN)
    with closing(Store.open(path)) as other:
        other.write(lease.epoch, RUN, [PutMove(full_move("A"))], [], 1001.0)
    store.write(lease.epoch, RUN, [PutMove(full_move("B"))], [], 1002.0)
    assert {move.id for move in store.run(RUN).moves} == {"A", "B"}
    store.write(lease.epoch, RUN, [PutHost(full_host())], [], 1003.0)
    with closing(Store.open(path)) as other:
        other.write(lease.epoch, RUN, [PutMove(full_move("C"))], [], 1004.0)
    assert {move.id for move in store.run(RUN).moves} == {"A", "B", "C"}


def test_a_write_that_was_refused_or_broke_off_changes_nothing_that_is_read(
    store: Store, lease: Lease, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = store.run(RUN)
    with pytest.raises(LeaseLostError):
        store.write(lease.epoch + 1, RUN, [PutMove(full_move("B"))], [], 1001.0)

    store.run(RUN)
    remember = Transaction.remember

    def broken(transaction: Transaction, key: object, value: object) -> None:
        remember(transaction, key, value)
        raise OSError("no more")

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "remember", broken)
        with pytest.raises(OSError, match="no more"):
            store.write(lease.epoch, RUN, [PutMove(full_move("B"))], [], 1001.0)
    assert store.run(RUN) == before == whole(path)
