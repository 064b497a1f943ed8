"""The main job from scan to report on a simulated cluster, word by word."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import time
from pathlib import Path

from standfast.codec import read_file
from standfast.model.plan import Plan
from standfast.platforms.simulated import FileWorld
from standfast.store import Store

from .conftest import CONFIG, Place, Printed

SCAN = """\
HOST   PENDING  SECURITY  REBOOT
host1  2        2         after the update: package linux-image-amd64 (kernel)
host2  2        2         after the update: package linux-image-amd64 (kernel)
host3  2        2         after the update: package linux-image-amd64 (kernel)
"""


def test_scan_prints_a_table(place: Place) -> None:
    printed = place.run("scan")
    assert (printed.out, printed.err, printed.code) == (SCAN, "", 0)


def test_scan_can_be_of_some_hosts(place: Place) -> None:
    assert place.run("scan", "--host", "host2").out.splitlines()[1:] == [
        "host2  2        2         after the update: package linux-image-amd64 (kernel)"
    ]
    printed = place.run("scan", "--host", "kvm")
    assert (printed.code, printed.out) == (2, "")
    assert printed.err == (
        "standfast: cluster 'play' has no host 'kvm'. Its hosts are: host1, host2, host3.\n"
    )


def test_scan_as_json_tells_every_package(place: Place) -> None:
    printed = place.run("scan", "--json")
    told = json.loads(printed.out)
    assert [host["name"] for host in told["hosts"]] == ["host1", "host2", "host3"]
    assert told["hosts"][0]["security"] == 2
    assert told["hosts"][0]["reboot_needed"] is False
    assert told["hosts"][0]["reboot_expected"] == "package linux-image-amd64 (kernel)"
    assert [each["package"] for each in told["hosts"][0]["pending"]] == ["linux-image-amd64", "openssl"]


def test_from_plan_to_report(first_run: tuple[Place, Printed, Printed]) -> None:
    place, planned, applied = first_run
    assert planned.code == 10
    assert planned.out.startswith("Cluster play: 3 hosts, 4 VMs.\n1. host")
    assert "   linux-image-amd64 6.1.140-1 -> 6.1.147-1\n" in planned.out
    assert planned.err == (
        "Looking at cluster play …\n"
        "Wrote standfast-plan.json (digest {digest}). Carry it out: standfast apply standfast-plan.json\n"
    )
    assert applied.code == 0, applied.err
    assert applied.err.startswith(
        "Looking whether cluster play is still as planned …\n"
        "Run {run} has begun.\n"
        "{time} alice: Run of 3 hosts and "
    )
    assert applied.err.endswith("{time} The run is completed: 3 of 3 hosts done.\n")
    assert applied.out.startswith("Run {run} on cluster play: completed in ")
    assert "\nAll 3 hosts of play are patched and rebooted.\n4 VMs were moved live in " in applied.out
    assert len(re.findall(r"^  host\d  done  .*[0-9a-f]{8} -> [0-9a-f]{8}", applied.out, re.MULTILINE)) == 3
    assert applied.out.count("  2 -> 0  ") == 3
    assert "STILL CHANGED" not in applied.out
    again = place.run("run", "report")
    assert (again.out, again.code) == (applied.out, 0)


def test_a_run_that_has_ended_can_be_listed_shown_and_watched(finished: Place) -> None:
    told = json.loads(finished.raw("run", "report", "--json").out)
    assert told["state"] == "completed"
    assert {host["pending_after"] for host in told["hosts"]} == {0}
    assert all(host["rebooted"] for host in told["hosts"])
    assert told["still_changed"] == []
    listed = finished.run("run", "list")
    assert listed.out.splitlines()[1].split()[:4] == ["{run}", "play", "completed", "3/3"]
    shown = finished.run("run", "show")
    assert f"Run {told['run'][:13]} on play: completed · 3 of 3 hosts done" in shown.out
    watched = finished.run("run", "watch", told["run"][:14].lower())
    assert watched.code == 0
    assert watched.out.endswith("{time} The run is completed: 3 of 3 hosts done.\n")
    streamed = finished.raw("run", "watch", "-o", "ndjson")
    events = [json.loads(line) for line in streamed.out.splitlines()]
    assert events[0]["kind"] == "run_created"
    assert events[-1]["kind"] == "run_ended"
    assert streamed.code == 0


def test_operators_words_to_an_ended_run_are_refused(finished: Place) -> None:
    printed = finished.run("run", "pause")
    assert printed.code == 5
    assert printed.err.startswith("standfast: run {run}: the run has ended: it is completed.")


def test_a_patched_cluster_needs_nothing(finished: Place) -> None:
    planned = finished.run("plan", "--detailed-exitcode")
    assert planned.code == 0
    assert planned.out == (
        "Cluster play: 3 hosts, 4 VMs.\n"
        "Left alone: host1: nothing pending and no reboot needed.\n"
        "Left alone: host2: nothing pending and no reboot needed.\n"
        "Left alone: host3: nothing pending and no reboot needed.\n"
    )
    assert planned.err.endswith("There is nothing to do.\n")
    applied = finished.run("apply", "standfast-plan.json", "--yes")
    assert applied.code == 0
    assert applied.err.endswith("There is nothing to do: no host has updates pending or needs a reboot.\n")
    assert finished.run("run", "list").out.count("completed") == 1


def test_a_stale_plan_is_refused_and_nothing_is_changed(finished: Place) -> None:
    printed = finished.run("apply", "standfast-plan.json", "--yes")
    assert printed.code == 5
    assert "standfast: cluster play is no longer as planned: " in printed.err
    assert printed.err.endswith("Plan again: standfast plan.\n")
    assert finished.run("run", "list").out.count("completed") == 1


def test_a_second_run_is_refused_while_one_is_active(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 5"))
    place.run("plan")
    begun = place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    assert begun.code == 0, begun.err
    second = place.run("apply", "standfast-plan.json", "--yes", "--json")
    assert second.code == 5
    assert json.loads(second.out)["error"]["code"] == "run_active"
    said = place.run("run", "cancel")
    assert (said.code, said.err) == (
        0,
        "Run {run}: cancelled: goes to the next safe point, gives back what was borrowed, then ends.\n",
    )
    place.hurry()
    watched = place.run("run", "watch")
    assert watched.code == 3, watched.out
    assert "{time} alice: cancelled: " in watched.out
    report = json.loads(place.raw("run", "report", "--json").out)
    assert report["still_changed"] == []


def test_a_world_that_is_gone_for_a_while_is_waited_for(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 50"))
    place.run("plan")
    place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    _controller(place)
    world = place.path / "world.json"
    with FileWorld(world).open(write=False):  # else a call that is under way may put it back as it was
        world.rename(world.with_name("elsewhere.json"))
    time.sleep(2.0)
    world.with_name("elsewhere.json").rename(world)
    place.hurry()
    watched = place.run("run", "watch")
    assert watched.code == 0, watched.out
    assert watched.out.endswith("{time} The run is completed: 3 of 3 hosts done.\n")


def test_a_plan_that_was_edited_is_refused(place: Place) -> None:
    place.run("plan")
    file = place.path / "standfast-plan.json"
    file.write_text(file.read_text(encoding="utf-8").replace("6.1.147-1", "6.1.148-1"), encoding="utf-8")
    printed = place.run("apply", "standfast-plan.json", "--yes")
    assert (printed.out, printed.code) == ("", 5)
    assert printed.err == (
        "standfast: standfast-plan.json: this plan file was changed after it was made: "
        "its content does not match its digest. Make the plan again.\n"
    )


def test_hosts_can_be_chosen_and_left_out(place: Place) -> None:
    place.run("plan", "--hosts", "host2", "--out", "only.json")
    only = read_file(place.path / "only.json", "plan", Plan)
    assert [step.name for step in only.steps] == ["host2"]
    place.run("plan", "--exclude", "host1,host3", "--out", "without.json")
    without = read_file(place.path / "without.json", "plan", Plan)
    assert [step.name for step in without.steps] == ["host2"]
    printed = place.run("plan", "--hosts", "hots2")
    assert (printed.code, printed.err.splitlines()[-1]) == (
        2,
        "standfast: cluster 'play' has no host 'hots2'. Did you mean 'host2'?",
    )


def test_a_snapshot_is_planned_without_asking_anybody(place: Place) -> None:
    saved = place.run("snapshot", "save", "cluster.json")
    assert (saved.err, saved.code) == ("Wrote cluster.json: 3 hosts, 4 VMs.\n", 0)
    shown = place.run("snapshot", "show", "cluster.json")
    assert shown.out.splitlines()[:2] == [
        "HOST   VMS  MEMORY   HELD  STATE",
        "host1  1    4.0 GiB  12%   in use",
    ]
    live = place.run("plan")
    (place.path / "world.json").unlink()
    offline = place.run("plan", "--snapshot", "cluster.json")
    assert (offline.out, offline.code) == (live.out, 0)


def test_detached_it_goes_on_and_is_watched_later(place: Place) -> None:
    place.run("plan")
    begun = place.raw("apply", "standfast-plan.json", "--yes", "--detach", "--json")
    assert begun.code == 0
    told = json.loads(begun.out)
    assert (told["state"], told["controller_started"]) == ("running", True)
    watched = place.raw("run", "watch", told["run"], "--json")
    assert watched.code == 0
    assert json.loads(watched.out)["state"] == "completed"


def test_what_is_kept_is_its_owners_alone(place: Place) -> None:
    place.run("plan")
    log = place.path / "state" / "serve.log"
    log.parent.mkdir()
    log.write_bytes(b"x" * (16 * 1024**2 + 1))
    log.chmod(0o644)
    assert place.run("apply", "standfast-plan.json", "--yes").code == 0
    assert log.stat().st_size < 1024**2
    assert (place.path / "state" / "serve.log.1").exists()
    for each in (log, log.with_name("standfast.db"), log.with_name("serve.lock")):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600, each.name
    other = place.run("serve", "--until-idle", "--state-dir", "other")
    assert other.code == 0
    assert stat.S_IMODE((place.path / "other").stat().st_mode) == 0o700


def test_a_dead_controllers_run_is_taken_up_by_the_next_word(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 100"))
    place.run("plan")
    begun = place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    run = begun.out.strip()
    _kill_controller(place)
    assert place.run("run", "resume", run).err.endswith(
        "No controller was running: started one to take it up.\n"
    )
    place.hurry()
    watched = place.run("run", "watch", run)
    assert watched.code == 0, watched.out
    assert watched.out.endswith("{time} The run is completed: 3 of 3 hosts done.\n")


def test_a_controller_stops_when_its_state_is_removed(place: Place) -> None:
    place.write("standfast.yaml", CONFIG.replace("boot_seconds: 20", "boot_seconds: 20, pace: 1"))
    place.run("plan")
    place.raw("apply", "standfast-plan.json", "--yes", "--detach")
    pid = _controller(place)
    (place.path / "state" / "standfast.db").unlink()
    for _ in range(600):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("it goes on with a store that nobody can see")


def _kill_controller(place: Place) -> None:
    """SIGKILL it as soon as it has the lease."""
    os.kill(_controller(place), signal.SIGKILL)
    time.sleep(0.5)


def _controller(place: Place) -> int:
    """The process id of whoever has the lease, as soon as somebody has."""
    for _ in range(100):
        store = Store.open(place.path / "state" / "standfast.db", read_only=True)
        lease = store.lease()
        store.close()
        if lease is not None and lease.holder:
            return int(lease.holder.rpartition(":")[2])
        time.sleep(0.1)
    raise AssertionError("no controller took the lease")


def test_what_is_refused_is_said_once(place: Place) -> None:
    place.write("standfast.yaml", f"{CONFIG}    rules: {{pins: {{vm2: [host2]}}}}\n")
    printed = place.run("plan", "--hosts", "host1,host2")
    assert printed.code == 5
    assert [line for line in printed.out.splitlines() if line.startswith(("Left alone", "REFUSED"))] == [
        "Left alone: host3: host3 was left out on request.",
        "REFUSED: A pin keeps vm2 on host2 alone. Add another host to the pin of vm2. "
        "Or say beforehand what shall be done: --unmovable vm2=skip, hold or consent.",
    ]
    assert printed.out.count("A pin keeps vm2") == 1
