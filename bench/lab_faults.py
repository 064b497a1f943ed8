"""Each fault of `lab break`, planted in the middle of a whole run on real hosts; how the run ends.

`./dev bench lab_faults [--only WORD] [--json]` begins a run for each fault in one lab, plants the fault when
the run has come so far, and mends it: after some seconds where it is a passing one, and otherwise when the
run is held. Then the first exit that the program itself prints is taken, until the run has ended. A run on
which a passing fault falls has to complete without anybody. VMs that a fault itself takes down (power,
freeze, qemu) are let off; all others are judged by the lab's observer.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench import _labrun as labrun
from bench.claim import Claim, Settings
from standfast.lab import aptrepo, faults
from standfast.lab.cluster import Lab
from standfast.model.ids import HostId
from standfast.model.run import MoveState, Run, RunState

NAME = f"f{os.getpid()}"
LIMIT_SECONDS = 400.0
EXITS_MAX = 3
ALERTMANAGER = "prometheus-alertmanager"
WATCHING = "kvm3"
"""The host with the Alertmanager, which is left out of that run: it would be rebooted with it."""

Where = Callable[[Run], str | None]
"""The host to break, as soon as the run has come that far."""


def _names(run: Run) -> dict[HostId, str]:
    return {row.host: row.name for row in run.hosts}


def in_phase(*phases: str) -> Where:
    """The host whose turn it is, in one of these phases."""
    return lambda run: next((row.name for row in run.hosts if row.phase in phases), None)


def target(run: Run) -> str | None:
    """The host to which a VM is on its way."""
    names = _names(run)
    moves = (names.get(move.target) for move in run.moves if move.state is MoveState.STARTED)
    return next(moves, None)


def bystander(run: Run) -> str | None:
    """A host that waits for its turn, while another one is drained."""
    if in_phase("draining", "patching")(run) is None:
        return None
    return next((row.name for row in reversed(run.hosts) if row.phase == "planned"), None)


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault at one moment. `passing`: mended after that many seconds; None: by whoever the hold asks."""

    fault: str
    where: Where
    when: str
    passing: float | None
    policy: str = ""
    hits_vms: bool = False
    monitored: bool = False

    @property
    def name(self) -> str:
        return f"{self.fault}, {'passing' if self.passing is not None else 'lasting'}, {self.when}"


DRAINED = in_phase("draining")
BEGUN = in_phase("silenced", "draining")
TRIALS = (
    Trial("package", BEGUN, "before its patch", None),
    Trial("disk", in_phase("silenced"), "before its patch", None),
    Trial("boot", DRAINED, "while drained", None, "reboot_warn_seconds: 10, reboot_timeout_seconds: 25"),
    Trial("slow-boot", DRAINED, "while drained", 90.0),
    Trial("power", bystander, "while it waits", 20.0, hits_vms=True),
    Trial("power", in_phase("patching"), "while patched", 15.0),
    Trial("freeze", target, "while a VM comes to it", 15.0, hits_vms=True),
    Trial("freeze", in_phase("patching"), "while patched", 15.0),
    Trial("management", in_phase("patching"), "while patched", 20.0),
    Trial("migration", DRAINED, "while drained", 20.0),
    Trial("migration", DRAINED, "while drained", None),
    Trial("slow-management", DRAINED, "while drained", 30.0),
    Trial("slow-migration", DRAINED, "while drained", 30.0),
    Trial("storage", target, "while a VM comes to it", 20.0),
    Trial("libvirtd", target, "while a VM comes to it", 20.0),
    Trial("libvirtd", DRAINED, "while drained", 20.0),
    Trial("dpkg-lock", DRAINED, "while drained", 30.0),
    Trial("alertmanager", BEGUN, "while its hosts are drained", 20.0, monitored=True),
    Trial("qemu", bystander, "while it waits", 15.0, hits_vms=True),
)


