"""`history`: what is on record of former moves, and that the next plan rests on it."""

from __future__ import annotations

import json

from .conftest import CONFIG, Place


def test_without_a_run_there_is_no_history(place: Place) -> None:
    printed = place.raw("history")
    assert (printed.out, printed.err, printed.code) == ("", "There is no finished move on record yet.\n", 0)
    assert json.loads(place.raw("history", "--json").out) == {
        "moves": [],
        "accuracy": {"brownout": None, "blackout": None},
        "learnt": None,
    }


def test_after_a_run_its_moves_are_compared_and_the_next_plan_uses_them(place: Place) -> None:
    assert place.raw("plan", "--out", "one.json").code == 0
    done = place.raw("apply", "one.json", "--yes")
    assert done.code == 0, done.err
    printed = place.raw("history")
    assert printed.code == 0
    assert printed.out.splitlines()[0].split() == [
        *("VM", "BROWN-OUT", "PREDICTED", "OFF", "BY", "BLACK-OUT", "PREDICTED", "OFF", "BY")
    ]
    assert "Brown-out: off by " in printed.out
    assert "Learnt of " in printed.out
    told = json.loads(place.raw("history", "--json").out)
    assert told["accuracy"]["brownout"]["moves"] == len(told["moves"]) > 0
    assert told["learnt"]["brownout"]["moves"] > 0
    assert place.raw("snapshot", "save", "later.json").code == 0
    later = json.loads((place.path / "later.json").read_text("utf-8"))
    assert later["body"]["learnt"]["brownout"]["moves"] == told["learnt"]["brownout"]["moves"]


def test_another_clusters_history_is_not_this_ones(place: Place) -> None:
    assert place.raw("plan", "--out", "one.json").code == 0
    assert place.raw("apply", "one.json", "--yes").code == 0
    other = CONFIG.replace("clusters:\n", "").replace("play:", "other:").replace("world.json", "other.json")
    place.write("standfast.yaml", CONFIG + other)
    assert json.loads(place.raw("history", "--cluster", "other", "--json").out)["moves"] == []
    assert json.loads(place.raw("history", "--cluster", "play", "--json").out)["moves"] != []


def test_the_history_of_a_cluster_that_never_was_is_refused(place: Place) -> None:
    printed = place.raw("history", "--cluster", "nope", "--json")
    assert json.loads(printed.out)["error"]["code"] == "cluster_unknown"
    assert not (place.path / "state").exists()
