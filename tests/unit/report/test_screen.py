"""What somebody who watches a run sees: rows, events and the live row told in lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from test_report import EVENTS, H1, HELD, RUN, run

from standfast.cli import screen
from standfast.cli.screen import Seen
from standfast.model.ids import HostId
from standfast.model.reasons import Code, Reason
from standfast.model.run import EventRow, Phase, Run, RunState

WAITING = replace(HELD, phase=Phase.PLANNED, reason=None, held_phase="")
DRAINING = replace(HELD, phase=Phase.DRAINING, reason=None, held_phase="")


def seen(of: Run | None = None, *, live: dict[str, Any] | None = None, controller: str = "box:7") -> Seen:
    return Seen(of or run(), EVENTS, live or {}, controller, heard_at=298.0, now=300.0)


def running(*rows: Any) -> Run:
    return replace(run(), state=RunState.RUNNING, hosts=rows)


def test_the_header_says_state_host_time_left_and_who_acts() -> None:
    of = running(replace(DRAINING, name="kvm1"), WAITING)
    assert screen.header(seen(of, live={"left_seconds": [180.0, 310.0]})) == [
        "Run 01K0000000000 on lab: running · host 1 of 2, kvm1 draining",
        "3 min 00 s to 5 min 10 s left · controller alive 2 s ago",
    ]


def test_a_controller_that_is_silent_or_missing_is_told_and_what_to_do() -> None:
    of = running(DRAINING)
    silent = replace(seen(of), heard_at=200.0)
    assert "controller silent for 1 min 40 s" in screen.header(silent)[1]
    assert "no controller" in screen.header(seen(of, controller=""))[1]
    assert screen.blocks(silent) == [
        "No controller acts on this run. Start one: standfast serve --until-idle"
    ]
    assert screen.blocks(seen(of)) == []


def test_a_controller_has_a_moment_to_begin() -> None:
    early = replace(seen(running(DRAINING), controller=""), alone_seconds=1.0)
    assert screen.header(early)[1] == "the controller is starting"
    assert screen.blocks(early) == []


def test_a_controller_whose_process_is_there_is_starting_however_long_it_takes() -> None:
    slow = replace(seen(running(DRAINING), controller=""), alone_seconds=60.0, starting=True)
    assert screen.header(slow)[1] == "the controller is starting"
    assert screen.blocks(slow) == []
    after_a_death = replace(slow, controller="box:7", heard_at=100.0)
    assert screen.header(after_a_death)[1] == "the controller is starting"


def test_ages_are_told_on_the_clusters_own_clock() -> None:
    of = replace(seen(running(DRAINING)), now=9_000_000.0, heard_at=8_999_999.0, published_at=262.0)
    assert screen.age(of, DRAINING) == " 42 s"
    real = replace(of, now=263.0)
    assert screen.age(real, DRAINING) == " 43 s"
    assert screen.age(real, WAITING) == ""


def test_a_reason_that_names_its_host_names_it_once() -> None:
    of = run(hosts=(replace(HELD, reason=Reason(Code.PATCH_FAILED, "kvm2: dpkg failed.")),))
    assert screen.blocks(seen(of))[0] == "kvm2: dpkg failed."


def test_many_hosts_at_work_are_counted_not_named() -> None:
    rows = [replace(DRAINING, host=HostId(f"h{number}"), name=f"kvm{number}") for number in range(5)]
    assert screen.header(seen(running(*rows)))[0] == (
        "Run 01K0000000000 on lab: running · 0 of 5 hosts done, 5 at work"
    )


def test_a_host_that_was_skipped_is_not_counted_as_done() -> None:
    rows = [
        replace(DRAINING, host=HostId(f"h{number}"), name=f"kvm{number}", phase=phase)
        for number, phase in enumerate((Phase.DONE, Phase.SKIPPED, Phase.ROLLED_BACK))
    ]
    ended = replace(run(hosts=tuple(rows)), state=RunState.CANCELLED, ended_at=9.0)
    assert screen.header(seen(ended))[0] == "Run 01K0000000000 on lab: cancelled · 1 of 3 hosts done"


def test_a_held_run_says_why_and_its_exits() -> None:
    assert screen.blocks(seen()) == [
        "kvm2: dpkg failed on kvm2.",
        "Try again from here:        standfast run resume 01K0000000000",
        "Go on without it:           standfast run skip kvm2 01K0000000000",
        "Give all back and end:      standfast run cancel 01K0000000000",
        "Stop acting, list the rest: standfast run abandon 01K0000000000",
    ]


def test_a_run_held_as_a_whole_says_its_own_reason() -> None:
    of = replace(run(), hosts=(WAITING,), reason=Reason(Code.UNKNOWN_PHASE, "kvm2 is in phase 'x'."))
    assert screen.blocks(seen(of))[0] == "kvm2 is in phase 'x'."


def test_a_paused_run_says_how_to_go_on() -> None:
    of = replace(running(DRAINING), state=RunState.PAUSED, reason=Reason(Code.OPERATOR, "bob said pause."))
    assert screen.blocks(seen(of)) == ["bob said pause. Go on: standfast run resume 01K0000000000"]


def test_a_lane_shows_where_a_held_host_was_and_its_last_event() -> None:
    assert screen.lanes(seen(), [HELD, replace(HELD, host=H1, phase=Phase.DONE)]) == [
        ("kvm2", "held (was patching)", ""),
        ("kvm2", "done", "done"),
    ]


def test_moves_in_the_air_have_sizes_and_rates() -> None:
    flight = {
        "vm": "web1",
        "source": "kvm1",
        "target": "kvm2",
        "sent_bytes": 2**29,
        "total_bytes": 2**30,
        "bytes_per_second": 112 * 2**20,
    }
    of = running(DRAINING)
    assert screen.flights(seen(of, live={"flights": [flight]})) == [
        ("web1", "kvm1 -> kvm2", "512 MiB of 1.0 GiB", "112 MiB/s")
    ]
    begun = seen(of, live={"flights": [flight | {"sent_bytes": 0, "total_bytes": 0, "bytes_per_second": 0}]})
    assert screen.flights(begun) == [("web1", "kvm1 -> kvm2", "starting", "")]
    ended = replace(of, state=RunState.COMPLETED)
    assert screen.flights(replace(begun, run=ended)) == [], "what was published last is over by now"


def test_an_event_is_one_line_with_host_and_speaker() -> None:
    names = {str(H1): "kvm1"}
    line = screen.event_line(EventRow(1, RUN, 0.0, "operator", H1, None, "stop\nnow", {}, "bob"), names)
    assert line.endswith(" kvm1: bob: stop\\nnow")


@pytest.mark.parametrize(
    ("state", "code"),
    [("completed", 0), ("degraded", 3), ("cancelled", 3), ("abandoned", 3), ("held", 4)],
)
def test_a_watch_ends_with_the_runs_exit_code(state: str, code: int) -> None:
    assert screen.EXIT_CODES[RunState(state)] == code
