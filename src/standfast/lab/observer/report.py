"""The report: one JSON object, and whether it is red. Pure but for the writing."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from standfast.lab.observer.beats import Pulse
from standfast.lab.observer.history import History


@dataclass(frozen=True, slots=True)
class VmEvidence:
    """All that is known about one VM at the end."""

    name: str
    network: Pulse
    serial: Pulse
    history: History
    states_left: Sequence[str]


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def vm_entry(vm: VmEvidence, now: float) -> dict[str, object]:
    """The VM's part of the report; ``now`` is on the clock of its beats."""
    return {
        "name": vm.name,
        "restarts": max(vm.network.restarts, vm.serial.restarts),
        "longest_gap_seconds": _rounded(vm.network.longest_gap(now)),
        "longest_gap_serial_seconds": _rounded(vm.serial.longest_gap(now)),
        "beats": vm.network.beats,
        "beats_serial": vm.serial.beats,
        "disk_errors": max(vm.network.disk_errors, vm.serial.disk_errors),
        "memory_errors": max(vm.network.memory_errors, vm.serial.memory_errors),
        "moves": vm.history.moves,
        "path": list(vm.history.path),
        "states_left": list(vm.states_left),
        "interruptions": [
            {"kind": each.kind, "host": each.host, "at": _time(each.at), "detail": each.detail}
            for each in vm.history.interruptions
        ],
    }


def vm_reasons(vm: VmEvidence, now: float, gap_budget: float) -> list[str]:
    """Why this VM makes the report red; empty if it stood fast."""
    reasons = []
    for way, pulse in (("network", vm.network), ("serial line", vm.serial)):
        gap = pulse.longest_gap(now)
        if gap is None:
            reasons.append(f"{vm.name} was never heard on the {way}")
        elif gap > gap_budget:
            reasons.append(f"{vm.name} was silent on the {way} for {gap:.2f} s (budget {gap_budget:g} s)")
    entry = vm_entry(vm, now)
    for key in ("restarts", "disk_errors", "memory_errors"):
        if entry[key]:
            reasons.append(f"{vm.name}: {key.replace('_', ' ')}: {entry[key]}")
    reasons += [
        f"{vm.name}: {each.kind} on {each.host} at {_time(each.at)} ({each.detail})"
        for each in vm.history.interruptions
    ]
    return reasons + [f"{vm.name}: {state}" for state in vm.states_left]


def build_report(
    vms: Sequence[VmEvidence],
    boot_ids: Mapping[str, Sequence[str]],
    troubles: Sequence[str],
    *,
    now: float,
    gap_budget: float,
    facts: Mapping[str, object],
) -> dict[str, object]:
    """The whole report. ``troubles`` are what the observer itself could not see: they make it red too."""
    reasons = [reason for vm in vms for reason in vm_reasons(vm, now, gap_budget)] + list(troubles)
    return {
        "red": bool(reasons),
        "reasons": reasons,
        "gap_budget_seconds": gap_budget,
        "vms": [vm_entry(vm, now) for vm in vms],
        "hosts": [{"name": host, "boot_ids_seen": list(seen)} for host, seen in boot_ids.items()],
        "observer": dict(facts),
    }


def write_report(path: Path, report: Mapping[str, object]) -> None:
    """Write it so that no reader ever sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".report.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(report, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
