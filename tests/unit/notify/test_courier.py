"""Notices are told at least once, in order, from where each receiver stopped, and hold up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from notify_kit import H1, RUN, hook_server, plan

from standfast.model.errors import LeaseLostError, RefusedError, UnreachableError
from standfast.model.notice import Notice, Occasion
from standfast.model.run import RunState
from standfast.notify import courier
from standfast.notify.courier import Couriers
from standfast.notify.receivers import WebhookReceiver
from standfast.store import Lease, NewEvent, PutRun, Store
from standfast.transports.http import HttpServer

HELD = NewEvent("host_held", "held", host=H1, data={"from": "draining", "why": "because", "do": "resume"})
ENDED = NewEvent("run_ended", "The run is completed.")
ALL: tuple[Occasion, ...] = ("started", "held", "failed", "done")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(courier, "FIRST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(courier, "LONGEST_WAIT_SECONDS", 0.1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "standfast.db")
    store.create_run(RUN, plan(), "digest", "anna", time.time())
    yield store
    store.close()


@pytest.fixture
def lease(store: Store) -> Lease:
    lease = store.take_lease("first", time.time(), 1e6)
    assert lease is not None
    return lease


@dataclass
class Ear:
    """Listens, and fails while `errors` lasts."""

    name: str = "ear"
    on: tuple[Occasion, ...] = ALL
    errors: list[Exception] = field(default_factory=list)
    heard: list[Notice] = field(default_factory=list)
    attempts: int = 0
    deaf: threading.Event | None = None

    def tell(self, notice: Notice) -> str:
        self.attempts += 1
        if self.deaf is not None:
            self.deaf.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.heard.append(notice)
        return "heard"

    @property
    def whats(self) -> list[str]:
        return [notice.what for notice in self.heard]


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write(store: Store, lease: Lease, *events: NewEvent) -> None:
    changes = [PutRun(RunState.COMPLETED)] if ENDED in events else []
    store.write(lease.epoch, RUN, changes, events, time.time())


def down(times: int) -> list[Exception]:
    return [UnreachableError("connection_refused", "it refuses connections", where="ear")] * times


def kinds(store: Store) -> list[str]:
    return [event.kind for event in store.events(RUN)]


def test_a_run_is_told_from_its_start_to_its_end(store: Store, lease: Lease) -> None:
    ear = Ear()
    with Couriers(store, [ear], lambda: lease):
        write(store, lease, HELD, NewEvent("host_phase", "empty", host=H1, data={"to": "empty"}))
        until(lambda: len(ear.heard) == 2)
        write(store, lease, ENDED)
    assert ear.whats == ["a run has started", "kvm1 is held while draining", "the run is completed"]


def test_each_hears_what_it_wants_to(store: Store, lease: Lease) -> None:
    held, done = Ear("held", ("held",)), Ear("done", ("done",))
    write(store, lease, HELD, ENDED)
    # The run has ended; who was never told of anything begins with what comes.
    store.put_told(lease.epoch, "held", 0)
    store.put_told(lease.epoch, "done", 0)
    with Couriers(store, [held, done], lambda: lease):
        pass
    assert (held.whats, done.whats) == (["kvm1 is held while draining"], ["the run is completed"])


def test_the_next_process_goes_on_where_this_one_stopped(store: Store, lease: Lease) -> None:
    ear = Ear(errors=down(10_000))
    write(store, lease, HELD)
    with Couriers(store, [ear], lambda: lease, last_seconds=0.2):
        until(lambda: ear.attempts > 2)
    assert ear.heard == []
    ear.errors = []
    with Couriers(store, [ear], lambda: lease):
        pass
    with Couriers(store, [ear], lambda: lease):
        pass
    assert ear.whats == ["a run has started", "kvm1 is held while draining"]


def test_a_death_between_telling_and_noting_it_tells_twice_with_one_key(store: Store, lease: Lease) -> None:
    ear = Ear(on=("held",))
    write(store, lease, HELD)
    with Couriers(store, [ear], lambda: lease):
        pass
    store.put_told(lease.epoch, "ear", 0)
    with Couriers(store, [ear], lambda: lease):
        pass
    assert len(ear.heard) == 2
    assert ear.heard[0] == ear.heard[1]


def test_a_failure_is_tried_again_in_order_and_said_once(store: Store, lease: Lease) -> None:
    ear = Ear(errors=down(4))
    with Couriers(store, [ear], lambda: lease):
        write(store, lease, HELD)
        until(lambda: len(ear.heard) == 2)
    assert ear.whats == ["a run has started", "kvm1 is held while draining"]
    assert kinds(store).count("notify_failing") == 1
    (said,) = [event for event in store.events(RUN) if event.kind == "notify_failing"]
    assert said.text == "ear: can't be told, tried again: ear: it refuses connections."


def test_what_is_refused_for_good_is_given_up_and_the_rest_is_told(store: Store, lease: Lease) -> None:
    ear = Ear(errors=[RefusedError("webhook_refused", "it answered 400")] * courier.REFUSALS)
    with Couriers(store, [ear], lambda: lease):
        write(store, lease, HELD)
        until(lambda: len(ear.heard) == 1)
    assert ear.whats == ["kvm1 is held while draining"]
    assert kinds(store).count("notify_given_up") == 1


def test_what_could_not_be_told_for_a_day_is_given_up(store: Store, lease: Lease) -> None:
    ear = Ear(errors=down(1))
    tomorrow = time.time() + courier.GIVEN_UP_SECONDS + 60
    with Couriers(store, [ear], lambda: lease, now=lambda: tomorrow):
        until(lambda: "notify_given_up" in kinds(store))
        write(store, lease, HELD)
        until(lambda: len(ear.heard) == 1)


def test_one_that_hangs_holds_up_neither_the_others_nor_the_end(store: Store, lease: Lease) -> None:
    stuck, ear = Ear("stuck", deaf=threading.Event()), Ear()
    began = time.monotonic()
    with Couriers(store, [stuck, ear], lambda: lease, last_seconds=0.3):
        write(store, lease, HELD)
        until(lambda: len(ear.heard) == 2)
    assert time.monotonic() - began < 5
    assert stuck.deaf is not None
    stuck.deaf.set()


def test_who_has_lost_the_lease_tells_nothing_more(store: Store, lease: Lease) -> None:
    ear = Ear()

    def lost() -> Lease:
        raise LeaseLostError("lease_expired", "this controller may not act any more")

    with Couriers(store, [ear], lost):
        write(store, lease, HELD, HELD, HELD)
    assert len(ear.heard) <= 1


def test_a_real_receiver_that_comes_up_late_hears_it_all(store: Store, lease: Lease) -> None:
    with hook_server() as server:
        server.status = 503
        receiver = WebhookReceiver("hook", ALL, HttpServer("hook", server.url))
        with Couriers(store, [receiver], lambda: lease):
            write(store, lease, HELD)
            until(lambda: "notify_failing" in kinds(store))
            server.status = 200
            write(store, lease, ENDED)
        assert server.whats == ["a run has started", "kvm1 is held while draining", "the run is completed"]
        assert len({key for key, _ in server.told}) == 3
