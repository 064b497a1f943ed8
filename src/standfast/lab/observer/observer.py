"""The observer as a whole: it listens, follows, and says at the end what it saw."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from standfast.lab.observer.beats import Beat, Pulse
from standfast.lab.observer.follow import HostFollower, ssh_argv
from standfast.lab.observer.history import tell
from standfast.lab.observer.leftovers import QUESTION, Domain, parse_domains, states_left
from standfast.lab.observer.listen import NetworkEar, SerialEar, StallWatch
from standfast.lab.observer.report import VmEvidence, build_report, write_report
from standfast.lab.observer.sightings import LogEnd, Sighting, parse_log_end

_ASK_SECONDS = 20.0
_ASK_TRIES = 3


class Observer:
    """Observes one lab from the moment it is made."""

    def __init__(self, lab_dir: Path, gap_budget: float) -> None:
        lab: dict[str, Any] = json.loads((lab_dir / "lab.json").read_text(encoding="utf-8"))
        self._lab_dir, self._gap_budget = lab_dir, gap_budget
        self._vms: list[str] = [vm["name"] for vm in lab["vms"]]
        self._hosts: list[str] = [host["name"] for host in lab["hosts"]]
        self._lock = threading.Lock()
        self._network = {vm: Pulse() for vm in self._vms}
        self._serial = {vm: Pulse() for vm in self._vms}
        self._strangers: set[str] = set()
        self._began_wall, self._began = time.time(), time.monotonic()
        self._stalls = StallWatch()
        self._followers = [HostFollower(lab_dir, host) for host in self._hosts]
        serial = SerialEar(lab_dir / "vm" / "serial", self._vms, self._feel_serial)
        network = NetworkEar(lab["beat_address"], lab["beat_port"], self._feel_network)
        for thread in (self._stalls, serial, network, *self._followers):
            thread.start()

    def wait_listening(self, seconds: float) -> list[str]:
        """Wait until every host is followed; the hosts that are not after that time."""
        deadline = time.monotonic() + seconds
        return [
            each.host
            for each in self._followers
            if not each.listening.wait(max(0.0, deadline - time.monotonic()))
        ]

    def _feel_network(self, beat: Beat, at: float) -> None:
        self._feel(self._network, beat, at)

    def _feel_serial(self, beat: Beat, at: float) -> None:
        self._feel(self._serial, beat, at)

    def _feel(self, pulses: Mapping[str, Pulse], beat: Beat, at: float) -> None:
        with self._lock:
            if beat.vm in pulses:
                pulses[beat.vm].feel(beat, at)
            else:
                self._strangers.add(beat.vm)

    def report(self) -> dict[str, object]:
        """Ask every host what is left, judge, write ``observer/report.json``, and return what was written."""
        with ThreadPoolExecutor(len(self._hosts)) as pool:
            answers = dict(zip(self._hosts, pool.map(self._ask, self._hosts), strict=True))
        troubles = [
            f"{host} could not be asked what is left on it"
            for host, lines in answers.items()
            if lines is None
        ]
        troubles += [
            f"{each.host} was never followed" for each in self._followers if not each.listening.is_set()
        ]
        troubles += [f"beats of an unknown VM {vm}" for vm in sorted(self._strangers)]
        known = {host: parse_domains(lines) for host, lines in answers.items() if lines is not None}
        ends = [
            end
            for host, lines in answers.items()
            for line in lines or ()
            if (end := parse_log_end(host, line))
        ]
        with self._lock:
            now = time.monotonic()
            report = build_report(
                [self._evidence(vm, known, ends) for vm in self._vms],
                {each.host: each.boot_ids for each in self._followers},
                troubles,
                now=now,
                gap_budget=self._gap_budget,
                facts={
                    "seconds": round(now - self._began, 1),
                    "longest_own_stall_seconds": round(self._stalls.longest_seconds, 3),
                },
            )
        write_report(self._lab_dir / "observer" / "report.json", report)
        return report

    def _evidence(self, vm: str, known: Mapping[str, Sequence[Domain]], ends: Sequence[LogEnd]) -> VmEvidence:
        seen: list[Sighting] = [
            each for follower in self._followers for each in follower.sightings() if each.vm == vm
        ]
        seen += [end for end in ends if end.vm == vm]
        history = tell(seen, since=self._began_wall)
        return VmEvidence(vm, self._network[vm], self._serial[vm], history, states_left(vm, known))

    def _ask(self, host: str) -> list[str] | None:
        """The host's answer to QUESTION; None if there is none after a few tries (it may be rebooting)."""
        argv = ssh_argv(self._lab_dir, host, QUESTION)
        for attempt in range(_ASK_TRIES):
            time.sleep(2.0 if attempt else 0.0)
            try:
                done = subprocess.run(
                    argv,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=_ASK_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                continue
            if done.returncode == 0:
                return done.stdout.splitlines()
        return None
