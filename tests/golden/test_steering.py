"""Operators' verbs and evacuation from the command line, word by word, on a simulated cluster."""

from __future__ import annotations

import json
import re
import time

import pytest

from .conftest import CONFIG, Place

SLOW = CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 4").replace(
    "policy: {", "policy: {canary_soak_seconds: 20, "
)


@pytest.fixture
def running(place: Place) -> Place:
    """A place with a run at work, slow enough to talk to."""
    place.write("standfast.yaml", SLOW)
    place.run("plan")
    begun = place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    assert begun.code == 0, begun.err
    return place


def last_of(place: Place) -> str:
    """The host whose turn comes last, so that there is time to talk about it."""
    waves = json.loads((place.path / "standfast-plan.json").read_text())["body"]["waves"]
    return str(waves[-1]["hosts"][-1]["name"])


def test_words_that_make_no_sense_say_so_and_change_nothing(running: Place) -> None:
    last = last_of(running)
    for words, sentence in (
        (("resume",), "resume changes nothing: the run is running"),
        (("retry", last), f"retry changes nothing: {last} is planned, so there is nothing to try again"),
    ):
        printed = running.run("run", *words)
        assert (printed.out, printed.code) == ("", 5)
        assert printed.err == (
            f"standfast: run {{run}}: {sentence}. `standfast run show` says where it is now.\n"
        )
    returned = running.run("host", "return", last)
    assert (returned.code, "it is returned when it is done" in returned.err) == (5, True)
    as_json = running.raw("run", "resume", "--json")
    assert json.loads(as_json.out)["error"]["code"] == "makes_no_sense"
    assert running.run("run", "pause").err == (
        "Run {run}: paused: nothing new starts, moves and host work under way go on.\n"
    )
    again = running.run("run", "pause")
    assert (again.code, "the run is paused" in again.err) == (5, True)
    assert running.run("run", "cancel").code == 0
    running.hurry()
    running.run("run", "watch")


def test_a_host_that_the_run_does_not_have_is_a_usage_error(running: Place) -> None:
    printed = running.run("run", "skip", "hots3")
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err == ("standfast: run {run}: 'hots3' is no host of this run. Did you mean 'host3'?\n")
    unknown = running.run("host", "return", "elsewhere")
    assert (unknown.code, "has a host 'elsewhere'" in unknown.err) == (2, True)
    running.run("run", "cancel")
    running.run("run", "watch")


def test_hosts_are_skipped_tried_again_and_put_in_another_order(running: Place) -> None:
    last = last_of(running)
    assert running.run("run", "skip", last).err == f"Run {{run}}: skipped: {last} is left as it is.\n"
    assert running.run("run", "retry", last).err == f"Run {{run}}: trying {last} again from planned.\n"
    replanned = running.run("run", "replan")
    assert replanned.err.startswith("Run {run}: replanned; next: ")
    assert last in replanned.err
    told = json.loads(running.raw("run", "skip", last, "--json").out)
    assert (told["verb"], told["host"], told["outcome"]) == (
        "skip",
        last,
        f"skipped: {last} is left as it is",
    )
    running.hurry()
    watched = running.run("run", "watch")
    assert watched.code == 3
    report = json.loads(running.raw("run", "report", "--json").out)
    assert {host["name"]: host["phase"] for host in report["hosts"]}[last] == "skipped"
    assert report["still_changed"] == []


def test_a_host_is_evacuated_and_returned(place: Place) -> None:
    refused = place.run("evacuate", "host2")
    assert (refused.code, refused.err.splitlines()[-1]) == (
        5,
        "standfast: nobody is there to be asked: this is no terminal. "
        "Say --yes if it shall begin without the question.",
    )
    done = place.run("evacuate", "host2", "--yes")
    assert done.code == 0, done.err
    assert "Looking at cluster play …\nhost2: " in done.err
    assert re.search(r"^   move vm\d: host2 -> host", done.err, re.M)
    assert "evacuated: it stays cordoned until `host return`" in done.err
    assert "host2 stays cordoned, as meant: `standfast host return host2` gives it back." in done.out
    assert "Stays as meant\n  host2 is cordoned: " in done.out
    assert "STILL CHANGED" not in done.out
    again = place.run("evacuate", "host2", "--yes")
    assert (again.code, "host2 is cordoned by {run}" in again.err) == (5, True)
    planned = place.run("plan")
    assert (planned.code, "host2 is cordoned by {run}" in planned.out) == (5, True)

    returned = place.run("host", "return", "host2")
    assert (returned.code, returned.err) == (
        0,
        "Run {run}: returning host2: its cordon is taken back.\n"
        "No controller was running: started one to take it up.\n",
    )
    for _ in range(100):
        if place.run("plan").code == 0:
            break
        time.sleep(0.1)
    assert place.run("plan").code == 0
    nothing = place.run("host", "return", "host2")
    assert (nothing.code, "no run has its cordon on host2" in nothing.err) == (5, True)


