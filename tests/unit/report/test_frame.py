"""The watcher's screen: never larger than the terminal, and what matters most is what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.text import Text

from report_samples import BEGAN_AT, HOSTILE, Story
from standfast.cli.frame import chosen, frame, whole
from standfast.cli.screen import Seen
from standfast.model.plan import HostStep, Wave
from standfast.model.reasons import Code, Reason
from standfast.model.run import HostRow, Phase, RunState

HELD = Reason(
    Code.PATCH_FAILED,
    "kvm3: installing its updates failed: dpkg ended with 1.",
    "Mend it on the host, then resume.",
)


def flight(vm: str, sent: int = 110, total: int = 170) -> dict[str, Any]:
    mib = 1024**2
    return {
        "vm": vm,
        "source": "kvm3",
        "target": "kvm1",
        "total_bytes": total * mib,
        "sent_bytes": sent * mib,
        "bytes_per_second": 100 * mib if sent else 0,
        "iteration": 2 if sent else 0,
        "seconds": 4.2,
    }


def seen(hosts: int = 5, *, held: bool = False, moves: int = 1, name: str = "kvm") -> Seen:
    """Two hosts are done, the third is at work or held, the others wait."""
    story = Story()
    at = story.turn(f"{name}2", story.turn(f"{name}1", 5.0))
    if held:
        spans = ((Phase.DRAINING, 10.0), (Phase.PATCHING, 10.0), (Phase.HELD, 0.0))
        story.turn(f"{name}3", at, spans, held_phase=str(Phase.PATCHING), reason=HELD)
    else:
        story.turn(f"{name}3", at, ((Phase.DRAINING, 0.0),))
    for number in range(4, hosts + 1):
        story.host(f"{name}{number}")
    run, events = story.end(RunState.HELD if held else RunState.RUNNING, None)
    steps = [HostStep(row.host, row.name, (), (), True, 30.0, 25.0, 60.0, 20.0) for row in run.hosts]
    run = replace(run, plan=replace(run.plan, waves=tuple(Wave((step,)) for step in steps)))
    now = BEGAN_AT + at + 12
    live = {"flights": [flight(f"vm{n}") for n in range(moves)], "left_seconds": [180.0, 310.0]}
    return Seen(run, events, live, "box:7", now - 2, now, published_at=now)


def plain(lines: list[Text]) -> list[str]:
    return [line.plain.rstrip() for line in lines]


def test_a_screen_of_80_by_24_tells_it_all() -> None:
    lines = plain(frame(seen(), 80, 24))
    assert lines[:12] == [
        "Run 01K5P00000000 on east: running · host 3 of 5, kvm3 draining",
        "3 min 00 s to 5 min 10 s left · controller alive 2 s ago",
        f"{'━' * 25}{'─' * 18} 2 done, 1 at work, 2 to come",
        "",
        "kvm1  ■■■■■■■  done                         now done",
        "kvm2  ■■■■■■■  done                         now done",
        "kvm3  ■▣·····  draining 12 s of about 30 s  now draining",
        "kvm4  ·······  planned",
        "kvm5  ·······  planned",
        "",
        "vm0  kvm3 -> kvm1  ███████░░░░░  110 MiB of 170 MiB, 100 MiB/s, round 2, 4.2 s",
        "",
    ]
    assert lines[12].endswith(" kvm1: now done")
    assert lines[21].endswith(" kvm3: now draining")
    assert lines[-1] == "q: leave, the run goes on · standfast run pause | resume | cancel 01K5P00000000"
    assert len(lines) == 24


def test_what_blocks_and_what_to_type_is_never_cut_off() -> None:
    for width in (40, 60, 80):
        told = " ".join(" ".join(plain(frame(seen(held=True), width, 30))).split())
        assert "dpkg ended with 1. Mend it on the host, then resume." in told
        assert "Try again from here: standfast run resume 01K5P00000000" in told
        assert "standfast run abandon 01K5P00000000" in told


def test_of_thousands_of_hosts_those_that_matter_are_shown_and_the_others_counted() -> None:
    lines = plain(frame(seen(3000), 100, 24))
    assert lines[4:11] == [
        "kvm3  ■▣·····  draining 12 s of about 30 s  now draining",
        *(f"kvm{number}  ·······  planned" for number in range(4, 9)),
        "and 2994 more: 2992 planned, 2 done",
    ]


def test_held_hosts_come_before_those_at_work() -> None:
    rows = [HostRow(f"h{n}", f"h{n}", n, Phase.DRAINING, 0.0) for n in range(20)]  # type: ignore[arg-type]
    rows[17] = replace(rows[17], phase=Phase.HELD)
    assert [row.name for row in chosen(rows, 3)] == ["h0", "h17"]


def test_moves_that_do_not_fit_are_counted_with_what_they_send() -> None:
    lines = plain(frame(seen(moves=40), 80, 24))
    assert "and 35 more moves, 3.9 GiB/s in all" in lines


def test_without_a_keyboard_the_screen_does_not_offer_keys() -> None:
    assert plain(frame(seen(), 80, 24, keys=False))[-1].startswith("Ctrl-C: leave")


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 60),
    hosts=st.integers(3, 40),
    moves=st.integers(0, 12),
    held=st.booleans(),
    name=st.sampled_from(["kvm", "ホスト", *HOSTILE]),
)
def test_it_is_never_larger_than_the_terminal(
    width: int, height: int, hosts: int, moves: int, held: bool, name: str
) -> None:
    lines = frame(seen(hosts, held=held, moves=moves, name=name), width, height)
    assert len(lines) == height
    assert all(line.cell_len <= width for line in lines)
    assert all(line.plain.isprintable() for line in lines)


@pytest.mark.parametrize("width", [40, 118])
def test_printed_it_has_all_hosts_and_moves(width: int) -> None:
    lines = plain(whole(seen(60, moves=15), width))
    assert sum(line.startswith("kvm") for line in lines) == 60
    assert sum(line.startswith("vm") for line in lines) == 15
