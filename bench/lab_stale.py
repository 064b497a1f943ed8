"""Two controllers at once on real hosts, one of them suspended in the middle of an order and woken too late.

The first one's order to patch a host is kept back on its way (its `ssh` is a script of the bench's), the
controller is stopped (SIGSTOP) for longer than its lease, a second one takes over and goes on, then the old
order is let through and the first one is woken. The host has to act once; whatever else the first one might
say with its old epoch is refused by the host itself; the store takes no word of it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import _labrun as labrun
from bench.claim import Claim, Settings
from standfast.config.load import load
from standfast.lab.cluster import Lab
from standfast.model.errors import StandfastError
from standfast.model.hostwork import WorkKind, WorkOrder
from standfast.model.ids import HostId
from standfast.model.run import RunState
from standfast.ports import Fencing
from standfast.store import Store
from standfast.wiring import outside_for

NAME, LIMIT_SECONDS = "stale", 500.0
SSH = """#!/bin/sh
# Keeps back the first order to patch until it is told to go on; what the host then answers is written down.
case "$*" in *"sh -s") ;; *) exec {ssh} "$@" ;; esac
text=$(mktemp) && cat >"$text"
if head -n 1 "$text" | grep -q "^set -- standfast-[^ ]* patch " && mkdir {place}/kept 2>/dev/null; then
    until [ -e {place}/go ]; do sleep 0.1; done
    {ssh} "$@" <"$text" >{place}/answer.new 2>&1
    mv {place}/answer.new {place}/answer
    exit 0
fi
exec {ssh} "$@" <"$text"
"""


def measure(_: Settings) -> list[Claim]:
    """One run."""
    labrun.can_hold_a_lab()
    with labrun.new_lab(NAME, hosts=3, vms=3) as lab, labrun.controller_of(lab) as first:
        figures = one_run(lab, first)
    wrong = [name for name, good in figures["checks"].items() if not good]
    return [
        Claim(
            "things that a controller woken after its lease did to a host or the store, or that went wrong",
            len(wrong),
            {},
            "0",
            not wrong,
            (figures,),
        )
    ]


def one_run(lab: Lab, first: labrun.Controller) -> dict[str, Any]:
    """The run with both controllers; `checks` by what each says."""
    place = first.state_dir.parent
    second = labrun.Controller(first.config, place / "second" / "state", place / "second.out")
    before = {host: lab.boot_id(host) for host in lab.hosts}
    lab.observer.start()
    stalling_start(first, place)
    first.begin()
    store = first.store()
    try:
        labrun.wait_for("an order to patch", (place / "kept").exists, seconds=LIMIT_SECONDS)
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGSTOP)
        old = store.lease()
        assert old is not None
        run_id = store.find_run("last")
        # As another machine would see a shared store: the lock against a second one here is by directory.
        second.state_dir.mkdir(parents=True)
        (second.state_dir / "standfast.db").symlink_to(first.state_dir / "standfast.db")
        stopped = time.monotonic()
        second.start()
        labrun.wait_for("a second lease", lambda: _newer(store, old.epoch), seconds=120.0)
        taken_after = time.monotonic() - stopped
        host = next(row.host for row in store.run(run_id).hosts if row.phase == "patching")
        labrun.wait_for(
            "the host's new epoch", lambda: _epoch(lab, store, run_id, host) > old.epoch, seconds=120
        )
        (place / "go").touch()
        answer = labrun.wait_for("the host's answer", lambda: _text(place / "answer"), seconds=60.0)
        refused = stale_words(lab, first, run_id, old.epoch, host)
        os.kill(first.process.pid, signal.SIGCONT)
        woken = time.monotonic()
        while not (run := store.run(run_id)).ended and run.state is not RunState.HELD:
            if time.monotonic() - woken > LIMIT_SECONDS:
                break
            time.sleep(0.2)
        lease = store.lease()
        words = labrun.last_words(store)
        events = store.events(run_id)
    finally:
        store.close()
        second.kill()
    seen, left = labrun.seen(lab.observer.stop()), labrun.left_on_hosts(lab, before)
    patched = [event for event in events if event.host == host and event.data.get("to") == "patching"]
    return {
        "taken_over_after_seconds": round(taken_after, 1),
        "epochs": [old.epoch, lease.epoch if lease is not None else None],
        "kept_back_order_answered": answer,
        "refused_by_the_host": refused,
        "ended": str(run.state),
        "last_words": words if run.state is not RunState.COMPLETED else [],
        **seen,
        **left,
        "checks": {
            "the second took over": taken_after > 0,
            "the kept back order did nothing": bool(re.match("(known|epoch) ", answer)),
            "the host refused the old epoch": all(each == "stale_epoch" for each in refused.values()),
            "the host was patched once": len(patched) == 1,
            "the run completed": run.state is RunState.COMPLETED,
            "no VM was interrupted": not seen["red"],
            "nothing is left": not any(left.values()),
            "the first one wrote that it had lost its lease": "lease lost" in _text(first.log),
        },
    }


def stalling_start(first: labrun.Controller, place: Path) -> None:
    """`serve` with a `ssh` of ours in front of the real one."""
    real = shutil.which("ssh")
    folder = place / "bin"
    folder.mkdir()
    (folder / "ssh").write_text(SSH.format(ssh=real, place=place), encoding="utf-8")
    (folder / "ssh").chmod(0o755)
    was = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{was}"
    try:
        first.start()
    finally:
        os.environ["PATH"] = was


def stale_words(lab: Lab, first: labrun.Controller, run_id: Any, epoch: int, host: HostId) -> dict[str, str]:
    """Everything that the first controller might still say to the host, said with its epoch: the refusals."""
    cluster = load(first.config).clusters[lab.name]
    store = first.store()
    try:
        known = {row.name: row.host for row in store.run(run_id).hosts}
    finally:
        store.close()
    outside = outside_for(cluster, first.state_dir, known)
    by = Fencing(run_id, epoch)
    orders = {
        kind: WorkOrder(kind, host, run_id, epoch, attempt=9) for kind in (WorkKind.PATCH, WorkKind.REBOOT)
    }
    said: dict[str, Callable[[], None]] = {
        "cordon": lambda: outside.fence.cordon(host, by),
        "uncordon": lambda: outside.fence.uncordon(host, by),
        "patch": lambda: outside.work.begin(orders[WorkKind.PATCH]),
        "reboot": lambda: outside.work.begin(orders[WorkKind.REBOOT]),
    }
    refused = {}
    for word, call in said.items():
        try:
            call()
            refused[word] = "obeyed"
        except StandfastError as error:
            refused[word] = error.code
    outside.platform.close()
    return refused


def _newer(store: Store, epoch: int) -> bool:
    lease = store.lease()
    return lease is not None and lease.epoch > epoch


def _epoch(lab: Lab, store: Store, run_id: Any, host: HostId) -> int:
    name = next(row.name for row in store.run(run_id).hosts if row.host == host)
    text = lab.ssh(name, "cat /var/lib/standfast/epoch", check=False).stdout.strip()
    return int(text) if text.isdigit() else 0


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip() if file.exists() else ""
