"""`standfast balance`: what it shows, writes and refuses, and a whole run of its plan."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from standfast.codec import read_file, write_file
from standfast.model.cluster import Snapshot
from standfast.platforms.simulated import FileWorld, SimSpec
from standfast.platforms.simulated.spec import build

from .conftest import CONFIG, Place

GIB = 1024**3


@pytest.fixture
def uneven(place: Place) -> Place:
    """Three hosts, and nearly all VMs on the first one."""
    spec = SimSpec(hosts=3, vms=9, vm_memory_bytes=GIB // 3, large_vm_memory_bytes=GIB, cluster="play")
    state = build(spec)
    for number, vm in enumerate(state.vms.values()):
        vm.host = next(iter(state.hosts)) if number < 7 else vm.host
    FileWorld.create(place.path / "world.json", state)
    return place


def test_a_dry_run_shows_before_after_and_every_move(uneven: Place) -> None:
    printed = uneven.run("balance", "--detailed-exitcode")
    assert printed.code == 10, printed.err
    head, *lines = printed.out.splitlines()
    assert head == (
        "Cluster play: 3 hosts that take VMs. Memory use is very uneven (8% to 75%, standard deviation "
        "31.4 points); afterwards nearly even (25% to 33%, standard deviation 3.9 points)."
    )
    assert lines[0].split() == ["HOST", "BEFORE", "AFTER"]
    assert len([line for line in lines if line.startswith("   move vm")]) == 3
    assert "The goal of 5 points is reached." in printed.out
    assert printed.err.endswith("To have it done: standfast balance --out PLAN, then standfast apply PLAN\n")
    assert list(uneven.path.glob("*plan*")) == []
    assert uneven.run("run", "list").err.startswith("There are no runs yet.")


def test_the_plan_file_is_carried_out_by_apply_and_then_nothing_is_left(uneven: Place) -> None:
    uneven.run("balance", "--out", "even.json")
    applied = uneven.run("apply", "even.json", "--yes")
    assert applied.code == 0, applied.err
    assert "{time} alice: Run of 3 moves to balance hosts created, approved by alice.\n" in applied.err
    assert applied.err.endswith("{time} The run is completed: 3 of 3 moves done.\n")
    assert "\nThe hosts of play are balanced.\n3 VMs were moved live in 3 moves" in applied.out
    assert "STILL CHANGED" not in applied.out
    again = uneven.run("balance", "--detailed-exitcode")
    assert again.code == 0
    assert again.out.splitlines()[-1] == "The goal is 5 points: nothing is worth moving."
    stale = uneven.run("apply", "even.json", "--yes")
    assert stale.code == 5
    assert stale.err.endswith("Balance again: standfast balance --out PLAN.\n")


def test_a_plan_without_moves_says_that_there_is_nothing_to_do(uneven: Place) -> None:
    uneven.run("balance", "--threshold", "45", "--out", "none.json")
    applied = uneven.run("apply", "none.json", "--yes")
    assert (applied.code, applied.out) == (0, "")
    assert applied.err.endswith(
        "There is nothing to do: its hosts are used as evenly as was asked for, or nothing helps.\n"
    )


def test_a_budget_is_kept_and_told(uneven: Place) -> None:
    printed = uneven.run("balance", "--most-moves", "2", "--json")
    made = json.loads(printed.out)["plan"]
    assert len(made["rebalance"]) == 2
    assert made["balance"]["why_no_more"] == "The budget of 2 moves is spent."
    assert made["balance"]["points_after"] < made["balance"]["points_before"]


def test_a_second_operator_is_refused_while_the_first_balances(uneven: Place) -> None:
    slow = CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 0.5")
    uneven.write("standfast.yaml", slow)
    with FileWorld(uneven.path / "world.json").open() as state:
        state.pace = 0.5
    uneven.run("balance", "--out", "even.json")
    begun = uneven.raw("apply", "even.json", "--yes", "--detach")
    assert begun.code == 0, begun.err
    second = uneven.run("apply", "even.json", "--yes", env={"SUDO_USER": "bob"})
    assert (second.code, "has a run that has not ended" in second.err) == (5, True), second.err
    replanned = uneven.run("run", "replan", env={"SUDO_USER": "bob"})
    assert "its moves are those that were approved: cancel it and balance again" in replanned.err
    said = uneven.run("run", "cancel", env={"SUDO_USER": "bob"})
    assert said.code == 0, said.err
    uneven.hurry()
    watched = uneven.run("run", "watch")
    assert watched.code == 3, watched.out
    assert re.search(r"The run is cancelled: \d of 3 moves done\. Left where they were: ", watched.out)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--aggressiveness", "6"), "6 is not in the range 1<=x<=5"),
        (("--threshold", "-1"), "-1.0 is not in the range 0<=x<=50"),
        (("--most-moves", "0"), "0 is not in the range x>=1"),
        (("--threshold", "3", "--aggressiveness", "2"), "say the same in two ways. Leave one of them out."),
        (("--recommended", "--most-moves", "3"), "shows what was planned before, so it can't be planned"),
        (("--recommended",), "nothing was recommended for cluster 'play' yet. `standfast serve` looks"),
        (("--cluster", "plai"), "there is no cluster 'plai'. Did you mean 'play'?"),
    ],
)
def test_bad_input_gets_a_sentence(place: Place, words: tuple[str, ...], sentence: str) -> None:
    printed = place.run("balance", *words)
    assert (printed.code, printed.out) == (2, "")
    assert sentence in printed.err


def test_a_snapshot_that_contradicts_itself_is_refused(uneven: Place) -> None:
    uneven.run("snapshot", "save", "cluster.json")
    there = read_file(uneven.path / "cluster.json", "snapshot", Snapshot)
    twice = replace(there, vms=(*there.vms, replace(there.vms[0], host=there.hosts[2].id)))
    write_file(uneven.path / "twice.json", "snapshot", twice)
    printed = uneven.run("balance", "--snapshot", "twice.json", "--out", "even.json")
    assert (printed.code, printed.out) == (5, "")
    assert printed.err.startswith("standfast: cluster play: no plan can be made: ")
    assert not (uneven.path / "even.json").exists()


def test_nothing_is_moved_about_where_no_host_may_be_lost(uneven: Place) -> None:
    uneven.run("snapshot", "save", "cluster.json")
    there = read_file(uneven.path / "cluster.json", "snapshot", Snapshot)
    short = replace(there, hosts=tuple(replace(host, memory_bytes=GIB * 3 // 2) for host in there.hosts))
    write_file(uneven.path / "short.json", "snapshot", short)
    printed = uneven.run("balance", "--snapshot", "short.json", "--out", "even.json")
    assert printed.code == 5, printed.out
    assert "REFUSED: As things stand, losing 1 host would leave no room for " in printed.out
    assert printed.err.endswith("It can't be applied while something is refused.\n")
    applied = uneven.run("apply", "even.json", "--yes")
    assert (applied.code, applied.err.endswith("Mend that, and balance again.\n")) == (5, True)


def test_serve_recommends_in_intervals_and_takes_it_back_when_hosts_are_even(uneven: Place) -> None:
    from standfast.cli.balance import recommendation_path
    from standfast.cli.balancewatch import BalanceWatch
    from standfast.cli.session import Session
    from standfast.config.load import load
    from standfast.store import Store
    from standfast.wiring import outside_for

    uneven.write("standfast.yaml", CONFIG + "    balance: {every_seconds: 10}\n")
    cluster = load(uneven.path / "standfast.yaml").cluster("play")
    assert cluster.balance_every_seconds == 10
    session = Session(state_given=uneven.path / "state", env={})
    (uneven.path / "state").mkdir()
    store = Store.open(uneven.path / "state" / "standfast.db")
    outside = outside_for(cluster, uneven.path / "state", {})
    watch = BalanceWatch(store, cluster, outside, recommendation_path(session, "play"))
    made = watch.look()
    assert made is not None
    assert len(made.rebalance) == 3
    shown = uneven.run("balance", "--recommended", "--out", "even.json")
    assert shown.code == 0, shown.err
    assert shown.out == uneven.run("balance").out
    assert uneven.run("apply", "even.json", "--yes").code == 0
    assert watch.look() is not None
    assert not watch.file.exists()
    outside.platform.close()
    store.close()


def test_plans_can_be_written_as_pages(uneven: Place) -> None:
    printed = uneven.run("balance", "--html", "even.html")
    assert "Wrote even.html.\n" in printed.err
    assert "Balance the hosts of play with 3 moves." in (uneven.path / "even.html").read_text("utf-8")
    planned = uneven.run("plan", "--html", "plan.html")
    assert "Wrote plan.html.\n" in planned.err
    page = (uneven.path / "plan.html").read_text("utf-8")
    assert '<h2 id="timeline-title">' in page or "Refused: this plan" in page
    nowhere = uneven.run("plan", "--html", "missing/plan.html")
    assert (nowhere.code, "missing" in nowhere.err) == (2, True)
