"""Former moves: what they teach, and how right their predictions were."""

from __future__ import annotations

from dataclasses import replace

import pytest

from standfast.model.ids import HostId, MoveId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.run import MoveRow, MoveState
from standfast.predict.history import accuracy, blackouts, brownouts, learn, shares

A, B, C = (HostId(name) for name in "abc")


def move(
    number: int,
    *,
    source: HostId = A,
    target: HostId = B,
    begin: float | None = None,
    seconds: float = 10.0,
    brownout: float | None = None,
    once: float = 9.0,
) -> MoveRow:
    start = 100.0 * number if begin is None else begin
    told = Prediction(10.0, 15.0, 0.3, 0.5, 10**9, once_seconds=once, again_seconds=0.2, switch_seconds=0.25)
    record = MoveRecord(
        brownout_seconds=seconds if brownout is None else brownout, blackout_seconds=0.4, evidence="test"
    )
    return MoveRow(
        id=MoveId(f"m{number}"),
        vm=VmId(f"v{number}"),
        vm_name=f"v{number}",
        source=source,
        target=target,
        purpose=Purpose.EVACUATE,
        step=source,
        attempt=1,
        state=MoveState.DONE,
        started_at=start,
        deadline_at=start + 300,
        predicted=told,
        ended_at=start + seconds,
        record=record,
    )


def test_nothing_is_learnt_of_nothing_of_failures_and_of_what_was_not_measured() -> None:
    failed = replace(move(1), state=MoveState.FAILED)
    blind = replace(move(2), record=None)
    old = move(3, once=0.0)  # by a release that did not keep its terms
    assert learn([]) is None
    assert learn([failed, blind, old]) is None


def test_a_slower_network_than_its_nominal_speed_is_learnt() -> None:
    learnt = learn([move(number, brownout=20.0) for number in range(4)])
    assert learnt is not None
    assert learnt.brownout is not None
    assert learnt.brownout.line.at(9.0, 0.2) == pytest.approx(20.0, rel=0.01)
    assert learnt.blackout is not None
    assert learnt.blackout.line.at(0.25, 0.0) == pytest.approx(0.4, rel=0.01)


def test_moves_that_shared_a_link_are_held_against_their_share_of_it() -> None:
    together = [move(n, begin=0.0, seconds=20.0) for n in (1, 2)]
    apart = move(3, source=C, target=HostId("d"), begin=0.0, seconds=20.0)
    half = move(4, source=B, target=C, begin=0.0, seconds=10.0)
    other = move(5, source=B, target=A, begin=5.0, seconds=10.0)
    assert shares([*together, apart]) == pytest.approx([2.0, 2.0, 1.0])
    assert shares([half, other]) == pytest.approx([1.5, 1.5])
    learnt = learn(together)
    assert learnt is not None
    assert learnt.brownout is not None
    assert learnt.brownout.line.at(9.0, 0.2) == pytest.approx(10.4, rel=0.05)


def test_accuracy_is_of_what_was_measured() -> None:
    moves = [move(1, brownout=10.0), move(2, brownout=8.0), move(3, brownout=20.0)]
    told = accuracy(brownouts(moves))
    assert told is not None
    assert (told.moves, told.median_error, told.p90_error) == (3, 0.25, 0.5)
    assert told.within_p95 == pytest.approx(2 / 3)
    assert accuracy(blackouts([])) is None
    dark = accuracy(blackouts(moves))
    assert dark is not None
    assert dark.median_error == pytest.approx(0.25)


def test_a_share_that_was_foretold_is_not_counted_twice() -> None:
    def together(share: float) -> list[MoveRow]:
        rows = [move(n, begin=0.0, seconds=20.0) for n in (1, 2)]
        return [
            replace(
                row,
                predicted=replace(
                    row.predicted, once_seconds=9.0 * share, again_seconds=0.2 * share, share=share
                ),
            )
            for row in rows
        ]

    alone, shared = learn(together(1.0)), learn(together(2.0))
    assert alone is not None
    assert shared is not None
    assert alone.brownout == shared.brownout


def sent(row: MoveRow, vm: str, share: float) -> MoveRow:
    """The same, of that VM, with so much really sent of what was foretold, and as much less time for it."""
    assert row.record is not None
    wire = round(share * row.predicted.wire_bytes)
    seconds = 1.0 + 9.2 * share
    record = replace(row.record, wire_bytes=wire, brownout_seconds=seconds)
    return replace(row, vm=VmId(vm), vm_name=vm, record=record)


def test_memory_that_nobody_sees_to_be_untouched_is_learnt_from_what_was_sent() -> None:
    shares_sent = {"full": 1.0, "half": 0.5, "tenth": 0.1}
    each = [(vm, share) for _ in range(4) for vm, share in shares_sent.items()]
    rows = [sent(move(number), vm, share) for number, (vm, share) in enumerate(each)]
    learnt = learn(rows)
    assert learnt is not None
    assert learnt.brownout is not None
    assert learnt.sent == pytest.approx(shares_sent)
    assert learnt.sent_usual == pytest.approx(0.5), "for one that has not moved yet"
    for share in shares_sent.values():
        assert learnt.brownout.line.at(9.0 * share, 0.2 * share) == pytest.approx(1.0 + 9.2 * share, rel=0.02)


def test_a_count_of_bytes_that_can_not_be_is_not_believed() -> None:
    wild = replace(move(1), record=MoveRecord(brownout_seconds=10.0, wire_bytes=10**15))
    learnt = learn([wild])
    assert learnt is not None
    assert learnt.sent == {"v1": 3.0}
