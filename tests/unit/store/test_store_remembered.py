"""A store that holds the lease reads only what was written since, and sees what anybody else writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import HOSTS, RUN

from standfast.model.errors import LeaseLostError
from standfast.model.run import Phase, Verb
from standfast.store import Lease, PutHost, Store, TakeJournal


def test_what_is_written_is_read(store: Store, lease: Lease) -> None:
    before = store.run(RUN)
    row = replace(before.hosts[0], phase=Phase.DRAINING)
    store.write(lease.epoch, RUN, [PutHost(row), TakeJournal(HOSTS[0], "cordon", "x", {})], [], 1001.0)
    after = store.run(RUN)
    assert after.hosts[0] == row
    assert after.hosts[1:] == before.hosts[1:]
    assert [entry.name for entry in after.journal] == ["x"]


def test_words_of_others_and_rows_of_the_next_holder_are_seen(store: Store, lease: Lease, path: Path) -> None:
    row = store.run(RUN).hosts[0]
    other = Store.open(path)
    try:
        other.command(RUN, Verb.PAUSE, "somebody", 1001.0)
        assert [word.verb for word in store.run(RUN).commands] == [Verb.PAUSE]
        store.release_lease(lease)
        theirs = other.take_lease("other", 1002.0)
        assert theirs is not None
        other.write(theirs.epoch, RUN, [PutHost(replace(row, phase=Phase.EMPTY))], [], 1002.0)
        assert store.run(RUN).hosts[0].phase == Phase.EMPTY
        with pytest.raises(LeaseLostError):
            store.write(lease.epoch, RUN, [PutHost(row)], [], 1003.0)
        assert store.run(RUN).hosts[0].phase == Phase.EMPTY
    finally:
        other.close()