def test_an_evacuation_of_a_host_that_there_is_not_is_a_usage_error(place: Place) -> None:
    printed = place.run("evacuate", "hots2", "--yes")
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err.splitlines()[-1] == (
        "standfast: cluster 'play' has no host 'hots2'. Did you mean 'host2'?"
    )


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ("--finish-by", "soon"),
            2,
            "--finish-by 'soon' is no time. Write it as 22:30 or as 2026-03-01T02:00.",
        ),
        (("--finish-by", "2001-01-01T00:00"), 2, "--finish-by '2001-01-01T00:00' is past already."),
        (("--order", ","), 2, "--order names no host."),
        (("--order", "host1", "--exclude", "host1"), 2, "--order names host1, which is left out."),
        (("--order", "nobody"), 2, "cluster 'play' has no host 'nobody'."),
    ],
)
def test_bad_options_of_plan(place: Place, words: tuple[str, ...], code: int, sentence: str) -> None:
    printed = place.run("plan", *words)
    assert (printed.out, printed.code) == ("", code)
    assert printed.err.splitlines()[-1].startswith(f"standfast: {sentence}")


@pytest.mark.parametrize("words", [("plan",), ("apply", "plan.json", "--yes")])
def test_what_is_no_time_is_refused_before_any_host_is_asked(place: Place, words: tuple[str, ...]) -> None:
    assert place.run("plan", "--out", "plan.json").code == 0
    printed = place.run(*words, "--finish-by", "25:00")
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err == (
        "standfast: --finish-by '25:00' is no time. Write it as 22:30 or as 2026-03-01T02:00.\n"
    )


def test_a_plan_says_its_order_its_soak_and_what_would_end_too_late(place: Place) -> None:
    printed = place.run("plan", "--order", "host3,host2", "--finish-by", "2025-06-15T15:10+00:00")
    lines = printed.out.splitlines()
    assert lines[1].startswith("1. host3: ")
    assert "Then 10 min 00 s in which host3 has to stay well." in lines
    assert any(line.startswith("Warning: host1 will probably not be begun") for line in lines)


def test_a_controller_evacuates_a_host_that_its_owner_s_check_calls_failing(place: Place) -> None:
    unknown, failing = (
        "test $0 != host1 || exit 75",
        "test $0 != host2 || { echo 12 uncorrectable errors; exit 1; }",
    )
    check = f"[sh, -c, '{unknown}; {failing}', '{{host}}']"
    place.write(
        "standfast.yaml",
        CONFIG + f"    commands: {{health: {check}, health_every_seconds: 1, health_failures: 2}}\n",
    )
    import subprocess
    import sys

    serve = subprocess.Popen(
        [sys.executable, "-m", "standfast.cli", "serve", "--watch-health"],
        cwd=place.path,
        env={"STANDFAST_CONFIG": "standfast.yaml", "STANDFAST_STATE_DIR": "state", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(300):
            listed = json.loads(place.raw("run", "list", "--json").out)["runs"]
            if listed and listed[0]["ended_at"] is not None:
                break
            time.sleep(0.2)
    finally:
        serve.terminate()
        serve.wait()
    assert [run["state"] for run in listed] == ["completed"]
    assert listed[0]["approved_by"] == "health check of host2: 12 uncorrectable errors"
    report = json.loads(place.raw("run", "report", "--json").out)
    assert [(host["name"], host["phase"]) for host in report["hosts"]] == [("host2", "done")]


def test_watching_health_needs_a_check(place: Place) -> None:
    printed = place.run("serve", "--watch-health")
    assert (printed.out, printed.code) == ("", 2)
    assert "no cluster of the config has a command for it" in printed.err
