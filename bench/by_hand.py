"""A whole run beside an administrator's own script, in the same lab, seen by the same observer.

The script (`by_hand.sh`) does one host after another and one move at a time, and moves VMs back home.

The lab is a small shop with gigabit between its hosts, about ten times as fast: at 80 Mbit/s a VM moves in
about 15 s and its host boots in 30 s, as where a VM of 16 GiB takes two and a half minutes and a server five
to be back. With `--full` two more, in which most of a run is what it does of its own, and a script is as fast
as anybody: one with links as fast as the machine, a move in a second and a host patched and up again in five;
and one at 250 Mbit/s, a move in four.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.claim import Claim, Settings
from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms

HOSTS, VMS = 4, 10
MOST_TIME, MOST_MOVES = 0.7, 0.6


@dataclass(frozen=True, slots=True)
class Scene:
    """How fast the links and the hosts of a lab are."""

    name: str
    migration_speed_bits_per_second: int | None = None
    boot_seconds: float = 0.0


GIGABIT_SHOP = Scene("migration at 80 Mbit/s, boots of 30 s", 80_000_000, 30.0)
SCENES = (
    GIGABIT_SHOP,
    Scene("migration at 250 Mbit/s", 250_000_000),
    Scene("links as fast as the machine"),
)


def measure(settings: Settings) -> list[Claim]:
    """Two claims, time and moves, at 4 hosts and 10 VMs, in one lab, or with `--full` in each of three."""
    scenes = SCENES if settings.full else (GIGABIT_SHOP,)
    return [claim for scene in scenes for claim in _compared(scene)]


def _compared(scene: Scene) -> list[Claim]:
    script = _patched("by hand", _by_hand, scene)
    ours = _patched("standfast", _standfast, scene)
    instances = (script, ours)
    claims = []
    for what, key, most in (("seconds", "seconds", MOST_TIME), ("moves", "moves", MOST_MOVES)):
        ratio = round(ours[key] / script[key], 3)
        claims.append(
            Claim(
                f"{what} to patch {HOSTS} hosts with {VMS} VMs, as a share of a script's; {scene.name}",
                ratio,
                {"script": 1.0},
                f"<= {most}",
                ratio <= most and not ours["red"],
                instances,
            )
        )
    return claims


def _patched(who: str, how: Callable[[Lab], None], scene: Scene) -> dict[str, Any]:
    """Patch a new lab that way, observed from before the first step to after the last."""
    spec = LabSpec(
        name="bench",
        hosts=default_hosts(HOSTS),
        vms=default_vms(VMS),
        migration_speed_bits_per_second=scene.migration_speed_bits_per_second,
        boot_seconds=scene.boot_seconds,
    )
    lab = Lab.up(spec, install=True)
    try:
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
