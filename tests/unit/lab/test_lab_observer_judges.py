"""The observer's judgement on recorded lines: what is an interruption, and what only a move."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

import standfast.lab.observer
from standfast.lab.observer.beats import Beat, Pulse, parse_beat
from standfast.lab.observer.history import History, tell
from standfast.lab.observer.leftovers import Domain, parse_domains, states_left
from standfast.lab.observer.report import VmEvidence, build_report
from standfast.lab.observer.sightings import (
    LogEnd,
    Running,
    Sighting,
    parse_event,
    parse_log_end,
    parse_running,
)

NONCE = "82d4dd33d570315d"

# Recorded from `virsh event --all --loop --timestamp` of libvirt 11.3: vm1 goes from kvm1 to kvm2.
SOURCE = """\
2026-11-24 05:50:22.237+0000: event 'migration-iteration' for domain 'vm1': iteration: '2'
2026-11-24 05:50:22.238+0000: event 'lifecycle' for domain 'vm1': Suspended Migrated
2026-11-24 05:50:22.494+0000: event 'lifecycle' for domain 'vm1': Shutdown Finished after host request
2026-11-24 05:50:22.499+0000: event 'lifecycle' for domain 'vm1': Stopped Migrated
2026-11-24 05:50:22.499+0000: event 'job-completed' for domain 'vm1':
\toperation: 5
\tdowntime: 49"""
DESTINATION = """\
2026-11-24 05:50:21.313+0000: event 'lifecycle' for domain 'vm1': Started Migrated
2026-11-24 05:50:22.284+0000: event 'lifecycle' for domain 'vm1': Defined Added
2026-11-24 05:50:22.287+0000: event 'lifecycle' for domain 'vm1': Resumed Migrated"""
SAVE_AND_RESTORE = """\
2026-11-24 05:50:27.821+0000: event 'lifecycle' for domain 'vm1': Suspended Paused
2026-11-24 05:50:28.754+0000: event 'lifecycle' for domain 'vm1': Shutdown Finished after host request
2026-11-24 05:50:28.768+0000: event 'lifecycle' for domain 'vm1': Stopped Saved
2026-11-24 05:50:39.329+0000: event 'lifecycle' for domain 'vm1': Started Restored
2026-11-24 05:50:39.339+0000: event 'lifecycle' for domain 'vm1': Resumed Snapshot"""
RESET = """\
2026-11-24 05:50:23.748+0000: event 'reboot' for domain 'vm1'
2026-11-24 05:50:23.816+0000: event 'reboot' for domain 'vm1'"""


def events(host: str, text: str) -> list[Sighting]:
    return [event for line in text.splitlines() if (event := parse_event(host, line))]


def at(clock: str) -> float:
    event = parse_event("", f"2026-11-24 {clock}+0000: event 'reboot' for domain 'x'")
    assert event is not None
    return event.at


def history(*seen: Sequence[Sighting]) -> History:
    return tell([each for some in seen for each in some], since=0.0)


def kinds(told: History) -> list[str]:
    return [each.kind for each in told.interruptions]


START = [Running(at("05:50:00.000"), "kvm1", "vm1")]


def test_a_live_migration_is_a_move_and_no_interruption_in_whatever_order_hosts_are_heard() -> None:
    for seen in (
        (START, events("kvm1", SOURCE), events("kvm2", DESTINATION)),
        (events("kvm2", DESTINATION), events("kvm1", SOURCE), START),
    ):
        told = history(*seen)
        assert told.path == ["kvm1", "kvm2"]
        assert told.moves == 1
        assert told.interruptions == []


def test_a_move_whose_events_were_missed_is_seen_in_the_next_list_of_running_vms() -> None:
    told = history(START, [Running(at("05:51:00.000"), "kvm3", "vm1")])
    assert told.path == ["kvm1", "kvm3"]
    assert told.interruptions == []


def test_a_list_that_shows_the_arrival_before_its_event_does_not_count_it_twice() -> None:
    told = history(START, [Running(at("05:50:22.286"), "kvm2", "vm1")], events("kvm2", DESTINATION))
    assert told.moves == 1


def test_moves_there_and_back_are_all_counted() -> None:
    back = DESTINATION.replace("05:50:2", "05:50:4")
    told = history(START, events("kvm2", DESTINATION), events("kvm1", back))
    assert told.path == ["kvm1", "kvm2", "kvm1"]


def test_a_destination_that_gives_up_an_incoming_copy_interrupts_nobody() -> None:
    failed = "2026-11-24 05:50:25.000+0000: event 'lifecycle' for domain 'vm1': Stopped Failed"
    log = LogEnd(at("05:50:25.010"), "kvm2", "vm1", "failed")
    told = history(START, events("kvm2", failed), [log])
    assert told.path == ["kvm1"]
    assert told.interruptions == []


def test_a_managed_save_is_an_interruption_even_when_the_vm_is_restored() -> None:
    assert kinds(history(START, events("kvm1", SAVE_AND_RESTORE))) == ["paused", "saved", "started"]


def test_a_reset_is_one_interruption_though_it_is_told_twice() -> None:
    assert kinds(history(START, events("kvm1", RESET))) == ["reset"]


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("Suspended Paused", "paused"),
        ("Suspended I/O Error", "paused"),
        ("Suspended Post-copy Error", "paused"),
        ("Stopped Destroyed", "stopped"),
        ("Stopped Shutdown", "shutdown"),
        ("Stopped Crashed", "crashed"),
        ("Stopped Failed", "stopped"),
        ("Crashed Panicked", "crashed"),
        ("Started Booted", "started"),
    ],
)
def test_what_happens_to_a_vm_where_it_runs_is_an_interruption(detail: str, kind: str) -> None:
    line = f"2026-11-24 05:50:30.000+0000: event 'lifecycle' for domain 'vm1': {detail}"
    assert kinds(history(START, events("kvm1", line))) == [kind]


@pytest.mark.parametrize(
    "detail",
    ["Suspended Migrated", "Suspended Post-copy", "Resumed Post-copy", "Defined Updated", "Resumed Unpaused"],
)
def test_steps_of_a_migration_and_harmless_events_are_none(detail: str) -> None:
    line = f"2026-11-24 05:50:30.000+0000: event 'lifecycle' for domain 'vm1': {detail}"
    assert kinds(history(START, events("kvm1", line))) == []


def test_an_end_whose_event_was_missed_is_found_in_qemus_log_and_one_that_was_heard_is_not_told_twice() -> (
    None
):
    line = "vm1.log:2026-11-24 05:50:30.001+0000: shutting down, reason=destroyed"
    end = parse_log_end("kvm1", line)
    assert end is not None
    assert kinds(history(START, [end])) == ["stopped"]
    heard = "2026-11-24 05:50:30.000+0000: event 'lifecycle' for domain 'vm1': Stopped Crashed"
    assert kinds(history(START, events("kvm1", heard), [end])) == ["crashed"]
    moved = parse_log_end("kvm1", line.replace("destroyed", "migrated"))
    assert moved is not None
    assert kinds(history(START, [moved])) == []


def test_what_a_log_tells_of_times_before_the_observer_does_not_count() -> None:
    end = LogEnd(at("05:40:00.000"), "kvm1", "vm1", "crashed")
    assert kinds(tell([end, *START], since=at("05:45:00.000"))) == []


def test_a_listing_that_took_long_proves_nothing() -> None:
    assert [each.vm for each in parse_running("kvm1", "running 100.0 100.2 vm1 vm2")] == ["vm1", "vm2"]
    assert parse_running("kvm1", "running 100.0 101.5 vm1") == []
    assert parse_running("kvm1", "error: failed to connect") == []


def test_beats_are_read_and_other_lines_passed_over() -> None:
    assert parse_beat(f"beat vm1 {NONCE} 12\r\n") == Beat("vm1", NONCE, 12)
    assert parse_beat(f"beat vm1 {NONCE} 12 diskerr=2 memerr=1") == Beat("vm1", NONCE, 12, 2, 1)
    for line in ("", f"beat vm1 {NONCE}", "[    0.0] Linux version", f"eat vm1 {NONCE} 12"):
        assert parse_beat(line) is None


def test_the_longest_gap_includes_a_silence_that_still_lasts() -> None:
    pulse = Pulse()
    assert pulse.longest_gap(100.0) is None
    for counter, when in enumerate((10.0, 10.1, 11.6, 11.7), 1):
        pulse.feel(Beat("vm1", NONCE, counter), when)
    assert pulse.longest_gap(11.8) == pytest.approx(1.5)
    assert pulse.longest_gap(20.7) == pytest.approx(9.0)


def test_a_new_nonce_or_a_counter_that_goes_back_is_a_restart() -> None:
    pulse = Pulse()
    for nonce, counter in ((NONCE, 5), (NONCE, 6), (NONCE, 3), ("0" * 16, 1), ("0" * 16, 2)):
        pulse.feel(Beat("vm1", nonce, counter), float(counter))
    assert pulse.restarts == 2


def test_errors_of_a_guest_are_summed_over_its_boots() -> None:
    pulse = Pulse()
    for nonce, errors in ((NONCE, 1), (NONCE, 2), ("0" * 16, 0), ("0" * 16, 3)):
        pulse.feel(Beat("vm1", nonce, 1, disk_errors=errors, memory_errors=errors), 0.0)
    assert (pulse.disk_errors, pulse.memory_errors) == (5, 5)


ANSWER = """\
domain vm1
Id:             4
Name:           vm1
State:          running
Persistent:     yes
Managed save:   no
domain vm4
Id:             -
State:          shut off
Persistent:     yes
Managed save:   yes
vm4.log:2026-11-24 05:50:28.768+0000: shutting down, reason=saved"""


def test_domains_are_read_from_what_virsh_says() -> None:
    assert parse_domains(ANSWER.splitlines()) == [
        Domain("vm1", "running", persistent=True, managed_save=False),
        Domain("vm4", "shut off", persistent=True, managed_save=True),
    ]


def domain(state: str, *, persistent: bool = True, saved: bool = False) -> list[Domain]:
    return [Domain("vm1", state, persistent, saved)]


@pytest.mark.parametrize(
    ("known", "wrong"),
    [
        ({"kvm1": domain("running"), "kvm2": []}, []),
        ({"kvm1": [], "kvm2": []}, ["missing"]),
        ({"kvm1": domain("paused")}, ["paused on kvm1"]),
        ({"kvm1": domain("shut off", saved=True)}, ["saved on kvm1", "shut off on kvm1"]),
        ({"kvm1": domain("running"), "kvm2": domain("shut off")}, ["leftover definition on kvm2"]),
        ({"kvm1": domain("running"), "kvm2": domain("running")}, ["running on two hosts: kvm1, kvm2"]),
        ({"kvm1": domain("running", persistent=False)}, ["not defined persistently on kvm1"]),
        ({"kvm1": domain("crashed")}, ["crashed on kvm1"]),
    ],
)
def test_whatever_is_not_one_running_persistent_copy_is_left_over(
    known: dict[str, list[Domain]], wrong: list[str]
) -> None:
    assert states_left("vm1", known) == wrong


def _pulse(*times: float) -> Pulse:
    pulse = Pulse()
    for counter, when in enumerate(times, 1):
        pulse.feel(Beat("vm1", NONCE, counter), when)
    return pulse


def _red(
    pulse: Pulse, *, left: Sequence[str] = (), told: History | None = None, trouble: Sequence[str] = ()
) -> bool:
    vm = VmEvidence("vm1", pulse, pulse, told or history(START), left)
    report = build_report([vm], {"kvm1": ["b"]}, trouble, now=10.2, gap_budget=5.0, facts={})
    assert bool(report["reasons"]) == report["red"]
    return bool(report["red"])


def test_a_report_is_green_only_if_nothing_at_all_is_wrong() -> None:
    steady = _pulse(10.0, 10.1, 10.2)
    assert not _red(steady)
    assert _red(Pulse())
    assert _red(_pulse(1.0, 10.1))
    assert _red(steady, left=["paused on kvm1"])
    assert _red(steady, told=history(START, events("kvm1", RESET)))
    assert _red(steady, trouble=["kvm2 could not be asked"])


def test_the_observer_shares_no_code_with_what_it_measures() -> None:
    folder = Path(standfast.lab.observer.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                ours = name.split(".")[0] == "standfast"
                assert not ours or name.startswith("standfast.lab.observer"), f"{file.name} imports {name}"
    parents = (folder.parent / "__init__.py", folder.parents[1] / "__init__.py")
    for parent in parents:
        assert not [
            node for node in ast.walk(ast.parse(parent.read_text())) if isinstance(node, ast.ImportFrom)
        ]
