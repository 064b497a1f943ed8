from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from store_samples import HOSTS, ODD, PREDICTION, REASON, RUN, VM, full_host, full_move, plan

from standfast.model.errors import FileFormatError, LeaseLostError, UsageError
from standfast.model.hostwork import UpdateState
from standfast.model.ids import HostId
from standfast.model.run import HostRow, MoveRow, MoveState, RunState, Verb
from standfast.store import (
    GiveJournal,
    HandleCommand,
    Lease,
    NewEvent,
    PutHost,
    PutMove,
    PutRun,
    Store,
    TakeJournal,
)


def test_a_created_run_is_its_plan_with_every_host_of_it_planned(store: Store) -> None:
    created = store.create_run(RUN, plan(), "digest", ODD, 1000.5)
    assert created == store.run(RUN)
    assert created.plan == plan()
    assert (created.id, created.cluster, created.state) == (RUN, "lab", RunState.RUNNING)
    assert (created.plan_digest, created.approved_by, created.created_at) == ("digest", ODD, 1000.5)
    assert created.hosts == tuple(
        HostRow(HOSTS[n], f"node{n}", position=n, phase="planned", since=1000.5) for n in range(2)
    )
    assert (created.moves, created.journal, created.commands) == ((), (), ())
    assert (created.reason, created.ended_at) == (None, None)
    (event,) = store.events(RUN)
    assert (event.kind, event.at, event.actor) == ("run_created", 1000.5, ODD)
    assert event.data == {"plan_digest": "digest", "hosts": 2, "moves": 1}


@pytest.mark.parametrize("row", [full_host(), full_move()], ids=["host", "move"])
def test_a_full_row_leaves_nothing_out_that_might_not_be_stored(row: HostRow | MoveRow) -> None:
    defaults = {each.name: each.default for each in fields(row) if each.default is not MISSING}
    assert [name for name, default in defaults.items() if getattr(row, name) == default] == []


@pytest.mark.parametrize(
    "row",
    [full_host(), full_host(HostId("added later"), 7), HostRow(HOSTS[1], "", 1, "planned", since=0.0)],
    ids=["full", "added", "empty"],
)
def test_a_host_row_comes_back_as_it_was(store: Store, lease: Lease, row: HostRow) -> None:
    store.write(lease.epoch, RUN, [PutHost(row)], [], 1001.0)
    assert store.run(RUN).row(row.host) == row


def test_hosts_come_in_the_order_of_their_positions(store: Store, lease: Lease) -> None:
    swapped = [PutHost(full_host(HOSTS[0], 9)), PutHost(full_host(HOSTS[1], 4))]
    store.write(lease.epoch, RUN, swapped, [], 1001.0)
    assert [row.host for row in store.run(RUN).hosts] == [HOSTS[1], HOSTS[0]]


def test_move_rows_come_back_as_they_were_in_the_order_they_began(store: Store, lease: Lease) -> None:
    first, second = full_move("B", started_at=1.0), full_move("A", started_at=2.0)
    bare = MoveRow(
        *(first.id, VM, "", HOSTS[0], HOSTS[1], first.purpose, None, 1, MoveState.STARTED, 3.0, 4.0),
        predicted=PREDICTION,
    )
    store.write(lease.epoch, RUN, [PutMove(second), PutMove(first)], [], 1001.0)
    assert store.run(RUN).moves == (first, second)
    store.write(lease.epoch, RUN, [PutMove(bare)], [], 1002.0)
    assert store.run(RUN).moves == (second, bare)


def test_the_run_s_state_comes_back_with_its_reason(store: Store, lease: Lease) -> None:
    store.write(lease.epoch, RUN, [PutRun(RunState.HELD, REASON)], [], 1001.0)
    assert (store.run(RUN).state, store.run(RUN).reason) == (RunState.HELD, REASON)
    store.write(lease.epoch, RUN, [PutRun(RunState.RUNNING)], [], 1002.0)
    assert (store.run(RUN).state, store.run(RUN).reason) == (RunState.RUNNING, None)


def test_events_come_back_in_order_and_after_an_id(store: Store, lease: Lease) -> None:
    news = [
        NewEvent("plain", ""),
        NewEvent("odd", ODD, HOSTS[0], VM, {"nested": [1, 2.5, None, {"text": ODD}]}, actor=ODD),
    ]
    store.write(lease.epoch, RUN, [], news, 1001.5)
    created, plain, odd = store.events(RUN)
    assert created.id < plain.id < odd.id
    assert (plain.kind, plain.host, plain.vm, plain.data, plain.actor) == (
        "plain",
        None,
        None,
        {},
        "standfast",
    )
    assert (odd.run, odd.at, odd.text, odd.host, odd.vm) == (RUN, 1001.5, ODD, HOSTS[0], VM)
    assert (odd.data, odd.actor) == (news[1].data, ODD)
    assert store.events(RUN, after=plain.id) == (odd,)
    assert store.events(RUN, after=odd.id) == ()


def test_text_that_no_database_can_hold_is_kept_as_far_as_it_can_be(store: Store, lease: Lease) -> None:
    cut = "caf\udcc3 \0 ok"
    host = full_host()
    scan = UpdateState(1.0, "b", interrupted=cut)
    row = HostRow(host.host, cut, 0, "held", since=1.0, scan_before=scan)
    store.write(lease.epoch, RUN, [PutHost(row)], [NewEvent("k", cut, data={"k": cut})], 1001.0)
    back = store.run(RUN).row(host.host)
    assert back.name == "caf? ? ok"
    assert back.scan_before is not None
    assert back.scan_before.interrupted == "caf? \0 ok"
    assert store.events(RUN)[-1].text == "caf? ? ok"


