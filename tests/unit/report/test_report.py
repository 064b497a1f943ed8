"""A run told: from rows and events alone, the same whichever platform it ran on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from standfast.model.hostwork import PendingUpdate, UpdateState
from standfast.model.ids import HostId, MoveId, RunId, VmId
from standfast.model.moves import MoveRecord, Prediction, Purpose
from standfast.model.plan import SCHEMA_VERSION, Basis, Bounds, Plan
from standfast.model.policy import Policy
from standfast.model.reasons import Code, Reason
from standfast.model.run import EventRow, HostRow, JournalRow, MoveRow, MoveState, Phase, Run, RunState
from standfast.report.facts import report_dict
from standfast.report.html import tiles
from standfast.report.plain import cell, visible
from standfast.report.words import report_text

RUN = RunId("01K0000000000000000000TEST")
H1, H2 = HostId("h1"), HostId("h2")
EXPECTED = Prediction(2.0, 3.0, 0.2, 0.3, 1000)


def plan() -> Plan:
    return Plan(
        schema_version=SCHEMA_VERSION,
        cluster="lab",
        platform="libvirt",
        created_at=0.0,
        basis=Basis((), (), ""),
        waves=(),
        rebalance=(),
        left_alone=(),
        refusals=(),
        warnings=(),
        bounds=Bounds(1, 1, 0.5),
        predicted_seconds=300.0,
        predicted_p95_seconds=400.0,
        policy=Policy(),
    )


def scan(*names: str) -> UpdateState:
    return UpdateState(0.0, "b", tuple(PendingUpdate(name, "1", "2") for name in names))


DONE = HostRow(
    H1,
    "kvm1",
    0,
    Phase.DONE,
    200.0,
    boot_id_before="aaaaaaaa-1",
    boot_id_after="bbbbbbbb-2",
    scan_before=scan("linux", "openssl"),
    scan_after=scan(),
    versions_before=(("linux", "1"), ("bash", "5")),
    versions_after=(("linux", "2"), ("bash", "5"), ("new", "1")),
)
HELD = HostRow(
    H2,
    "kvm2",
    1,
    Phase.HELD,
    220.0,
    held_phase=Phase.PATCHING,
    reason=Reason(Code.PATCH_FAILED, "dpkg failed on kvm2."),
)


def move(number: int, state: MoveState, record: MoveRecord | None = None, **more: Any) -> MoveRow:
    return MoveRow(
        MoveId(f"m{number}"),
        VmId("v1"),
        "web1",
        H1,
        H2,
        Purpose.EVACUATE,
        H1,
        number,
        state,
        110.0,
        400.0,
        EXPECTED,
        record=record,
        **more,
    )


MOVES = (
    move(1, MoveState.FAILED, ended_at=120.0, reason=Reason(Code.MOVE_FAILED, "no route")),
    move(2, MoveState.DONE, ended_at=130.5, record=MoveRecord(blackout_seconds=0.25, wire_bytes=2**20)),
)
EVENTS = tuple(
    EventRow(number, RUN, at, kind, host, None, text, data, actor)
    for number, (at, kind, host, text, data, actor) in enumerate(
        [
            (100.0, "run_created", None, "created", {}, "alice"),
            (101.0, "host_phase", H1, "prepares", {"from": "planned", "to": "silenced"}, "standfast"),
            (110.0, "host_phase", H1, "drains", {"from": "silenced", "to": "draining"}, "standfast"),
            (150.0, "host_phase", H1, "patches", {"from": "draining", "to": "patching"}, "standfast"),
            (160.0, "operator", None, "paused", {"verb": "pause"}, "bob"),
            (200.0, "host_phase", H1, "done", {"from": "patching", "to": "done"}, "standfast"),
        ],
        start=1,
    )
)
JOURNAL = (
    JournalRow(1, RUN, H1, "cordon", "kvm1", {"cordoned": False}, 101.0, 199.0),
    JournalRow(2, RUN, H2, "cordon", "kvm2", {"cordoned": False}, 201.0),
)


def run(**more: Any) -> Run:
    rows: dict[str, Any] = {"hosts": (DONE, HELD), "moves": MOVES, "journal": JOURNAL} | more
    return Run(RUN, "lab", RunState.HELD, plan(), "d" * 64, "alice", 100.0, **rows)


def test_time_in_each_phase_comes_from_the_events() -> None:
    assert report_dict(run(), EVENTS)["hosts"][0]["phases"] == [
        {"phase": "silenced", "seconds": 9.0},
        {"phase": "draining", "seconds": 40.0},
        {"phase": "patching", "seconds": 50.0},
    ]


def test_only_changed_versions_are_told() -> None:
    assert report_dict(run(), EVENTS)["hosts"][0]["versions"] == [
        {"package": "linux", "before": "1", "after": "2"},
        {"package": "new", "before": "", "after": "1"},
    ]


def test_a_number_that_nobody_measured_is_none() -> None:
    told = report_dict(run(), EVENTS)
    assert told["seconds"] is None
    assert told["hosts"][1]["pending_before"] is None
    assert told["moves"][1]["brownout_seconds"] is None
    assert report_dict(run(moves=()), EVENTS)["totals"]["longest_blackout_seconds"] is None


def test_attempts_that_failed_are_counted_apart() -> None:
    assert report_dict(run(), EVENTS)["totals"] == {
        "moves": 1,
        "moves_failed": 1,
        "vms_moved": 1,
        "moves_measured": 1,
        "moves_over_budget": 0,
        "longest_blackout_seconds": 0.25,
        "wire_bytes": 2**20,
    }


def test_what_is_still_changed_is_told_by_name() -> None:
    told = report_dict(run(), EVENTS)
    assert [entry["host"] for entry in told["given_back"]] == ["kvm1"]
    assert [entry["name"] for entry in told["still_changed"]] == ["kvm2"]
    text = report_text(run(), EVENTS)
    assert "2 changes were made for the run: 1 was given back, 1 is STILL CHANGED." in text
    assert text.endswith("\nSTILL CHANGED\n  kvm2 is cordoned: it takes no VM (before the run: cordoned: no)")


def test_all_as_before_is_said_only_where_it_is_so() -> None:
    given_back = report_text(run(journal=JOURNAL[:1]), EVENTS)
    assert "1 change made for the run and given back: all as before." in given_back
    assert "Nothing was changed for the run but what it was for." in report_text(run(journal=()), EVENTS)
    still = report_text(run(journal=JOURNAL[1:]), EVENTS)
    assert "1 change was made for the run: none was given back, 1 is STILL CHANGED." in still
    assert "as before" not in still


def test_a_kind_of_change_that_is_new_here_is_told_all_the_same() -> None:
    entry = JournalRow(3, RUN, H1, "balancer", "drs", {"level": "full", "hosts": ["a", "b"]}, 101.0)
    text = report_text(run(journal=(entry,)), EVENTS)
    assert "balancer drs of kvm1 is not as it was (before the run: level: full, hosts: a b)" in text


def test_operators_are_named_with_what_they_said() -> None:
    assert report_dict(run(), EVENTS)["commands"] == [
        {"at": 160.0, "actor": "bob", "verb": "pause", "text": "paused"}
    ]


@pytest.mark.parametrize(
    ("state", "hosts", "title"),
    [
        ("completed", (DONE,), "kvm1 of lab is patched and rebooted"),
        ("completed", (), "The VMs of lab are spread; no host needed anything"),
        ("running", (DONE, HELD), "Under way: 1 of 2 hosts of lab is done"),
        ("cancelling", (DONE, HELD), "Being cancelled: 1 of 2 hosts of lab is done"),
        ("cancelled", (HELD,), "Cancelled: none of 1 host of lab is done"),
        ("paused", (DONE, HELD), "Paused by bob: 1 of 2 hosts of lab is done"),
        ("held", (DONE, HELD), "kvm2 waits for an operator; 1 of 2 hosts of lab is done"),
        ("held", (DONE,), "The run waits for an operator; 1 of 1 host of lab is done"),
        ("degraded", (DONE, replace(HELD, phase="failed")), "1 of 2 hosts of lab is done; kvm2 failed"),
        ("abandoned", (DONE, HELD), "Abandoned: 1 of 2 hosts of lab is done, 1 thing is still changed"),
    ],
)
def test_the_title_says_what_became_of_it(state: str, hosts: tuple[HostRow, ...], title: str) -> None:
    of = replace(run(hosts=hosts), state=RunState(state))
    assert report_dict(of, EVENTS)["title"] == title


def test_of_many_hosts_that_are_not_done_a_few_are_named() -> None:
    rows = tuple(replace(HELD, host=HostId(f"h{n}"), name=f"kvm{n}", phase="skipped") for n in range(6))
    of = replace(run(hosts=rows), state=RunState.DEGRADED)
    assert report_dict(of, EVENTS)["title"] == (
        "none of 6 hosts of lab is done; kvm0 was skipped, kvm1 was skipped, kvm2 was skipped and 3 more"
    )


def test_vms_that_were_off_with_consent_are_told_apart_from_moves() -> None:
    consent = {"consent_by": "carol", "consent_at": 1.0, "consent_where": "rules.yaml:7"}
    before = {"vm": "hsm", "running": True, "asked_at": 140.0, "ended_how": "shutdown", **consent}
    back = JournalRow(1, RUN, H1, "off", "v9", before, 150.0, 170.0)
    told = report_dict(run(journal=(back,)), EVENTS)
    assert told["off"] == [
        {
            "vm": "hsm",
            "host": "kvm1",
            "off_at": 150.0,
            "back_at": 170.0,
            "seconds": 20.0,
            "asked_at": 140.0,
            "ended_how": "shutdown",
            "consent_by": "carol",
            "consent_where": "rules.yaml:7",
        }
    ]
    assert "1 VM was shut down with consent, hsm for 20 s." in told["summary"]
    still = report_text(run(journal=(replace(back, given_back_at=None),)), EVENTS)
    assert "  hsm is off, and was not started again (before the run: running: yes)" in still
    assert "STILL OFF" in still


def test_a_hold_that_an_operator_ends_is_counted_to_its_end_and_no_further() -> None:
    held = {"from": "patching", "to": "held"}
    again = {"from": "draining", "to": "empty"}
    events = (
        *EVENTS[:4],
        EventRow(5, RUN, 160.0, "host_held", H1, None, "held", held),
        EventRow(6, RUN, 170.0, "operator", None, None, "pause changes nothing", {"verb": "pause"}, "bob"),
        EventRow(7, RUN, 190.0, "operator", None, None, "resumed", {"verb": "resume"}, "bob"),
        EventRow(8, RUN, 197.0, "host_phase", H1, None, "empty", again),
    )
    told = report_dict(run(hosts=(replace(DONE, phase=Phase.EMPTY),), moves=()), events)
    phases = {each["phase"]: each["seconds"] for each in told["hosts"][0]["phases"]}
    assert phases == {"silenced": 9.0, "draining": 47.0, "patching": 10.0, "held": 30.0}
    assert told["waits"] == [
        {"for": "kvm1", "what": "held, for an operator", "began_at": 160.0, "seconds": 30.0}
    ]


def test_a_phase_that_no_event_tells_of_yet_is_taken_from_the_row() -> None:
    row = replace(DONE, phase=Phase.REBOOTING, since=155.0)
    told = report_dict(run(hosts=(row,), ended_at=165.0), EVENTS[:4])["hosts"][0]
    assert told["timeline"][-2:] == [
        {"phase": "patching", "began_at": 150.0, "ended_at": 155.0},
        {"phase": "rebooting", "began_at": 155.0, "ended_at": 165.0},
    ]


def test_a_move_is_held_against_its_own_budget() -> None:
    own = {"move": "m2", "blackout_budget_seconds": 0.2}
    events = (*EVENTS, EventRow(9, RUN, 111.0, "move_started", H1, None, "web1: moving", own))
    move_told = report_dict(run(), events)["moves"][1]
    assert (move_told["blackout_budget_seconds"], move_told["within_budget"]) == (0.2, False)
    assert report_dict(run(), EVENTS)["moves"][1]["within_budget"] is True


def test_a_name_cant_break_the_screen() -> None:
    assert cell("a\nb\x1b[2J\udcff$'") == "a\\nb\\x1b[2J\\udcff$'"
    assert visible("a\nb\x00") == "a\nb\\x00"
    strange = (move(1, MoveState.DONE, ended_at=111.0),)
    text = report_text(run(moves=strange, hosts=(DONE,)), EVENTS)
    assert "\x1b" not in text


def test_a_run_that_only_evens_hosts_out_counts_its_moves_and_no_hosts() -> None:
    report = {
        "kind": "balance",
        "hosts": [],
        "planned_moves": 3,
        "ended_at": 10.0,
        "moves": [{"state": "done"}, {"state": "done"}, {"state": "failed"}],
    }
    tile = tiles._hosts(report)
    assert (tile.value, tile.what, tile.mood) == ("2 of 3", "planned moves made", "bad")
