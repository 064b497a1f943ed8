"""A whole run beside an administrator's own script, in the same lab, seen by the same observer.

The script (`by_hand.sh`) does one host after another and one move at a time, and moves VMs back home.

Two labs. One as it comes, with links as fast as the machine: a move takes a second there, and a host is
patched and up again in five, so that the time is mostly packages and boots, at which a script is as fast as
anybody. And one with migration at 250 Mbit/s, where a move takes about four seconds: to patch and boot that
is as the three to five minutes of a large guest at 1 Gbit/s are to the five minutes of a real host.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.claim import Claim, Settings
from standfast.lab.cluster import Lab
from standfast.lab.names import Net
from standfast.lab.spec import LabSpec, default_hosts, default_vms

HOSTS, VMS = 4, 10
MOST_TIME, MOST_MOVES = 0.7, 0.6
SPEEDS: dict[str, int | None] = {"links as fast as the machine": None, "migration at 250 Mbit/s": 250_000_000}


def measure(_: Settings) -> list[Claim]:
    """Two claims, time and moves, at 4 hosts and 10 VMs, in each of two labs."""
    return [claim for lab, speed in SPEEDS.items() for claim in _compared(lab, speed)]


def _compared(lab: str, speed: int | None) -> list[Claim]:
    script = _patched("by hand", _by_hand, speed)
    ours = _patched("standfast", _standfast, speed)
    instances = (script, ours)
    claims = []
    for what, key, most in (("seconds", "seconds", MOST_TIME), ("moves", "moves", MOST_MOVES)):
        ratio = round(ours[key] / script[key], 3)
        claims.append(
            Claim(
                f"{what} to patch {HOSTS} hosts with {VMS} VMs, as a share of a script's; {lab}",
                ratio,
                {"script": 1.0},
                f"<= {most}",
                ratio <= most and not ours["red"],
                instances,
            )
        )
    return claims


def _patched(who: str, how: Callable[[Lab], None], speed: int | None) -> dict[str, Any]:
    """Patch a new lab that way, observed from before the first step to after the last."""
    lab = Lab.up(LabSpec(name="bench", hosts=default_hosts(HOSTS), vms=default_vms(VMS)), install=True)
    try:
        lab.set_speed(Net.MIGRATION, speed)
        before = {host: lab.boot_id(host) for host in lab.hosts}
        lab.observer.start()
        began = time.monotonic()
        how(lab)
        seconds = time.monotonic() - began
        report = lab.observer.stop()
        rebooted = [host for host in lab.hosts if lab.boot_id(host) != before[host]]
        if len(rebooted) != len(lab.hosts):
            raise SystemExit(f"{who}: only {', '.join(rebooted) or 'no host'} was rebooted")
        return {
            "who": who,
            "seconds": round(seconds, 1),
            "moves": sum(vm["moves"] for vm in report["vms"]),
            "longest_gap_seconds": max(vm["longest_gap_seconds"] for vm in report["vms"]),
            "restarts": sum(vm["restarts"] for vm in report["vms"]),
            "red": report["red"],
            "reasons": report["reasons"],
        }
    finally:
        lab.down()


def _by_hand(lab: Lab) -> None:
    script = Path(__file__).with_name("by_hand.sh")
    subprocess.run(
        [str(script), str(lab.paths.ssh_config), *lab.hosts], check=True, stdout=sys.stderr, timeout=1800
    )


def _standfast(lab: Lab) -> None:
    """`plan` and `apply`, from the command line as a user does it; scanning is part of the plan."""
    with tempfile.TemporaryDirectory(prefix="standfast-bench-") as where:
        options = ["--config", str(lab.config_path), "--state-dir", f"{where}/state"]
        program = [sys.executable, "-m", "standfast.cli", *options]
        for words in (("plan", "--out", f"{where}/plan.json"), ("apply", f"{where}/plan.json", "--yes")):
            subprocess.run([*program, *words], check=True, stdout=sys.stderr, timeout=1800)