def test_the_first_value_before_is_never_overwritten_until_it_is_given_back(
    store: Store, lease: Lease
) -> None:
    mine = (HOSTS[0], "autostart", ODD)
    for now, before in ((1001.0, {"on": True, "text": ODD}), (1002.0, {"on": False})):
        store.write(lease.epoch, RUN, [TakeJournal(*mine, before)], [], now)
    (row,) = store.run(RUN).journal
    assert (row.run, row.host, row.kind, row.name) == (RUN, *mine)
    assert (row.before, row.taken_at, row.given_back_at) == ({"on": True, "text": ODD}, 1001.0, None)

    for now in (1003.0, 1004.0):
        store.write(lease.epoch, RUN, [GiveJournal(*mine)], [], now)
    assert [row.given_back_at for row in store.run(RUN).journal] == [1003.0]

    store.write(lease.epoch, RUN, [TakeJournal(*mine, {"on": "again"})], [], 1005.0)
    again = store.run(RUN).journal
    assert [row.before for row in again] == [{"on": True, "text": ODD}, {"on": "again"}]
    assert again[0].given_back_at == 1003.0


def test_giving_back_what_was_not_borrowed_does_nothing(store: Store, lease: Lease) -> None:
    store.write(lease.epoch, RUN, [GiveJournal(HOSTS[0], "cordon", "c")], [], 1001.0)
    assert store.run(RUN).journal == ()


def test_a_command_waits_until_it_is_handled_once(store: Store, lease: Lease) -> None:
    first = store.command(RUN, Verb.PAUSE, ODD, 1001.0)
    second = store.command(RUN, Verb.RESUME, "bert", 1002.0)
    waiting = store.run(RUN).commands
    assert [(row.id, row.verb, row.actor, row.at) for row in waiting] == [
        (first, Verb.PAUSE, ODD, 1001.0),
        (second, Verb.RESUME, "bert", 1002.0),
    ]
    handled = [HandleCommand(first, "paused"), HandleCommand(first, "again")]
    store.write(lease.epoch, RUN, handled, [], 1003.0)
    assert [row.id for row in store.run(RUN).commands] == [second]


def test_what_is_published_is_the_latest(store: Store, lease: Lease) -> None:
    assert store.published(RUN) is None
    store.publish(lease.epoch, RUN, {"flights": [{"vm": VM, "remaining_bytes": 2**40}]}, 1001.5)
    store.publish(lease.epoch, RUN, {"text": ODD}, 1002.5)
    assert store.published(RUN) == ({"text": ODD}, 1002.5)


def test_rows_are_read_anew_whoever_wrote_them(path: Path, store: Store, lease: Lease) -> None:
    watcher = Store.open(path, read_only=True)
    assert watcher.run(RUN) == store.run(RUN)
    store.write(lease.epoch, RUN, [PutHost(full_host()), PutMove(full_move())], [], 1001.0)
    assert watcher.run(RUN).row(HOSTS[0]) == full_host()
    assert watcher.run(RUN).moves == (full_move(),)
    watcher.close()


def test_a_run_is_read_anew_only_after_something_of_it_was_written(
    path: Path, store: Store, lease: Lease
) -> None:
    before = store.run(RUN)
    store.publish(lease.epoch, RUN, {"flights": []}, 1001.0)
    store.renew_lease(lease, 1001.0)
    assert store.run(RUN) is before
    writes: list[Callable[[], object]] = [
        lambda: store.write(lease.epoch, RUN, [PutHost(full_host())], [], 1001.0),
        lambda: store.command(RUN, Verb.PAUSE, "anna", 1002.0),
        lambda: _by_another(path, "UPDATE host SET name = 'other'"),
    ]
    for write in writes:
        write()
        after = store.run(RUN)
        assert after != before
        assert store.run(RUN) is after
        before = after
    _by_another(path, "UPDATE host SET scan_before = '{ not whole'")
    with pytest.raises(FileFormatError, match="can't read"):
        store.run(RUN)


def test_what_a_write_took_back_was_not_written(store: Store, lease: Lease) -> None:
    before = store.run(RUN)
    with pytest.raises(LeaseLostError):
        store.write(lease.epoch - 1, RUN, [PutHost(full_host())], [], 1001.0)
    assert store.run(RUN) == before


def test_threads_that_share_a_store_see_what_each_of_them_wrote(store: Store, lease: Lease) -> None:
    def write(number: int) -> bool:
        row = full_host(HostId(f"host {number}"), number)
        store.write(lease.epoch, RUN, [PutHost(row)], [], 1001.0)
        return store.run(RUN).row(row.host) == row

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(write, range(100)))
    assert len(store.run(RUN).hosts) == 102


def _by_another(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as shell, shell:
        shell.execute(statement)


def test_a_run_that_does_not_exist_is_refused(store: Store, lease: Lease) -> None:
    with pytest.raises(UsageError) as refused:
        store.run(HOSTS[0])  # type: ignore[arg-type]
    assert refused.value.code == "run_unknown"
