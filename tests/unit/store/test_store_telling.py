"""Each receiver reads the events of all runs from where it stopped."""

from __future__ import annotations

import pytest
from store_samples import RUN, plan

from standfast.model.errors import LeaseLostError
from standfast.model.ids import RunId
from standfast.model.run import RunState
from standfast.store import Lease, NewEvent, PutRun, Store

LATER = RunId("01LATER")


def test_events_come_in_order_over_all_runs_and_of_the_kinds_asked_for(store: Store, lease: Lease) -> None:
    store.write(lease.epoch, RUN, [], [NewEvent("host_held", "one"), NewEvent("other", "two")], 1.0)
    store.write(lease.epoch, RUN, [PutRun(RunState.COMPLETED)], [NewEvent("run_ended", "three")], 2.0)
    store.create_run(LATER, plan(), "digest", "anna", 3.0)
    found = store.events_of_kinds(0, {"host_held", "run_ended", "run_created"})
    assert [(event.run, event.kind) for event in found] == [
        (RUN, "run_created"),
        (RUN, "host_held"),
        (RUN, "run_ended"),
        (LATER, "run_created"),
    ]
    assert store.events_of_kinds(found[1].id, {"run_ended", "run_created"}, limit=1) == (found[2],)
    assert store.events_of_kinds(found[-1].id, {"run_created"}) == ()


def test_a_new_receiver_begins_with_the_runs_that_have_not_ended(store: Store, lease: Lease) -> None:
    assert store.told("mail") == 0
    store.write(lease.epoch, RUN, [PutRun(RunState.COMPLETED)], [NewEvent("run_ended", "x")], 2.0)
    last = store.events(RUN)[-1].id
    assert store.told("mail") == last
    store.create_run(LATER, plan(), "digest", "anna", 3.0)
    assert store.told("mail") == last
    assert [event.run for event in store.events_of_kinds(last, {"run_created"})] == [LATER]


def test_what_was_told_is_kept_for_each_receiver_by_the_one_who_holds_the_lease(
    store: Store, lease: Lease
) -> None:
    store.put_told(lease.epoch, "mail", 7)
    store.put_told(lease.epoch, "mail", 9)
    assert (store.told("mail"), store.told("hook")) == (9, 0)
    with pytest.raises(LeaseLostError):
        store.put_told(lease.epoch - 1, "mail", 11)
    assert store.told("mail") == 9
