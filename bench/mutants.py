"""Deliberate faults in what keeps VMs safe, each of which some test has to catch.

`./dev bench mutants [--only WORD] [--json]` makes a copy of the product, puts one fault into it, runs the
tests that should notice with that copy in the product's place, takes the copy away, and prints which test
caught it. The checkout itself is never touched. A fault that no test catches, or one whose place in the
source is gone, ends it with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 600.0

DECIDE = "tests/unit/run/test_decide.py"
WHOLE = "tests/unit/run/test_whole_run.py"
SCRIPTS = "tests/unit/updates/test_host_scripts.py"
LEASE = "tests/unit/store/test_store_lease.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault: `before` stands exactly once in `file` (below src/standfast) and becomes `after`."""

    name: str
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        "the host's guard does not count its VMs",
        "updates/scripts/guard.sh",
        'if [ "$count" -gt 0 ]; then',
        "if false; then",
        (SCRIPTS,),
    ),
    Mutant(
        "the host's guard overlooks a QEMU that libvirt does not list",
        "updates/scripts/guard.sh",
        'if [ -n "$found" ]; then',
        "if false; then",
        (SCRIPTS,),
    ),
    Mutant(
        "the host forgets which epoch it has heard of",
        "updates/scripts/guard.sh",
        'if [ "$epoch" -lt "$seen" ]; then',
        "if false; then",
        (SCRIPTS,),
    ),
    Mutant(
        "the host does not ask whether it is cordoned",
        "updates/scripts/guard.sh",
        'if [ ! -e "$state/cordon" ]; then',
        "if false; then",
        (SCRIPTS,),
    ),
    Mutant(
        "a unit's name may act twice",
        "updates/scripts/begin.sh",
        'if [ -e "$directory" ]; then echo "known $unit"; exit 0; fi',
        'rm -rf "$directory"',
        (SCRIPTS,),
    ),
    Mutant(
        "the store takes writes of any epoch",
        "store/lease.py",
        "if row is None or row.epoch != epoch or row.holder == _NOBODY:",
        "if row is None or row.holder == _NOBODY:",
        (LEASE,),
    ),
    Mutant(
        "a lease is given away while it is another's",
        "store/lease.py",
        "row.holder not in (_NOBODY, holder) and row.expires_at > now",
        "row.holder not in (_NOBODY, holder) and row.expires_at > now + 1e9",
        (LEASE,),
    ),
    Mutant(
        "a new lease keeps the old epoch",
        "store/lease.py",
        "epoch = 1 if row is None else row.epoch + 1",
        "epoch = 1 if row is None else row.epoch",
        (LEASE,),
    ),
    Mutant(
        "a call is made before its rows are written",
        "run/loop.py",
        "            actions = decide(run, seen, now)\n",
        "            actions = decide(run, seen, now)\n"
        "            for call in (action.call for action in actions if action.call is not None):\n"
        "                self._caller.make(call)\n",
        ("tests/unit/run/test_leave_to_act.py",),
    ),
    Mutant(
        "the cordon goes up without a word in the journal",
        "run/cordons.py",
        '            TakeJournal(row.host, "cordon", row.name, {"cordoned": False}),\n',
        "",
        (DECIDE,),
    ),
    Mutant(
        "a cordon is written off before it is seen down",
        "run/cordons.py",
        "    if host.cordoned and host.cordoned_by == view.run.id:\n        return",
        "    if False:\n        return",
        (DECIDE,),
    ),
    Mutant(
        "a host is patched without another look whether it is empty",
        "run/phases.py",
        "    if not draining.is_empty(view, row):\n"
        '        return (enter(view, row, Phase.DRAINING, "a VM is on it again: evacuating"),)\n'
        "    if view.run.plan.kind",
        "    if view.run.plan.kind",
        (DECIDE,),
    ),
    Mutant(
        "a host counts as empty by the platform's word alone",
        "run/draining.py",
        "        and facts.active_vms == 0\n",
        "",
        (DECIDE,),
    ),
    Mutant(
        "how the patch ended is not looked at",
        "run/phases.py",
        "    if work.phase is not WorkPhase.SUCCEEDED:\n",
        "    if False:\n",
        (DECIDE,),
    ),
    Mutant(
        "a host that answers counts as rebooted",
        "run/phases.py",
        "if facts is not None and facts.boot_id != row.boot_id_before:",
        "if facts is not None:",
        (DECIDE,),
    ),
    Mutant(
        "a patched host is not asked what is still pending",
        "run/verifying.py",
        "    scanned = _scanned(view, row, host)",
        "    scanned: tuple[Action, ...] = ()",
        (DECIDE, WHOLE),
    ),
    Mutant(
        "a move that succeeded is believed, wherever the VM is",
        "run/moving.py",
        "    if vm.host == move.target and vm.state is VmState.RUNNING:\n",
        "    if vm.host == move.target or _ended(outcome):\n",
        (DECIDE,),
    ),
    Mutant(
        "hosts begin whatever the reserve says",
        "run/turns.py",
        "        lacking = headroom.reserve(shutting.without_stops(view, wave[:size]), out)\n",
        "        lacking = None\n",
        (DECIDE, "tests/unit/run/test_turns.py"),
    ),
    Mutant(
        "members of a group may fly together",
        "run/links.py",
        "        and not any(mate in board.flights for mate in mates)\n",
        "",
        (DECIDE, "tests/unit/run/test_leave_to_act.py"),
    ),
    Mutant(
        "a phase of another release is guessed at",
        "run/decide.py",
        "        or _unknown_phase(view)\n",
        "",
        (DECIDE,),
    ),
    Mutant(
        "a lease that ran out still counts for acting",
        "run/serve.py",
        "if self._lease is None or self._clock.elapsed() - self._renewed_at >= LEASE_SECONDS:",
        "if self._lease is None:",
        ("tests/unit/run/test_leave_to_act.py",),
    ),
    Mutant(
        "an event's digest leaves out the one before",
        "store/audit.py",
        "said = [before, *",
        "said = [*",
        ("tests/unit/store/test_store_keeping.py",),
    ),
)


