from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import NEXT, RUN, SECOND, plan

from standfast.store import Lease, Store, engine, migrate
from standfast.store.schema import REVISIONS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "standfast.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path)
    yield store
    store.close()


@pytest.fixture
def lease(store: Store) -> Lease:
    """A lease of epoch 1, with `RUN` created."""
    store.create_run(RUN, plan(), "digest", "anna", 1000.0)
    lease = store.take_lease("first", now=1000.0)
    assert lease is not None
    return lease


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process is the next release, whose schema has one revision more, which rebuilds a table."""
    scripts = tmp_path / "scripts"
    shutil.copytree(migrate.SCRIPTS, scripts)
    (scripts / "versions" / "r0777_second.py").write_text(SECOND)
    monkeypatch.setattr(migrate, "SCRIPTS", scripts)
    monkeypatch.setattr(engine, "HEAD", NEXT)
    monkeypatch.setattr(engine, "REVISIONS", (*REVISIONS, NEXT))
    return scripts
