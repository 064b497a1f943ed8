"""`demo`: the whole job on a cluster made for it, with proof from outside the product."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from standfast.cli.out import say, show, table
from standfast.model.errors import RefusedError, StandfastError

if TYPE_CHECKING:
    from standfast.cli.stages import HostNow, Seen, Stage

FAILED = 1


@click.command(name="demo")
@click.option("--hosts", default=3, show_default=True, type=click.IntRange(3, 99), help="How many hosts.")
@click.option("--vms", default=6, show_default=True, type=click.IntRange(0, 200), help="How many VMs.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write what was proven there.",
)
@click.option(
    "--platform",
    type=click.Choice(["libvirt", "simulated"]),
    help="Real hosts and VMs, or simulated ones; default: real if this machine can hold them.",
)
@click.option("--keep", is_flag=True, help="Leave the cluster there to look at.")
def demo(
    hosts: int, vms: int, json_file: Path | None, platform: Literal["libvirt", "simulated"] | None, keep: bool
) -> int:
    """Patch a whole cluster made for it, and prove that no VM was interrupted.

    Brings up a lab (real hosts, real VMs), then runs scan, plan and apply as a user would. Exit code 1 if
    anything is not as promised.
    """
    from standfast.files import check_writable, write_whole

    if json_file is not None:
        check_writable(json_file, "proof", option="--json")
    began = time.monotonic()
    stage = _stage(platform, hosts, vms)
    try:
        proof = _play(stage)
    finally:
        _leave(stage, keep=keep)
    proof["seconds"] = round(time.monotonic() - began, 1)
    wrong = proof.pop("wrong")
    if json_file is not None:
        write_whole(json_file, json.dumps(proof, indent=2) + "\n", "proof")
    show(_told(proof))
    for sentence in wrong:
        say(f"NOT AS PROMISED: {sentence}")
    if not wrong:
        say(f"As promised: every host patched and rebooted, no VM interrupted, in {proof['seconds']} s.")
    return FAILED if wrong else 0


def _stage(platform: str | None, hosts: int, vms: int) -> Stage:
    """Real if it can be; simulated is said aloud, with the reason. Raises RefusedError."""
    from standfast.cli.stages import LabStage, SimStage

    if platform == "simulated":
        say("This is a SIMULATED cluster, as asked for: no real host and no real VM.")
        return SimStage(hosts, vms)
    why = _why_no_lab()
    if not why:
        return LabStage(hosts, vms)
    if platform == "libvirt":
        raise RefusedError("no_lab", "this machine can't hold a lab", why=why.rstrip("."))
    say(f"This is a SIMULATED cluster, no real host and no real VM: this machine can't hold a lab. {why}")
    return SimStage(hosts, vms)


def _why_no_lab() -> str:
    """Why this machine can't hold a lab; empty where it can (packages are installed when it comes up)."""
    from standfast.lab.errors import LabError
    from standfast.lab.system import check_machine

    try:
        check_machine()
    except LabError as error:
        return str(error)
    return ""


def _play(stage: Stage) -> dict[str, Any]:
    """The main job as a user does it. Raises StandfastError where it can't go on."""
    from standfast.lab.errors import LabError

    try:
        stage.up()
        stage.watch()
        began = time.monotonic()
        _must(stage, "scan")
        before = stage.hosts()
        plan = str(stage.config.with_name("standfast-plan.json"))
        _must(stage, "plan", "--out", plan)
        code = _run(stage, "apply", plan, "--yes")
        seconds = time.monotonic() - began
        seen, after = stage.seen(), stage.hosts()
    except LabError as error:
        raise StandfastError("lab", "the lab failed", why=str(error)) from error
    return proof_of(stage.platform, before, after, seen, code, seconds)


def _leave(stage: Stage, *, keep: bool) -> None:
    """Take the cluster down with its controller, or say where it is."""
    if keep:
        say(f"Kept: standfast -c {stage.config} --state-dir {stage.state_dir} …")
    else:
        stage.down()


def _run(stage: Stage, *words: str) -> int:
    """One command line, shown and run in this process."""
    from standfast.cli.root import call

    say(f"\n$ standfast {' '.join(words)}")
    return call(["--config", str(stage.config), "--state-dir", str(stage.state_dir), *words])


def _must(stage: Stage, *words: str) -> None:
    code = _run(stage, *words)
    if code:
        raise StandfastError("demo", f"`standfast {words[0]}` ended with exit code {code}, so the demo ends")


def proof_of(
    platform: str,
    before: Mapping[str, HostNow],
    after: Mapping[str, HostNow],
    seen: Seen,
    code: int,
    run_seconds: float,
) -> dict[str, Any]:
    """What is written with `--json`, and under `wrong` a sentence for each thing that is not as promised."""
    hosts = [
        {
            "name": name,
            "boot_id_before": was.boot_id,
            "boot_id_after": after[name].boot_id,
            "pending_before": was.pending,
            "pending_after": after[name].pending,
        }
        for name, was in before.items()
    ]
    wrong = list(seen.wrong)
    if code:
        wrong.append(f"`standfast apply` ended with exit code {code}.")
    for host in hosts:
        if host["boot_id_before"] == host["boot_id_after"]:
            wrong.append(f"{host['name']} was not rebooted.")
        if host["pending_after"]:
            wrong.append(f"{host['name']} has {host['pending_after']} updates pending.")
    for vm in seen.vms:
        if vm["restarts"]:
            wrong.append(f"{vm['name']} was restarted {vm['restarts']} times.")
        wrong += [f"{vm['name']}: {state}" for state in vm["states_left"]]
    return {
        "platform": platform,
        "hosts": hosts,
        "vms": seen.vms,
        "run_seconds": round(run_seconds, 1),
        "wrong": list(dict.fromkeys(wrong)),
    }


def _told(proof: dict[str, Any]) -> str:
    """Two tables for a reader."""
    hosts = [
        (
            host["name"],
            f"{host['boot_id_before'][:8]} -> {host['boot_id_after'][:8]}",
            f"{host['pending_before']} -> {host['pending_after']}",
        )
        for host in proof["hosts"]
    ]
    vms = [
        (
            vm["name"],
            str(vm["moves"]),
            str(vm["restarts"]),
            "-" if vm["longest_gap_seconds"] is None else f"{vm['longest_gap_seconds']:.2f} s",
            ", ".join(vm["states_left"]) or "none",
        )
        for vm in proof["vms"]
    ]
    return "\n".join(
        [
            "",
            table(("HOST", "BOOT", "PENDING"), hosts),
            "",
            table(("VM", "MOVES", "RESTARTS", "LONGEST GAP", "STATES LEFT"), vms) if vms else "No VMs.",
        ]
    )
