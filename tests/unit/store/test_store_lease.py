from __future__ import annotations

from pathlib import Path

import pytest
from store_samples import HOSTS, RUN, full_host, full_move
from store_worker import race

from standfast.model.errors import LeaseLostError
from standfast.model.run import RunState
from standfast.store import Change, Lease, NewEvent, PutHost, PutMove, PutRun, Store, TakeJournal


def test_a_fresh_store_has_no_lease(store: Store) -> None:
    assert store.lease() is None


def test_a_valid_lease_is_not_given_to_another_holder(store: Store) -> None:
    first = store.take_lease("first", now=1000.0, ttl_seconds=20.0)
    assert first == Lease("first", 1, 1020.0)
    assert store.take_lease("second", now=1019.9) is None
    assert store.lease() == first


def test_an_expired_lease_goes_to_whoever_comes_with_a_higher_epoch(store: Store) -> None:
    store.take_lease("first", now=1000.0, ttl_seconds=20.0)
    assert store.take_lease("second", now=1020.0) == Lease("second", 2, 1040.0)


@pytest.mark.parametrize("later", [1.0, 100.0])
def test_the_same_holder_gets_a_higher_epoch_each_time(store: Store, later: float) -> None:
    store.take_lease("first", now=1000.0)
    again = store.take_lease("first", now=1000.0 + later)
    assert again is not None
    assert again.epoch == 2


def test_a_renewed_lease_lasts_as_long_again_as_it_was_taken_for(store: Store) -> None:
    lease = store.take_lease("first", now=1000.0, ttl_seconds=7.0)
    assert lease is not None
    assert store.renew_lease(lease, now=1003.0) == Lease("first", 1, 1010.0)
    assert store.lease() == Lease("first", 1, 1010.0)


def test_an_expired_lease_that_nobody_took_can_be_renewed(store: Store, lease: Lease) -> None:
    assert store.renew_lease(lease, now=9000.0).expires_at == 9020.0


def test_a_lost_lease_can_not_be_renewed(store: Store, lease: Lease) -> None:
    store.take_lease("second", now=2000.0)
    with pytest.raises(LeaseLostError, match="second holds the lease with epoch 2, ours is 1"):
        store.renew_lease(lease, now=2000.0)
    with pytest.raises(LeaseLostError):
        store.renew_lease(Lease("first", 2, 0.0), now=2000.0)


def test_a_released_lease_is_free_at_once_and_its_epoch_never_comes_back(store: Store, lease: Lease) -> None:
    store.release_lease(lease)
    assert store.lease() is None
    with pytest.raises(LeaseLostError, match="nobody holds the lease"):
        store.write(lease.epoch, RUN, [], [NewEvent("late", "late")], 1001.0)
    assert store.take_lease("second", now=1001.0) == Lease("second", 2, 1021.0)


def test_releasing_a_lease_that_is_lost_takes_it_from_nobody(store: Store, lease: Lease) -> None:
    second = store.take_lease("second", now=2000.0)
    store.release_lease(lease)
    assert store.lease() == second


@pytest.mark.parametrize("stale", [0, 1, 3])
def test_a_write_of_another_epoch_changes_nothing_and_leaves_no_event(
    store: Store, lease: Lease, stale: int
) -> None:
    store.take_lease("second", now=2000.0)
    before = store.run(RUN), store.events(RUN)
    changes: list[Change] = [
        PutHost(full_host()),
        PutMove(full_move()),
        PutRun(RunState.PAUSED),
        TakeJournal(HOSTS[0], "cordon", "c", {}),
    ]
    with pytest.raises(LeaseLostError):
        store.write(stale, RUN, changes, [NewEvent("late", "late")], 2001.0)
    with pytest.raises(LeaseLostError):
        store.publish(stale, RUN, {}, 2001.0)
    assert (store.run(RUN), store.events(RUN)) == before
    assert store.published(RUN) is None


def test_without_any_lease_nothing_can_be_written(store: Store) -> None:
    with pytest.raises(LeaseLostError):
        store.write(1, RUN, [], [], 1.0)


def test_of_processes_that_race_for_the_lease_one_gets_it(path: Path) -> None:
    said = race("lease", path, ("a",), ("b",), ("c",), ("d",))
    assert sorted(said) == ["0", "0", "0", "1"]
    store = Store.open(path)
    taken = store.lease()
    assert taken is not None
    assert taken.holder == "abcd"[said.index("1")]
    store.close()


def test_processes_that_take_an_expired_lease_at_once_never_share_an_epoch(path: Path, store: Store) -> None:
    store.take_lease("dead", now=0.0)
    said = race("lease", path, ("same",), ("same",), ("same",))
    assert sorted(said) == ["2", "3", "4"]
