"""`notify test`, and a whole run of which somebody is told, on a simulated cluster."""

from __future__ import annotations

import fcntl
import json
import socket

from standfast.platforms.simulated import FileWorld

from .conftest import CONFIG, Place

KEEPING = (
    "import json, sys; told = json.load(sys.stdin); open({file!r}, 'a').write(json.dumps(told) + chr(10))"
)


def keeping(place: Place) -> str:
    """A receiver that keeps what it is told, a line each."""
    code = KEEPING.format(file=str(place.path / "told"))
    command = json.dumps(["python3", "-c", code])
    return f"  - {{kind: exec, name: page, on: [started, held, failed, done], command: {command}}}\n"


def dead() -> str:
    """A webhook that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return f"  - {{kind: webhook, name: chat, url: 'http://127.0.0.1:{port}/T0/dontshow'}}\n"


def wait_for_controller(place: Place) -> None:
    """Until no process serves the state any more."""
    with (place.path / "state" / "serve.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)


def told(place: Place) -> list[dict[str, str]]:
    return [json.loads(line) for line in (place.path / "told").read_text().splitlines()]


def test_each_receiver_is_tried_and_what_came_of_it_is_said(place: Place) -> None:
    place.write("standfast.yaml", CONFIG + "notify:\n" + keeping(place) + dead())
    printed = place.raw("notify", "test")
    assert printed.code == 1
    lines = printed.out.splitlines()
    assert lines[0].split() == ["RECEIVER", "ANSWER"]
    assert lines[1].split() == ["page", "told", "exit", "0"]
    assert lines[2].startswith("chat      failed  chat (http://127.0.0.1:")
    assert lines[2].endswith(": it refuses connections. Is it up, and reachable from here?")
    assert "dontshow" not in printed.out + printed.err
    (notice,) = told(place)
    assert (notice["what"], notice["cluster"], notice["run"]) == ("this is only a test", "play", "test")
    one = place.raw("notify", "test", "page", "--json")
    assert one.code == 0
    assert json.loads(one.out)["receivers"] == [{"name": "page", "told": True, "answer": "exit 0"}]


def test_a_name_that_is_not_there_and_a_config_without_receivers(place: Place) -> None:
    printed = place.run("notify", "test")
    assert (printed.code, printed.out) == (2, "")
    assert "the config names nobody to be told." in printed.err
    place.write("standfast.yaml", CONFIG + "notify:\n" + keeping(place))
    printed = place.run("notify", "test", "pge")
    assert printed.code == 2
    assert "there is no receiver 'pge'. Did you mean 'page'?" in printed.err


def test_a_run_is_told_and_a_dead_receiver_neither_delays_nor_fails_it(place: Place) -> None:
    place.write("standfast.yaml", CONFIG + "notify:\n" + keeping(place) + dead())
    assert place.raw("plan", "--out", "plan.json").code == 0
    applied = place.raw("apply", "plan.json", "--yes")
    assert applied.code == 0, applied.err
    # The watcher sees the end before the receivers do; the controller tells it before it ends.
    wait_for_controller(place)
    assert [notice["what"] for notice in told(place)] == ["a run has started", "the run is completed"]
    assert [notice["occasion"] for notice in told(place)] == ["started", "done"]
    report = place.raw("run", "show", "last", "--json")
    assert report.code == 0
    assert "dontshow" not in report.out + applied.err + applied.out


def test_a_held_run_is_told_with_its_reason_and_exits(place: Place) -> None:
    place.write("standfast.yaml", CONFIG + "notify:\n" + keeping(place))
    assert place.raw("plan", "--out", "plan.json").code == 0
    FileWorld(place.path / "world.json").monitoring(down=True)
    applied = place.raw("apply", "plan.json", "--yes")
    assert applied.code == 4, applied.err
    place.raw("run", "cancel")
    wait_for_controller(place)
    held = [notice for notice in told(place) if notice["occasion"] == "held"]
    assert len(held) == 1
    assert held[0]["host"].startswith("host")
    assert "monitoring can't be asked for alerts: monitoring: it refuses connections" in held[0]["why"]
    assert "then resume" in held[0]["do"]
    assert "`run cancel`" in held[0]["do"]