def trial(lab: Lab, number: int, wanted: Trial) -> dict[str, Any]:
    """One run with its fault, in figures; the lab is ready for the next one afterwards."""
    new_updates(lab, number)
    before = {host: lab.boot_id(host) for host in lab.hosts}
    with labrun.controller_of(lab) as controller:
        controller.config = labrun.with_policy(lab, controller.state_dir.parent, wanted.policy)
        if wanted.monitored:
            watch_by_alertmanager(lab, controller)
        left_out = (WATCHING,) if wanted.monitored else ()
        lab.observer.start()
        controller.start()
        began = time.monotonic()
        controller.begin(*(word for host in left_out for word in ("--exclude", host)))
        story = Story(lab, controller, wanted)
        try:
            story.play()
        finally:
            story.close()
        seconds = time.monotonic() - began
    report = lab.observer.stop()
    for vm in report["vms"]:
        if vm["name"] in story.excused:
            vm.update(restarts=0, longest_gap_seconds=0.0, interruptions=[])
    figures = labrun.seen(report)
    left = labrun.left_on_hosts(lab, before, leave_out=left_out)
    interrupted = sorted(
        vm["name"]
        for vm in report["vms"]
        if vm["restarts"] or vm["states_left"] or vm["interruptions"] or (vm["longest_gap_seconds"] or 0) > 5
    )
    whole = story.ended == "completed" and not any(left.values())
    good = not interrupted and (whole or (wanted.passing is None and story.ended == "degraded"))
    good = good and (wanted.passing is None or not story.exits)
    restore(lab)
    return {
        "fault": wanted.name,
        "host": story.host,
        "ended": story.ended,
        "held_for": story.held_for,
        "exits": story.exits,
        "good": good,
        "seconds": round(seconds, 1),
        "interrupted": interrupted,
        "hit_by_the_fault": sorted(story.excused),
        "longest_gap_seconds": figures["longest_gap_seconds"],
        **left,
        "last_words": [] if good else story.words,
    }


class Story:
    """One run from its beginning to its end: breaks, mends, takes the exits that are printed."""

    def __init__(self, lab: Lab, controller: labrun.Controller, wanted: Trial) -> None:
        self.lab, self.controller, self.wanted = lab, controller, wanted
        self.store = controller.store()
        self.run_id = self.store.find_run("last")
        self.host, self.ended = "", "stuck"
        self.exits: list[str] = []
        self.held_for: list[str] = []
        self.excused: set[str] = set()
        self.words: list[str] = []
        self.shown: list[str] = []
        self._mend_at: float | None = None
        self._broken = False

    def play(self) -> None:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (run := self.store.run(self.run_id)).ended:
            if time.monotonic() > deadline:
                break
            self._break(run)
            if self._mend_at is not None and time.monotonic() > self._mend_at:
                self._mend()
            if run.state is RunState.HELD and not self._leave(run):
                break
            time.sleep(0.05)
        else:
            self.ended = str(run.state)
        self.words = [*labrun.last_words(self.store, 80), *self.shown]

    def _break(self, run: Run) -> None:
        if self.host or (found := self.wanted.where(run)) is None:
            return
        self.host, self._broken = WATCHING if self.wanted.monitored else found, True
        if self.wanted.hits_vms:
            self.excused = {vm for vm, hosts in self.lab.where().items() if self.host in hosts}
        faults.find(self.wanted.fault).do(self.lab, self.host)
        if self.wanted.passing is not None:
            self._mend_at = time.monotonic() + self.wanted.passing

    def _mend(self) -> None:
        self._mend_at = None
        if not self._broken:
            return
        faults.mend(self.lab, self.host, self.wanted.fault)
        self._broken = False
        if self.wanted.hits_vms:  # what an operator does whose host came back without its VMs
            labrun.start_vms(self.lab)

    def _leave(self, run: Run) -> bool:
        """Mend, then take the first exit that is printed; False if there is none, or it was taken in vain."""
        if self._mend_at is not None:
            return True  # a passing fault: nobody is there, and its end is awaited first
        self._mend()
        self.held_for += [f"{row.name}: {row.reason.code}" for row in run.hosts if row.reason is not None]
        shown = self.controller.call("run", "show")
        exits = re.findall(r"\brun (resume|skip|cancel)\b", shown.stdout)
        if not exits or len(self.exits) >= EXITS_MAX:
            self.shown = [
                f"exit code {shown.returncode}",
                *shown.stdout.splitlines(),
                *shown.stderr.splitlines(),
            ]
            return False
        self.exits.append(exits[0])
        held = next((row.name for row in run.hosts if row.phase == "held"), "")
        self.controller.must("run", exits[0], *([held] if exits[0] == "skip" else []))
        return True

    def close(self) -> None:
        self._mend()
        self.store.close()