def caught_by(mutant: Mutant) -> str:
    """The test that failed first, or "" if all passed. ValueError if the place in the source is gone."""
    with tempfile.TemporaryDirectory(prefix="standfast-mutant-") as directory:
        source = Path(directory) / "src"
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        file = source / "standfast" / mutant.file
        text = file.read_text()
        if text.count(mutant.before) != 1:
            raise ValueError(f"{mutant.file} has the place of this fault {text.count(mutant.before)} times")
        file.write_text(text.replace(mutant.before, mutant.after))
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(source), "HYPOTHESIS_DATABASE_FILE": directory},
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    if done.returncode == 0:
        return ""
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)  # spaces in a case's name end it
    if done.returncode != 1 or found is None:
        raise ValueError(f"the tests did not run: {done.stdout[-400:]}{done.stderr[-400:]}")
    return found[1]


def main(arguments: Sequence[str]) -> int:
    """Try every fault whose name has the word; 1 if one was caught by nobody."""
    parser = argparse.ArgumentParser(prog="./dev bench mutants", description="Faults that tests must catch.")
    parser.add_argument("--only", default="", metavar="WORD", help="only faults with this in their name")
    parser.add_argument("--json", action="store_true", help="print one object")
    options = parser.parse_args(arguments)
    found: dict[str, str] = {}
    for mutant in (mutant for mutant in MUTANTS if options.only in mutant.name):
        try:
            found[mutant.name] = caught_by(mutant)
        except ValueError as error:
            parser.error(f"{mutant.name}: {error}")
        if not options.json:
            print(f"{mutant.name}: {found[mutant.name] or 'CAUGHT BY NOBODY'}", flush=True)
    escaped = [name for name, test in found.items() if not test]
    if options.json:
        print(json.dumps({"faults": len(found), "escaped": escaped, "caught_by": found}, indent=1))
    else:
        print(f"{len(found)} faults, {len(found) - len(escaped)} caught.")
    return 1 if escaped else 0
