from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from store_samples import HOSTS, OTHER_RUN, REASON, RUN, full_host, plan
from store_worker import race

from standfast import codec
from standfast.model.errors import FileFormatError, RefusedError, UsageError
from standfast.model.ids import RunId
from standfast.model.reasons import Code
from standfast.model.run import RunState, Verb
from standfast.store import HandleCommand, Lease, NewEvent, PutHost, PutRun, Store


def _sql(path: Path, statement: str, *values: Any) -> None:
    """As a newer release, or a person with a shell, would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def _end(store: Store, lease: Lease, run: RunId = RUN, state: RunState = RunState.COMPLETED) -> None:
    store.write(lease.epoch, run, [PutRun(state)], [NewEvent("run_ended", "")], 2000.0)


def test_a_second_active_run_of_a_cluster_is_refused_naming_the_first(store: Store, lease: Lease) -> None:
    with pytest.raises(RefusedError, match=RUN) as refused:
        store.create_run(OTHER_RUN, plan(), "digest", "bert", 1001.0)
    assert refused.value.code == "run_active"
    assert store.active_runs() == (RUN,)
    assert store.events(OTHER_RUN) == ()


def test_another_cluster_may_have_a_run_at_the_same_time(store: Store, lease: Lease) -> None:
    store.create_run(OTHER_RUN, plan("other"), "digest", "bert", 1001.0)
    assert store.active_runs() == (RUN, OTHER_RUN)


@pytest.mark.parametrize(
    "state", [RunState.COMPLETED, RunState.DEGRADED, RunState.CANCELLED, RunState.ABANDONED]
)
def test_a_run_that_has_ended_makes_room_and_takes_no_commands(
    store: Store, lease: Lease, state: RunState
) -> None:
    _end(store, lease, state=state)
    assert store.run(RUN).ended_at == 2000.0
    assert store.active_runs() == ()
    with pytest.raises(RefusedError) as refused:
        store.command(RUN, Verb.PAUSE, "anna", 2001.0)
    assert refused.value.code == "run_ended"
    store.create_run(OTHER_RUN, plan(), "digest", "bert", 2002.0)


def test_a_run_that_has_ended_does_not_come_back(store: Store, lease: Lease) -> None:
    _end(store, lease)
    with pytest.raises(RefusedError) as refused:
        store.write(lease.epoch, RUN, [PutHost(full_host()), PutRun(RunState.RUNNING)], [], 2001.0)
    assert refused.value.code == "run_ended"
    assert store.run(RUN).state is RunState.COMPLETED
    assert store.run(RUN).row(HOSTS[0]) != full_host()


def test_processes_that_create_a_run_at_once_make_one(path: Path) -> None:
    runs = tuple((f"01JZZZZZZZZZZZZZZZZZZZZZ{n}",) for n in range(4))
    said = race("create", path, *runs)
    assert sorted(said)[1:] == ["run_active"] * 3
    store = Store.open(path)
    assert store.active_runs() == (RunId(sorted(said)[0]),)
    store.close()


def test_runs_are_listed_newest_first_with_their_progress(store: Store, lease: Lease) -> None:
    store.write(lease.epoch, RUN, [PutHost(replace(full_host(), phase="done"))], [], 1500.0)
    _end(store, lease)
    store.create_run(OTHER_RUN, plan(), "digest", "bert", 2001.0)
    newest, oldest = store.runs("lab")
    assert (newest.id, newest.state, newest.hosts_total, newest.hosts_done) == (
        *(OTHER_RUN, RunState.RUNNING),
        *(2, 0),
    )
    assert (oldest.id, oldest.state, oldest.hosts_total, oldest.hosts_done) == (
        *(RUN, RunState.COMPLETED),
        *(2, 1),
    )
    assert (oldest.created_at, oldest.ended_at, oldest.approved_by) == (1000.0, 2000.0, "anna")
    assert store.runs() == (newest, oldest)
    assert store.runs("other") == ()


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(store: Store, lease: Lease) -> None:
    _end(store, lease)
    store.create_run(OTHER_RUN, plan(), "digest", "bert", 2001.0)
    assert store.find_run("last") == OTHER_RUN
    assert store.find_run(RUN) == RUN
    assert store.find_run(RUN.lower()) == RUN


@pytest.mark.parametrize(
    ("prefix", "code"), [("01J", "run_ambiguous"), ("02", "run_unknown"), ("%", "run_unknown")]
)
def test_a_prefix_that_names_no_single_run_is_refused(
    store: Store, lease: Lease, prefix: str, code: str
) -> None:
    store.create_run(OTHER_RUN, plan("other"), "digest", "bert", 2001.0)
    with pytest.raises(UsageError) as refused:
        store.find_run(prefix)
    assert refused.value.code == code


def test_in_an_empty_store_there_is_no_last_run(store: Store) -> None:
    with pytest.raises(RefusedError, match="holds none yet"):
        store.find_run("last")


def test_one_of_two_ids_that_begin_alike_is_found_by_its_whole(store: Store) -> None:
    store.create_run(RunId("AB"), plan("a"), "digest", "bert", 1.0)
    for n in range(3):
        store.create_run(RunId(f"AB{n}"), plan(f"c{n}"), "digest", "bert", 2.0 + n)
    assert store.find_run("AB") == "AB"


def test_an_unknown_phase_of_a_host_is_passed_on(store: Store, lease: Lease, path: Path) -> None:
    _sql(path, "UPDATE host SET phase = 'firmware' WHERE host = ?", HOSTS[0])
    assert store.run(RUN).row(HOSTS[0]).phase == "firmware"
    assert store.runs()[0].hosts_total == 2


def test_an_unknown_state_reads_as_held_and_is_not_overwritten(
    store: Store, lease: Lease, path: Path
) -> None:
    _sql(path, "UPDATE run SET state = 'hibernating'")
    run = store.run(RUN)
    assert run.state is RunState.HELD
    assert run.reason is not None
    assert run.reason.code is Code.UNKNOWN_PHASE
    assert "'hibernating'" in run.reason.sentence
    assert store.runs()[0].state is RunState.HELD

    store.write(lease.epoch, RUN, [PutRun(RunState.HELD, REASON)], [], 1001.0)
    store.write(lease.epoch, RUN, [PutRun(RunState.RUNNING)], [NewEvent("resumed", "")], 1001.0)
    assert [row.kind for row in store.events(RUN)] == ["run_created", "run_state_kept", "resumed"]
    assert "'hibernating'" in str(store.run(RUN).reason)
    _end(store, lease, state=RunState.ABANDONED)
    assert store.run(RUN).state is RunState.ABANDONED


def test_a_plan_of_a_newer_version_reads_as_held(store: Store, path: Path) -> None:
    store.create_run(RUN, replace(plan(), schema_version=2), "digest", "anna", 1000.0)
    run = store.run(RUN)
    assert run.state is RunState.HELD
    assert run.reason is not None
    assert run.reason.code is Code.UNKNOWN_PHASE


def test_a_reason_of_a_newer_release_keeps_its_words(store: Store, lease: Lease, path: Path) -> None:
    newer = codec.dumps(REASON).replace(REASON.code, "moon_phase")
    _sql(path, "UPDATE host SET reason = ? WHERE host = ?", newer, HOSTS[0])
    reason = store.run(RUN).row(HOSTS[0]).reason
    assert reason == replace(REASON, code=Code.UNKNOWN_PHASE)


def test_a_verb_of_a_newer_release_is_left_for_it(store: Store, lease: Lease, path: Path) -> None:
    id = store.command(RUN, Verb.PAUSE, "anna", 1001.0)
    _sql(path, "UPDATE command SET verb = 'levitate'")
    assert store.run(RUN).commands == ()
    store.write(lease.epoch, RUN, [HandleCommand(id + 1, "not mine")], [], 1002.0)
    _sql(path, "UPDATE command SET verb = 'resume'")
    assert [row.id for row in store.run(RUN).commands] == [id]


@pytest.mark.parametrize("text", ["{", "[]", '{"taken_at": "yesterday"}', '{"boot_id": 1}'])
def test_a_row_that_can_not_be_read_is_refused_with_its_place(
    store: Store, lease: Lease, path: Path, text: str
) -> None:
    _sql(path, "UPDATE host SET scan_before = ? WHERE host = ?", text, HOSTS[0])
    with pytest.raises(FileFormatError, match="node0") as refused:
        store.run(RUN)
    assert refused.value.code == "row_unreadable"


def test_a_refused_change_takes_the_whole_write_with_it(store: Store, lease: Lease) -> None:
    before = store.run(RUN), store.events(RUN)
    broken = replace(full_host(), position=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        store.write(
            lease.epoch, RUN, [PutHost(full_host(HOSTS[1])), PutHost(broken)], [NewEvent("e", "")], 1.0
        )
    assert (store.run(RUN), store.events(RUN)) == before


def test_several_threads_may_use_one_store(store: Store, lease: Lease) -> None:
    torn: list[str] = []

    def write(thread: int) -> None:
        for n in range(25):
            both = [PutHost(replace(full_host(host), attempt=100 * thread + n)) for host in HOSTS[:2]]
            store.write(lease.epoch, RUN, both, [NewEvent("e", f"{thread}/{n}")], 1.0)

    def read() -> None:
        for _ in range(50):
            run = store.run(RUN)
            if run.row(HOSTS[0]).attempt != run.row(HOSTS[1]).attempt:
                torn.append("a host without the other")

    work = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    work += [threading.Thread(target=read) for _ in range(4)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    assert not torn
    assert len(store.events(RUN)) == 1 + 4 * 25


def test_an_ended_time_belongs_to_an_ended_state_only() -> None:
    with pytest.raises(ValueError, match="no end"):
        PutRun(RunState.RUNNING, ended_at=1.0)