# --- the lab ------------------------------------------------------------------------------------------------


def new_updates(lab: Lab, number: int) -> None:
    """Offer a new version of each package, so that the same hosts can be patched again."""
    if number > 0:
        version = f"1.{number + 1}"
        aptrepo.build_packages(lab.paths.repository / "pool", version)
        aptrepo.publish(lab.paths.repository, version)


def watch_by_alertmanager(lab: Lab, controller: labrun.Controller) -> None:
    address = lab.host(WATCHING).management_address
    with controller.config.open("a", encoding="utf-8") as file:
        file.write(
            f"    silences: [{{kind: alertmanager, url: 'http://{address}:9093', lease_seconds: 60}}]\n"
        )


def restore(lab: Lab) -> None:
    """What a trial left: cordons that an exit leaves on purpose, VMs that died of the fault."""
    for host in lab.hosts:
        lab.ssh(host, "rm -f /var/lib/standfast/cordon /var/lib/standfast/epoch")
    labrun.start_vms(lab)


def told(row: dict[str, Any]) -> str:
    """A line for a reader."""
    exits = f" held ({', '.join(row['held_for'])}), {', '.join(row['exits'])}:" if row["exits"] else ""
    hit = f", {len(row['hit_by_the_fault'])} VMs hit by the fault" if row["hit_by_the_fault"] else ""
    return (
        f"{row['fault']:<52} {row['host']}:{exits} {row['ended']} in {row['seconds']:g} s, "
        f"longest silence {row['longest_gap_seconds']:g} s{hit}{'' if row['good'] else ': NOT GOOD'}"
    )


def play(wanted: Sequence[Trial]) -> list[dict[str, Any]]:
    """All of these in one lab, each told on standard error as it ends."""
    labrun.can_hold_a_lab()
    rows: list[dict[str, Any]] = []
    packages = (ALERTMANAGER,) if any(each.monitored for each in wanted) else ()
    with labrun.new_lab(NAME, vms=4, packages=packages) as lab:
        for number, each in enumerate(wanted):
            rows.append(trial(lab, number, each))
            print(told(rows[-1]), file=sys.stderr, flush=True)
            if not rows[-1]["good"]:
                print(json.dumps(rows[-1], indent=1), file=sys.stderr, flush=True)
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All trials in one object."""
    return {
        "trials": len(rows),
        "completed": len([row for row in rows if row["ended"] == "completed"]),
        "held_and_led_out": len([row for row in rows if row["exits"] and row["ended"] != "stuck"]),
        "stuck": len([row for row in rows if row["ended"] == "stuck"]),
        "vms_interrupted_by_us": sum(len(row["interrupted"]) for row in rows),
        "bad": len([row for row in rows if not row["good"]]),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "each": list(rows),
    }


def measure(settings: Settings) -> list[Claim]:
    """Three of them, or with --full all."""
    found = summary(play(TRIALS if settings.full else TRIALS[:3]))
    what = f"of {found['trials']} faults planted in whole runs on real hosts, those that did not end well"
    return [Claim(what, found["bad"], {}, "0", found["bad"] == 0, (found,))]


def main(arguments: Sequence[str]) -> int:
    """1 if a run got stuck, a VM was interrupted by us, or a passing fault needed somebody."""
    parser = argparse.ArgumentParser(prog="./dev bench lab_faults", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="faults with this in their name")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    wanted = [each for each in TRIALS if options.only in each.name]
    if not wanted:
        parser.error(
            f"no fault has {options.only!r} in its name; there are "
            f"{', '.join(dict.fromkeys(each.fault for each in TRIALS))}"
        )
    found = summary(play(wanted))
    if options.json:
        print(json.dumps(found))
    else:
        print("\n".join(map(told, found["each"])))
        print(", ".join(f"{value} {key}" for key, value in found.items() if key != "each"))
    return int(found["bad"] > 0)
