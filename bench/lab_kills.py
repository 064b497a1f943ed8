"""Whole runs on real hosts whose controller dies at random instants, judged by the lab's observer.

`./dev bench lab_kills [--kills N] [--hosts H] [--vms V] [--seed S] [--json]` builds a new lab for each run,
and kills the real controller (SIGKILL) after a random time again and again until the run has ended, each time
starting the next one, as an init system does. Runs are repeated until N deaths were survived. The instants
are drawn by the seed; what they hit depends on the machine, and is printed.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench import _labrun as labrun
from bench.claim import Claim, Settings
from standfast.model.run import MoveState, Run, RunState

KILLS, SHORT = 30, 6
LEAST_SECONDS, MOST_SECONDS = 1.0, 16.0
"""A life of the controller: at the least a process begins, at the most a phase or two pass."""
LIMIT_SECONDS = 600.0
NAME = "kills"


def one_run(hosts: int, vms: int, dice: random.Random) -> dict[str, Any]:
    """A whole run with its deaths; figures, and in which phase each death fell."""
    with labrun.new_lab(NAME, hosts=hosts, vms=vms) as lab, labrun.controller_of(lab) as controller:
        before = {host: lab.boot_id(host) for host in lab.hosts}
        lab.observer.start()
        began = time.monotonic()
        controller.start()
        controller.begin()
        store = controller.store()
        try:
            run_id = store.find_run("last")
            kills: list[dict[str, Any]] = []
            while not (run := store.run(run_id)).ended:
                if time.monotonic() - began > LIMIT_SECONDS or run.state is RunState.HELD:
                    break
                wait = dice.uniform(LEAST_SECONDS, MOST_SECONDS)
                if _ends_within(store, run_id, wait):
                    continue
                controller.kill()
                kills.append({"after_seconds": round(wait, 2), "in": _where(store.run(run_id))})
                controller.start()
            seconds = time.monotonic() - began
            state, words = run.state, labrun.last_words(store)
        finally:
            store.close()
        figures = labrun.seen(lab.observer.stop())
        left = labrun.left_on_hosts(lab, before)
    good = state is RunState.COMPLETED and not figures["red"] and not any(left.values())
    return {
        "ended": str(state),
        "good": good,
        "seconds": round(seconds, 1),
        "kills": kills,
        **figures,
        **left,
        "last_words": [] if good else words,
    }


def _ends_within(store: Any, run_id: Any, seconds: float) -> bool:
    """Whether the run ends by itself, or is held, before this life of the controller does."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        run = store.run(run_id)
        if run.ended or run.state is RunState.HELD:
            return True
        time.sleep(min(0.2, left))
    return False


def _where(run: Run) -> str:
    """What was under way: phases of hosts that have begun, and moves."""
    hosts = [
        f"{row.name} {row.phase}" for row in run.hosts if row.phase not in ("planned", "done", "skipped")
    ]
    moves = sum(move.state is MoveState.STARTED for move in run.moves)
    return ", ".join([*hosts, *([f"{moves} moves"] if moves else [])]) or "between hosts"


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All runs in one object."""
    return {
        "runs": len(runs),
        "kills": sum(len(run["kills"]) for run in runs),
        "completed": len([run for run in runs if run["ended"] == "completed"]),
        "bad": len([run for run in runs if not run["good"]]),
        "vms_restarted": sum(run["restarts"] for run in runs),
        "states_left": sorted({state for run in runs for state in run["states_left"]}),
        "longest_gap_seconds": max((run["longest_gap_seconds"] for run in runs), default=0.0),
        "cordons_left": sum(len(run["cordoned"]) for run in runs),
        "hosts_not_patched": sum(len(run["not_patched"]) for run in runs),
        "hosts_not_rebooted": sum(len(run["not_rebooted"]) for run in runs),
        "moves": sum(run["moves"] for run in runs),
        "seconds": round(sum(run["seconds"] for run in runs), 1),
        "each": list(runs),
    }


def until_killed(kills: int, *, hosts: int = 3, vms: int = 6, seed: int = 0) -> dict[str, Any]:
    """Runs until that many deaths were survived; each is told on standard error as it ends."""
    labrun.can_hold_a_lab()
    dice = random.Random(seed)
    runs: list[dict[str, Any]] = []
    while sum(len(run["kills"]) for run in runs) < kills:
        run = one_run(hosts, vms, dice)
        runs.append(run)
        print(
            f"lab_kills: run {len(runs)}: {run['ended']} in {run['seconds']:g} s, {len(run['kills'])} deaths "
            f"({'; '.join(kill['in'] for kill in run['kills'])}), "
            f"longest silence {run['longest_gap_seconds']:g} s, "
            f"{run['moves']} moves{'' if run['good'] else ': NOT GOOD'}",
            file=sys.stderr,
            flush=True,
        )
        if not run["good"]:
            print("\n".join(run["last_words"]), file=sys.stderr)
    return summary(runs)


def measure(settings: Settings) -> list[Claim]:
    """One run's worth, or with --full the 30 deaths."""
    told = until_killed(KILLS if settings.full else SHORT)
    return [
        Claim(
            f"runs of {told['runs']} on real hosts with {told['kills']} deaths that did not end well",
            told["bad"],
            {},
            "0",
            told["bad"] == 0,
            (told,),
        )
    ]


def main(arguments: Sequence[str]) -> int:
    """1 if a run did not end well."""
    parser = argparse.ArgumentParser(prog="./dev bench lab_kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help="deaths in all, at least")
    parser.add_argument("--hosts", type=int, default=3, metavar="H")
    parser.add_argument("--vms", type=int, default=6, metavar="V")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    told = until_killed(options.kills, hosts=options.hosts, vms=options.vms, seed=options.seed)
    if options.json:
        print(json.dumps(told))
    else:
        print(", ".join(f"{value} {key}" for key, value in told.items() if key != "each"))
    return int(told["bad"] > 0)
