"""`rehearse`: told as a run is, with nothing changed and nothing recorded."""

from __future__ import annotations

import json

import pytest

from .conftest import Place


@pytest.fixture
def planned(place: Place) -> Place:
    """A place with a plan, before anything is carried out."""
    place.run("plan")
    return place


def files(place: Place) -> dict[str, bytes]:
    return {
        str(path.relative_to(place.path)): path.read_bytes()
        for path in place.path.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


def test_a_rehearsal_is_told_as_a_run_and_changes_nothing(planned: Place) -> None:
    before = files(planned)
    printed = planned.run("rehearse", "standfast-plan.json", "--html", "page.html", "--json")
    told = json.loads(printed.out)
    assert (printed.code, told["state"], told["run"]) == (0, "completed", "REHEARSAL")
    assert told["title"].startswith("Rehearsed on a twin, nothing real is done: ")
    assert [host["pending_after"] for host in told["hosts"]] == [0, 0, 0]
    assert told["rehearsal"]["broken"] == [] == told["rehearsal"]["not_given_back"]
    assert "on a simulated twin by alice" in told["approved_by"]
    assert printed.err.splitlines()[:2] == [
        "Looking at cluster play …",
        "Rehearsing on a simulated twin of play: no real host, no real VM …",
    ]
    assert "rehearsed on a simulated twin" in (planned.path / "page.html").read_text(encoding="utf-8")
    after = files(planned)
    del after["page.html"]
    assert after == before, "neither world nor state are touched"
    assert planned.run("run", "list").err.startswith("There are no runs yet")


def test_a_fault_shows_where_a_run_would_wait(planned: Place) -> None:
    planned.run("snapshot", "save", "cluster.json")
    words = (
        "rehearse",
        "standfast-plan.json",
        "--snapshot",
        "cluster.json",
        "--fail-patch",
        "host1,host2,host3",
    )
    printed = planned.run(*words)
    assert printed.code == 4
    assert printed.out.splitlines()[-1] == "A real run would wait for you here."
    assert "Looking at" not in printed.err, "a file is asked, no host"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["edited.json"], 5, "was changed after it was made"),
        (["standfast-plan.json", "--snapshot", "standfast-plan.json"], 2, "no snapshot file"),
        (["standfast-plan.json", "--fail-boot", "host9"], 2, "no host 'host9'. Did you mean"),
        (["standfast-plan.json", "--fail-move", "db"], 2, "no VM 'db'. Its VMs are"),
        (["standfast-plan.json", "--html", "standfast-plan.json"], 2, "written over the file"),
        (["drifted.json"], 5, "no longer as planned"),
    ],
)
def test_what_can_not_be_rehearsed_is_refused_with_a_sentence(
    ready: Place, words: list[str], code: int, sentence: str
) -> None:
    before = files(ready)
    printed = ready.run("rehearse", *words)
    assert printed.code == code, printed.err
    assert sentence in printed.err
    assert printed.out == ""
    assert files(ready) == before


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place with a plan, an edited one, and one of another world."""
    from .conftest import new_place

    made = new_place(tmp_path_factory.mktemp("rehearse"))
    made.run("plan", "--out", "drifted.json")
    (made.path / "world.json").unlink()
    config = made.path / "standfast.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("vms: 4", "vms: 5"), encoding="utf-8")
    made.run("plan")
    plan = (made.path / "standfast-plan.json").read_text(encoding="utf-8")
    made.write("edited.json", plan.replace("host1", "hostX"))
    return made
