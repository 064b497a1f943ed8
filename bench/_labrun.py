"""A lab of a bench's own, `standfast` as a user types it, and what is so on the hosts after a run."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.claim import Skipped
from standfast.lab.cluster import Lab
from standfast.lab.errors import LabError
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.lab.system import check_machine
from standfast.store import Store

CALL_SECONDS = 300.0


def can_hold_a_lab() -> None:
    """Raises Skipped with the reason where this machine can't."""
    try:
        check_machine()
    except LabError as error:
        raise Skipped(f"this machine can't hold a lab: {error}") from error


@contextmanager
def new_lab(name: str, *, hosts: int = 3, vms: int = 6, packages: tuple[str, ...] = ()) -> Iterator[Lab]:
    """A lab, up, and removed on every way out; one of that name that an earlier death left goes first."""
    Lab.remove(name)
    spec = LabSpec(name=name, hosts=default_hosts(hosts), vms=default_vms(vms), packages=packages)
    try:
        yield Lab.up(spec, install=True)
    finally:
        Lab.remove(name)


@dataclass
class Controller:
    """The command line with a config and a state directory, and the one `serve` that acts for it."""

    config: Path
    state_dir: Path
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One verb to its end."""
        return subprocess.run(
            self._command(words), capture_output=True, text=True, timeout=CALL_SECONDS, check=False
        )

    def must(self, *words: str) -> str:
        """One verb that has to succeed; its standard output. SystemExit with its words if it fails."""
        done = self.call(*words)
        if done.returncode != 0:
            raise SystemExit(
                f"standfast {' '.join(words)}: exit code {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout

    def start(self) -> None:
        """`serve` as an init system starts it."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command(("serve",)), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        """SIGKILL: nothing of it runs after this, no `finally` either. None is left to wait for."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def begin(self, *options: str) -> None:
        """Plan (with these options), and approve it with nobody else to act than the `serve` of here."""
        plan = self.state_dir.parent / "plan.json"
        self.must("plan", "--out", str(plan), *options)
        self.must("apply", str(plan), "--yes", "--detach")

    def store(self) -> Store:
        return Store.open(self.state_dir / "standfast.db", read_only=True)

    def _command(self, words: tuple[str, ...]) -> list[str]:
        options = ["--config", str(self.config), "--state-dir", str(self.state_dir)]
        return [sys.executable, "-m", "standfast.cli", *options, *words]


@contextmanager
def controller_of(lab: Lab) -> Iterator[Controller]:
    """With a state directory of its own; killed and removed on every way out."""
    with tempfile.TemporaryDirectory(prefix="standfast-bench-") as where:
        made = Controller(lab.config_path, Path(where) / "state", Path(where) / "serve.out")
        try:
            yield made
        finally:
            made.kill()


def last_words(store: Store, most: int = 8) -> list[str]:
    """What a run said last, for whoever looks why it went wrong."""
    return [event.text for event in store.events(store.find_run("last"))[-most:]]


def with_policy(lab: Lab, place: Path, policy: str) -> Path:
    """The lab's config in a file of one's own, with a little more policy and shorter waits."""
    text = lab.config_path.read_text(encoding="utf-8")
    more = "move_backoff_seconds: [5, 10, 20]" + (f", {policy}" if policy else "")
    file = place / "standfast.yaml"
    file.write_text(text.replace("tick_seconds: 0.5}", f"tick_seconds: 0.5, {more}}}"), encoding="utf-8")
    return file


def start_vms(lab: Lab) -> None:
    """Start every VM that is defined on a host and runs nowhere."""
    running = {vm for vm, hosts in lab.where().items() if hosts}
    for host in lab.hosts:
        for vm in lab.virsh(host, "list --inactive --name").split():
            if vm not in running:
                lab.virsh(host, f"start {vm}")


def left_on_hosts(lab: Lab, before: dict[str, str], *, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """What the hosts themselves say: which were not rebooted, not patched, and are still cordoned."""
    pending = "LC_ALL=C apt-get -qq -s dist-upgrade | grep -c ^Inst || true"
    meant = [host for host in lab.hosts if host not in leave_out]
    return {
        "not_rebooted": [host for host in meant if lab.boot_id(host) == before[host]],
        "not_patched": [host for host in meant if lab.ssh(host, pending).stdout.strip() != "0"],
        "cordoned": [
            host
            for host in lab.hosts
            if lab.ssh(host, "test -e /var/lib/standfast/cordon", check=False).returncode == 0
        ],
    }


def seen(report: dict[str, Any]) -> dict[str, Any]:
    """What the lab's observer saw of the VMs, in figures."""
    vms = report["vms"]
    return {
        "red": report["red"],
        "reasons": report["reasons"],
        "restarts": sum(vm["restarts"] for vm in vms),
        "states_left": sorted({state for vm in vms for state in vm["states_left"]}),
        "longest_gap_seconds": round(max(vm["longest_gap_seconds"] or 0.0 for vm in vms), 2),
        "moves": sum(vm["moves"] for vm in vms),
    }


def wait_for(what: str, found: Any, *, seconds: float = 60.0) -> Any:
    """Ask `found()` until it is true; SystemExit if it is not in time."""
    deadline = time.monotonic() + seconds
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)
    return answer
